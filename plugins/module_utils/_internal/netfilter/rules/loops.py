# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Chains that lead back to themselves. The kernel refuses them only if a packet can reach them. In the throwaway namespace no
packet can."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping

from .matches import Jump, Unknown
from .saved_rule import parse

# A comment with a space ends with a quote. So a rule with one of these endings ends with a verdict.
_VERDICTS = ("-j ACCEPT", "-j DROP", "-j RETURN")


def ways_from(rules: Iterable[str]) -> List[str]:
    """Return the chains that rules may lead to; an unknown target may be one. Rules that end with a verdict, or with a chain that was
    found already, are not parsed: there may be 10,000."""
    found: Dict[str, None] = {}
    for rule in rules:
        if not rule.endswith(_VERDICTS) and rule.rpartition(" ")[2] not in found:
            target = parse(rule).target
            if isinstance(target, (Jump, Unknown)):
                found[target.name] = None
    return list(found)


def leads_back(start: str, table: Mapping[str, Iterable[str]]) -> List[str]:
    """Return the chains on a way from ``start`` back to it, ``start`` first; empty if there is no such way. table: rules by chain."""
    came_from: Dict[str, str] = {}
    waiting = [start]
    while waiting:
        chain = waiting.pop()
        for target in ways_from(table.get(chain, ())):
            if target == start:
                way = [chain]
                while way[0] != start:
                    way.insert(0, came_from[way[0]])
                return way
            if target not in came_from:
                came_from[target] = chain
                waiting.append(target)
    return []
