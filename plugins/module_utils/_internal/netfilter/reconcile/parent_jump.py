# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a chain of others is entered from a built-in one, as DOCKER-USER is from FORWARD, and what brings that jump to its place. Pure."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..kernel.state import only_restricts
from ..rules.matches import Jump
from ..rules.ownership import is_ours
from ..rules.saved_rule import parse
from ..rules.saved_ruleset import Ruleset, target_of

PARENT = "FORWARD"


class Entrance(NamedTuple):
    """line: the first jump that every packet takes, None where there is none. passed_by: the first line before it that could let a packet
    pass it by. is_only: whether nothing else in the parent leads there."""

    line: Optional[str]
    passed_by: Optional[str]
    is_only: bool


def entrance(ruleset: Ruleset, table: str, name: str) -> Entrance:
    """Where FORWARD leads to a chain."""
    chains = ruleset.tables.get(table, {})
    rules = ruleset.rules(table, PARENT)
    leading = [rule for rule in rules if target_of(rule) == name]
    line = next((rule for rule in leading if takes_everything(rule, name)), None)
    if line is None:
        return Entrance(None, None, not leading)
    passed_by = (rule for rule in rules[: rules.index(line)] if not is_ours(target_of(rule) or "") and target_of(rule) != name)
    return Entrance(line, next((rule for rule in passed_by if not only_restricts(rule, chains)), None), len(leading) == 1)


def takes_everything(rule: str, name: str) -> bool:
    """Whether a line is a jump to the chain on no condition; a comment is none, a match that is not known is one."""
    read = parse(rule)
    return not read.asks and read.target == Jump(name)


def entering_lines(ruleset: Ruleset, table: str, name: str) -> Tuple[str, ...]:
    """What makes FORWARD lead to a chain ahead of every line that could let a packet pass it by: one commit, so there is no moment without the
    jump. Nothing where it does already."""
    found = entrance(ruleset, table, name)
    if found.line is None:
        return ("-I %s 1 -j %s" % (PARENT, name),)
    if found.passed_by is None:
        return ()
    lines: List[str] = ["-I %s 1 %s" % (PARENT, found.line)]
    if found.is_only:
        # Some releases of iptables look at no interfaces when they search what to delete: another jump there could be taken for this one.
        lines.insert(0, "-D %s %s" % (PARENT, found.line))
    return tuple(lines)


def moved_lines(enter: Sequence[str], rules: Sequence[str]) -> List[str]:
    """The parent's lines after those commands."""
    after = list(rules)
    for line in enter:
        command, _parent, rest = line.split(" ", 2)
        if command == "-D":
            after.remove(rest)
        else:
            after.insert(0, rest.split(" ", 1)[1])
    return after
