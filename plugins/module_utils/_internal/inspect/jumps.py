# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find a ruleset's jumps to a chain, and a line before each jump by which packets bypass it."""

from __future__ import annotations

from typing import FrozenSet, List, NamedTuple, Optional

from ..netfilter.kernel.state import only_restricts
from ..netfilter.rules.ownership import is_ours
from ..netfilter.rules.saved_ruleset import Ruleset, Table, target_of


class Jump(NamedTuple):
    """A jump found in a chain.

    position: of the line in its chain, from 1. of: how many lines the chain has.
    passed_by: the first line before the jump by which packets can bypass it, or None.
    """

    table: str
    parent: str
    target: str
    position: int
    of: int
    passed_by: Optional[str]


def jumps_to(ruleset: Ruleset, table: str, parent: str, target: str) -> List[Jump]:
    """Return all jumps from one chain to another, in order."""
    return [jump for jump in _jumps(ruleset.tables.get(table, {}), table, parent) if jump.target == target]


def our_hooks(ruleset: Ruleset) -> List[Jump]:
    """Return the jumps from foreign chains to Drawbridge's, ordered by table, parent and position."""
    return [
        jump
        for table, chains in sorted(ruleset.tables.items())
        for parent in sorted(chains)
        if not is_ours(parent)
        for jump in _jumps(chains, table, parent)
        if is_ours(jump.target)
    ]


def entered_chains(ruleset: Ruleset, table: str) -> FrozenSet[str]:
    """Return the chains of a table that any line jumps to."""
    chains = ruleset.tables.get(table, {}).values()
    return frozenset(target_of(rule) or "" for chain in chains for rule in chain.rules)


def _jumps(chains: Table, table: str, parent: str) -> List[Jump]:
    found: List[Jump] = []
    passed_by: Optional[str] = None
    rules = chains[parent].rules if parent in chains else []
    for position, rule in enumerate(rules, 1):
        target = target_of(rule)
        if target is not None and target in chains:
            found.append(Jump(table, parent, target, position, len(rules), passed_by))
        if passed_by is None and not is_ours(target or "") and not only_restricts(rule, chains):
            passed_by = rule
    return found
