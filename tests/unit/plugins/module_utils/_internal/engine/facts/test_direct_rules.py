# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What an engine drops for its containers' own addresses."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.direct_rules import direct_drops
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset, SavedChain


@pytest.mark.parametrize("rule, found", [
    ("-d 172.17.0.2/32 ! -i docker0 -j DROP", [("172.17.0.2/32", "docker0", True)]),
    ("-d 172.17.0.2/32 ! -i docker0 -p tcp -m tcp --dport 80 -j DROP", [("172.17.0.2/32", "docker0", False)]),
    ('-d 172.17.0.2/32 ! -i docker0 -m comment --comment "by hand" -j DROP', [("172.17.0.2/32", "docker0", True)]),
    ("-d 172.17.0.2/32 ! -i docker0 -m recent --set -j DROP", [("172.17.0.2/32", "docker0", False)]),
    ("-d 172.17.0.2/32 -i docker0 -j DROP", []), ("! -d 172.17.0.2/32 ! -i docker0 -j DROP", []), ("-d 172.17.0.2/32 ! -i docker0 -j ACCEPT", []),
    ('-d 172.17.0.2/32 -m comment --comment "but ! -i docker0 " -j DROP', []),
])
def test_a_rule_that_drops_what_comes_in_elsewhere(rule, found):
    assert direct_drops(Ruleset({"raw": {"PREROUTING": SavedChain("ACCEPT", [rule], [])}})) == found
