# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find the jump from FORWARD to a foreign chain such as DOCKER-USER, and make the lines that move it to its place. Pure."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence, Tuple

from ..kernel.state import only_restricts
from ..rules.matches import Jump
from ..rules.ownership import is_ours
from ..rules.saved_rule import parse
from ..rules.saved_ruleset import Ruleset, target_of

PARENT = "FORWARD"


class Entrance(NamedTuple):
    """line: the first jump that every packet takes, None if there is no such jump. passed_by: the first line before it that could let a
    packet bypass it. is_only: whether no other line of the parent leads to the chain."""

    line: Optional[str]
    passed_by: Optional[str]
    is_only: bool


def entrance(ruleset: Ruleset, table: str, name: str) -> Entrance:
    """Return how FORWARD leads to a chain."""
    chains = ruleset.tables.get(table, {})
    rules = ruleset.rules(table, PARENT)
    leading = [rule for rule in rules if target_of(rule) == name]
    line = next((rule for rule in leading if takes_everything(rule, name)), None)
    if line is None:
        return Entrance(None, None, not leading)
    passed_by = (rule for rule in rules[: rules.index(line)] if not is_ours(target_of(rule) or "") and target_of(rule) != name)
    return Entrance(line, next((rule for rule in passed_by if not only_restricts(rule, chains)), None), len(leading) == 1)


def takes_everything(rule: str, name: str) -> bool:
    """Return whether a line is an unconditional jump to the chain. A comment is no condition; an unknown match is one."""
    read = parse(rule)
    return not read.asks and read.target == Jump(name)


def entering_lines(ruleset: Ruleset, table: str, name: str) -> Tuple[str, ...]:
    """Return the lines that put FORWARD's jump to a chain before every line that could let a packet bypass it. They go in as one commit,
    so the jump is never missing. Empty if the jump is in its place."""
    found = entrance(ruleset, table, name)
    if found.line is None:
        return ("-I %s 1 -j %s" % (PARENT, name),)
    if found.passed_by is None:
        return ()
    lines: List[str] = ["-I %s 1 %s" % (PARENT, found.line)]
    if found.is_only:
        # Some releases of iptables ignore interfaces when they search the line to delete. They could delete another jump to the chain.
        lines.insert(0, "-D %s %s" % (PARENT, found.line))
    return tuple(lines)


def moved_lines(enter: Sequence[str], rules: Sequence[str]) -> List[str]:
    """Return the parent's lines after these commands."""
    after = list(rules)
    for line in enter:
        command, _parent, rest = line.split(" ", 2)
        if command == "-D":
            after.remove(rest)
        else:
            after.insert(0, rest.split(" ", 1)[1])
    return after
