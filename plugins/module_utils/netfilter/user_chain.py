# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A section of DOCKER-USER: a chain of our own, entered from there by one jump."""

from __future__ import annotations

import re
from typing import Any, List, NamedTuple, Tuple

from ..errors import DrawbridgeError
from .address import quoted
from .model import BOTH, MAX_CHAIN_NAME, Chain, Hook, Line, Wanted
from .rule import compile_rules
from .spelling import is_plain
from .written import written_rule

TABLE = "filter"
PARENT = "DOCKER-USER"
PREFIX = "DB-USER-"
# The section that the module host_policy keeps.
RESERVED = "policy"
_SECTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,%d}" % (MAX_CHAIN_NAME - len(PREFIX) - 1))
ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"


class Section(NamedTuple):
    """name, priority: lowest first. established: replies and flows that were let in before pass first. families: those that the
    section is for. purge: whether foreign lines of DOCKER-USER are deleted. present: or to be removed."""

    name: str
    priority: int
    established: bool
    families: Tuple[int, ...]
    purge: bool
    present: bool


def section_wanted(section: Section, rules: Any, path: str) -> Wanted:
    """The section as wanted state. ``rules``: the user's list, or text that ``pack`` made of it; ``path``: its name."""
    if not _SECTION.fullmatch(section.name):
        raise DrawbridgeError(
            "%s is not a section's name" % quoted(section.name),
            "section",
            "letters, digits, _ and -, at most %d" % (MAX_CHAIN_NAME - len(PREFIX)),
        )
    if section.name.split("-")[0] == RESERVED:
        raise DrawbridgeError("the section %s belongs to the module host_policy" % section.name, "section")
    if not 0 <= section.priority <= 9999:
        raise DrawbridgeError("%d is not from 0 to 9999" % section.priority, "priority")
    chain = PREFIX + section.name
    owned = [(TABLE, chain)]
    if not section.present:
        return Wanted(chains=[], hooks=[], owned=owned)
    lines = [Line(ESTABLISHED)] if section.established else []
    lines += unpack(rules, path) if isinstance(rules, str) else compile_rules(rules, path)
    return Wanted(
        chains=[Chain(TABLE, chain, lines, section.families)],
        hooks=[Hook(TABLE, PARENT, chain, section.priority, families=section.families)],
        owned=owned,
        shared=[(TABLE, PARENT)],
        purge=[(TABLE, PARENT)] if section.purge else [],
    )


def pack(rules: Any, path: str) -> str:
    """Rules compiled into one text, for the way to the host: 1,000 dicts as arguments cost more than all else there.

    path: what the user calls the list, for errors.
    """
    packed = []
    for line in compile_rules(rules, path):
        families = "".join(map(str, line.families))
        packed.append("%s %s %s" % (families, (line.path or path)[len(path) + 1 : -1], line.text))
    return "\n".join(packed)


def unpack(text: str, path: str) -> List[Line]:
    """What ``pack`` made. Every line is checked again: this is the host's side of the way."""
    lines = []
    for packed in text.split("\n") if text else []:
        families, index, rule = (packed + "  ").split(" ", 2)
        place = "%s[%s]" % (path, index)
        if families not in ("4", "6", "46"):
            raise DrawbridgeError("not packed rules", place)
        rule = rule[:-2]
        text = rule if is_plain(rule) else written_rule(rule, place).text
        lines.append(Line(text, tuple(map(int, families)), place))
    return lines
