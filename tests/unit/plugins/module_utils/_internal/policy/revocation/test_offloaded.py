# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Open flows that do not notice a change of what containers may send."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import Flow
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import FamilyPlan, Plan, SetChange
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.offloaded import past_egress

FLOW = Flow(4, "tcp", "", "172.17.0.2", 40000, "192.0.2.1", 443, "192.0.2.1", 443, offloaded=True)
ALLOW, DENY = "-m set --match-set DBP-office-4a dst -j RETURN", "-j DROP"


def plan(old, new, *sets):
    states = [{"filter": TableState({name: tuple(rules) for name, rules in chains.items()})} for chains in (old, new)]
    return Plan({4: FamilyPlan(states[0], states[1], [], Ruleset())}, [SetChange(name, None, None) for name in sets], [], [], [])


@pytest.mark.parametrize("change", [
    plan({}, {"DB-USER-policy-EGRESS": [DENY]}), plan({"DB-EGP-all": [ALLOW]}, {"DB-EGP-all": [DENY]}), plan({"DB-EGT-all": [ALLOW]}, {}),
    plan({"DB-EGP-all": [ALLOW]}, {"DB-EGP-all": [ALLOW]}, "DBP-office-4a"),
])
def test_a_change_of_egress_is_told(change):
    warning, = past_egress(change, [FLOW, FLOW])
    assert warning.startswith("egress: 2 open flows are offloaded")
    assert past_egress(change, []) == []


@pytest.mark.parametrize("change", [
    plan({}, {"DB-USER-policy": [DENY]}), plan({"DB-EGP-all": [ALLOW]}, {"DB-EGP-all": [ALLOW]}, "DBP-office-6a"),
    plan({"DB-INPUT": [ALLOW]}, {"DB-INPUT": [DENY]}),
])
def test_other_changes_are_not(change):
    assert past_egress(change, [FLOW]) == []
