# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Rules on the way from the controller to a host: compiled there, carried as one text, checked again here."""

from __future__ import annotations

from typing import Any, List, Tuple

from ..errors import DrawbridgeError
from .model import BOTH, IPV4, IPV6, Line
from .rule import compile_rules
from .spelling import is_plain
from .written import written_rule

_FAMILIES = {"4": (IPV4,), "6": (IPV6,), "46": BOTH}


def rule_lines(rules: Any, families: Tuple[int, ...], path: str) -> List[Line]:
    """The user's list of rules, or the text that ``pack`` made of it, as lines. families: those that the rules are used
    for; one that fits none of them is an error. path: what the user calls the list."""
    lines = unpack(rules, path) if isinstance(rules, str) else compile_rules(rules, path)
    for line in lines if set(families) != set(BOTH) else ():
        if not set(families).intersection(line.families):
            raise DrawbridgeError("the rule is for IPv%d, which ip_version leaves out" % line.families[0], line.path)
    return lines


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
        families, _space, rest = packed.partition(" ")
        index, _space, rule = rest.partition(" ")
        place = "%s[%s]" % (path, index)
        if families not in _FAMILIES:
            raise DrawbridgeError("not packed rules", place)
        lines.append(Line(rule if is_plain(rule) else written_rule(rule, place).text, _FAMILIES[families], place))
    return lines
