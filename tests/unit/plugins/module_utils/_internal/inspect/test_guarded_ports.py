# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the guard's rules close. That packets are judged so is for the kernel tests to show."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.guarded_ports import closes_containers
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset, SavedChain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains import guard

SETS = {"DBP-networks-4a": LiveSet("DBP-networks-4a", SetType("hash:net"), 4)}
CLOSES = "-m set --match-set DBP-networks-4a dst -j DROP"


def ruleset(*rules):
    mangle = {
        "PREROUTING": SavedChain("ACCEPT", ["-j " + guard.CHAIN], []),
        guard.CHAIN: SavedChain("-", ["-i lo -j RETURN", *rules], []),
    }
    return Ruleset({"mangle": mangle})


@pytest.mark.parametrize("rule, is_closed", [
    (CLOSES, True), (CLOSES.replace("--match", "! --match"), False), (CLOSES.replace("DROP", "RETURN"), False), (CLOSES.replace(" dst", " src"), False),
    ('-m comment --comment "%s" -j DROP' % CLOSES, False), ("-m comment --comment x " + CLOSES, True),
])
def test_containers_are_closed_by_a_rule_that_drops_what_is_for_them(rule, is_closed):
    assert closes_containers(ruleset(rule), SETS) is is_closed
