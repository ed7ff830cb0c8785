# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Apply a plan: write sets, the rules of each family and nftables' tables, and remove unused sets. Then read the kernel again. A second
reader, if there is one, checks the rules before the unused sets are removed.

A failed change is rolled back. So a host has either the old rules or the new ones, and the error tells which.
"""

from __future__ import annotations

import re
from typing import Dict, List

from ...errors import DrawbridgeError
from ..kernel import ipset
from ..kernel.cross_check import Disagreement
from ..kernel.ipset import SetTarget
from ..kernel.iptables import RestoreFailed
from ..kernel.netfilter import Netfilter
from ..kernel.nft_table import spoken, transaction
from ..kernel.state import State, changes, commit, live_state, returning
from ..rules.saved_ruleset import Ruleset
from .plan import FamilyPlan, Plan, Planner, SetChange

# iptables' messages if somebody else removed a jump of ours, or a line next to it, since the kernel was read.
_OVERTAKEN = re.compile(r"RULE_(?:INSERT|DELETE|REPLACE) failed|Bad rule|does a matching rule exist|RULESET_GENID|line \d+ failed")
_TRIES = 10


class PlanOutdated(DrawbridgeError):
    """The kernel's rules changed since the plan was made; nothing was changed."""


def apply(planner: Planner, plan: Plan) -> None:
    """Make the plan's change. Raises DrawbridgeError; the old rules are then in force unless the message says otherwise.

    If somebody else changes the same chains at that moment, it plans and tries again, several times.
    """
    for left in range(_TRIES, 0, -1):
        if not plan.is_change:
            return
        try:
            _apply(planner, plan)
            return
        except PlanOutdated:
            if left == 1:
                raise
        plan = planner.plan(planner.read())


def _apply(planner: Planner, plan: Plan) -> None:
    netfilter = planner.netfilter
    touched: List[int] = []
    try:
        netfilter.ipset.restore(plan.before)
        for family, part in plan.families.items():
            if part.commits:
                touched.append(family)
                netfilter.transport.restore(family, part.apply_text)
        if plan.table_changes:
            netfilter.nft.load(transaction(plan.table_changes))
        if netfilter.cross_check is not None and touched:
            states = {family: (plan.families[family].old, plan.families[family].new) for family in touched}
            netfilter.cross_check.compare(states, lambda: _read_again(netfilter, plan))
    except DrawbridgeError as error:
        _take_back(netfilter, plan, touched, error)
        overtaken = isinstance(error, RestoreFailed) and _OVERTAKEN.search(error.message)
        raise (PlanOutdated if overtaken else DrawbridgeError)("%s; nothing was changed" % error.message, error.path, error.hint) from None
    netfilter.ipset.destroy(plan.unused)
    verify(planner, plan)


def verify(planner: Planner, plan: Plan) -> None:
    """Read the kernel again. Raises DrawbridgeError if it differs from the plan."""
    live = planner.read_by(lambda: _read_again(planner.netfilter, plan), planner.sets)
    differing = [
        "IPv%d %s" % (family, table)
        for family, part in plan.families.items()
        for table in _differing_tables(part, live.rulesets[family])
    ]
    differing += [
        change.name
        for change in plan.sets
        if change.target is not None and change.target.entries is not None
        if change.name not in live.sets or live.sets[change.name].entries != change.target.entries
    ]
    differing += ["nft table " + spoken(change.key) for change in plan.tables if live.tables[change.key] != change.after]
    if differing and planner.plan(live).is_change:
        raise DrawbridgeError(
            "the kernel does not hold what was written: %s" % ", ".join(differing),
            None,
            "somebody else changes these rules at the same time; run again",
        )


def _read_again(netfilter: Netfilter, plan: Plan) -> Dict[int, Ruleset]:
    """Read all rules, with those of the plan as the expected ones."""

    def read(family: int) -> Ruleset:
        return netfilter.transport.read_expecting(family, {table: state.chains for table, state in plan.families[family].new.items()})

    return netfilter.of_each_family(read)


def _differing_tables(part: FamilyPlan, ruleset: Ruleset) -> List[str]:
    owned = [(table, chain) for state in (part.old, part.new) for table in state for chain in state[table].chains]
    parents = [(table, parent) for table, state in part.new.items() for parent in state.jumps]
    held = live_state(ruleset, owned, parents)
    return [
        change.table
        for change in changes(held, part.new)
        if change.old.chains != change.new.chains or change.old.jumps != change.new.jumps
    ]


def _take_back(netfilter: Netfilter, plan: Plan, touched: List[int], cause: DrawbridgeError) -> None:
    """Roll rules and sets back to the plan's old state, from whatever state they are in now."""
    try:
        for family in touched:
            part = plan.families[family]
            now = netfilter.transport.read(family)
            owned = [(change.table, chain) for change in part.commits for chain in change.new.chains]
            owned += [(table, chain) for table, state in part.old.items() for chain in state.chains]
            parents = [(table, parent) for table, state in part.old.items() for parent in state.jumps]
            # After a Disagreement iptables-save cannot be trusted. The new rules were written successfully, so they are the current state.
            held = part.new if isinstance(cause, Disagreement) else live_state(now, owned, parents)
            back = [change for change in changes(held, _without_foreign(part)) if change.is_needed]
            text = "".join(commit(change, {}) for change in back)
            netfilter.transport.restore(family, text + _purged_lines(part, now))
        _take_sets_back(netfilter, plan.sets)
    except DrawbridgeError as error:
        raise DrawbridgeError(
            "%s; taking the change back failed too: %s" % (cause.message, error.message),
            cause.path,
            "the host may hold a part of the new rules: run again",
        ) from None


def _purged_lines(part: FamilyPlan, now: Ruleset) -> str:
    """Return iptables-restore input that puts foreign lines that the plan deleted back to their places."""
    blocks = [
        "*%s\n%s\nCOMMIT\n" % (table, "\n".join(lines))
        for table, state in part.old.items()
        for parent in state.foreign
        for lines in [returning(parent, part.ruleset.rules(table, parent), now.rules(table, parent))]
        if lines
    ]
    return "".join(blocks)


def _without_foreign(part: FamilyPlan) -> State:
    return {table: state._replace(foreign={}) for table, state in part.old.items()}


def _take_sets_back(netfilter: Netfilter, changed: List[SetChange]) -> None:
    now = netfilter.ipset.headers()
    now = netfilter.ipset.with_entries(now, [change.name for change in changed])
    lines: List[str] = []
    unused: List[str] = []
    for change in changed:
        if change.name not in now:
            continue
        if change.live is None:
            unused.append(change.name)
        elif change.live.entries is not None:
            family = change.live.family or 4
            lines.extend(
                ipset.update_lines(SetTarget(change.name, change.live.type, family, change.live.entries), now[change.name])
            )
    netfilter.ipset.restore(lines)
    netfilter.ipset.destroy(unused)
