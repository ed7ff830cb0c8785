# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Flows that are offloaded to an nftables flowtable or to a network card. No rule sees their packets."""

from __future__ import annotations

from typing import Dict, Iterable, List

from ...host.network.conntrack import Flow
from ...netfilter.kernel.state import Rules, State
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.saved_rule import set_names
from ..blocks.owners import FILTER, POLICY_EGRESS, TASK_EGRESS


def past_egress(plan: Plan, offloaded: Iterable[Flow]) -> List[str]:
    """Return a warning if the plan changes egress and there are offloaded flows. It is unknown which of these are containers'."""
    count = sum(1 for _flow in offloaded)
    if not count or not _changes_egress(plan):
        return []
    return [
        "egress: %d open flows are offloaded (nft list flowtables); those that containers began go on past the rules, whatever they deny, until they"
        " end or conntrack -D removes them" % count
    ]


def _changes_egress(plan: Plan) -> bool:
    for part in plan.families.values():
        before, after = _egress(part.old), _egress(part.new)
        named = {name for rules in after.values() for rule in rules for name in set_names(rule)}
        if before != after or any(change.name in named for change in plan.sets):
            return True
    return False


def _egress(state: State) -> Dict[str, Rules]:
    """Return the chains that judge what containers send through the host."""
    chains = state[FILTER].chains if FILTER in state else {}
    owners = (POLICY_EGRESS, TASK_EGRESS)
    return {name: rules for name, rules in chains.items() if any(name == owner.forwarded or name.startswith(owner.prefix) for owner in owners)}
