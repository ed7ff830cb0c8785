# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A change, one commit at a time: every moment at which a packet may come."""
from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import commit, kept_counters
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import Plan, Planner


def commits(plan: Plan) -> list[tuple[int, str]]:
    """(family, text) of each commit, in the order in which they go in."""
    return [(family, commit(change, kept_counters(part.ruleset, change.table)))
            for family, part in plan.families.items() for change in part.commits]


def steps(planner: Planner, plan: Plan) -> Iterator[str]:
    """Make the plan's change, stopping after each commit and each single change of a set that may be in use."""
    netfilter = planner.netfilter
    for line in plan.before:
        netfilter.ipset.restore([line])
        if not line.startswith("create "):
            yield line
    for family, text in commits(plan):
        netfilter.transport.restore(family, text)
        yield text
    netfilter.ipset.destroy(plan.unused)
