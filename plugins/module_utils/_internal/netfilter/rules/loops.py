# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Chains that lead back to themselves. The kernel refuses them only once a packet can get there, which in the throwaway
namespace none can."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping

from .matches import Jump, Unknown
from .saved_rule import parse

# A comment with a space in it ends with a quote: these end the rule.
_VERDICTS = ("-j ACCEPT", "-j DROP", "-j RETURN")


def ways_from(rules: Iterable[str]) -> List[str]:
    """The chains that rules may lead to; a target that is not known may be one. Rules that end with a verdict, or with the name of a chain that was found
    already, are not parsed: there may be 10,000."""
    found: Dict[str, None] = {}
    for rule in rules:
        if not rule.endswith(_VERDICTS) and rule.rpartition(" ")[2] not in found:
            target = parse(rule).target
            if isinstance(target, (Jump, Unknown)):
                found[target.name] = None
    return list(found)


def leads_back(start: str, table: Mapping[str, Iterable[str]]) -> List[str]:
    """The chains on a way from ``start`` back to it, ``start`` first; empty where there is none. table: chains and rules."""
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
