# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The entries of the sets that rules name, before and after a change."""

from __future__ import annotations

from typing import Iterable, Sequence, Set, Tuple

from ...netfilter.kernel.ipset import Ipset
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.ownership import any_generation
from ...netfilter.rules.saved_rule import set_names
from .named_containers import is_named
from .packet_match import Entries
from .rules_to_policy import is_list


def sets_in(chains: Iterable[Sequence[str]]) -> Set[str]:
    """Return the sets that the rules of these chains name."""
    return {name for rules in chains for rule in rules for name in set_names(rule)}


def held_by(ipset: Ipset, plan: Plan, names: Set[str]) -> Tuple[Entries, Entries]:
    """Return these sets' entries before and after the plan's change. The change may be made already or not."""
    changed = {change.name: change for change in plan.sets}
    live = ipset.with_entries(ipset.headers(), names - set(changed))
    before = {name: found.entries or frozenset() for name, found in live.items() if name in names}
    after = dict(before)
    for name in names & set(changed):
        was, will = changed[name].live, changed[name].target
        before[name] = (was and was.entries) or frozenset()
        after[name] = (will and will.entries) or frozenset()
    return before, after


def named_in(ipset: Ipset, plan: Plan) -> Tuple[Entries, Entries]:
    """Return the entries of the sets that follow containers, before and after the plan's change."""
    rules = [chain for states in plan.states for state in states.values() for table in state.values() for chain in table.chains.values()]
    names = {name for name in sets_in(rules) if is_named(name)}
    return held_by(ipset, plan, names) if names else ({}, {})


def lists_in(ipset: Ipset, plan: Plan) -> Entries:
    """Return the address lists that rules name before or after the plan's change, by the name that a list's generations share."""
    rules = [chain for states in plan.states for state in states.values() for table in state.values() for chain in table.chains.values()]
    before, after = held_by(ipset, plan, {name for name in sets_in(rules) if is_list(name)})
    return {any_generation(name): before.get(name) or after.get(name, frozenset()) for name in {**before, **after}}
