# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The index of a chain leaves out only rules that cannot match, and does not grow with those."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import number
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import SavedChain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.matching.address_types import AddressTypes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.matching.chains import Chain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.matching.conditions import Conditions
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.matching.packet import Ends, Packet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.interfaces import Interfaces
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.routes import Routes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.sets import Sets
from hypothesis import given
from hypothesis import strategies as st

ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.1.0.1", "192.0.2.7"]
CONDITIONS = Conditions(Sets(""), AddressTypes(Routes(4, [], []), Interfaces([])))
_option = st.one_of(
    st.builds("{}-{} {}/{}".format, st.sampled_from(["", "! "]), st.sampled_from(["s", "d"]), st.sampled_from(ADDRESSES), st.sampled_from([8, 16, 32])),
    st.builds("{}-{} {}".format, st.sampled_from(["", "! "]), st.sampled_from(["i", "o"]), st.sampled_from(["eth0", "eth1", "eth+"])),
    st.builds("-p tcp -m tcp {}--dport {}".format, st.sampled_from(["", "! "]), st.sampled_from(["80", "80:90", "1:60000"])),
    st.builds("-p tcp -m multiport --dports {}".format, st.sampled_from(["80,443", "1:5,80"])),
)
_rules = st.lists(st.lists(_option, max_size=2).map(" ".join), max_size=12)
_packets = st.builds(
    lambda source, destination, port, iif, oif: (Ends(number(source)[0], number(destination)[0], 40000, port), iif, oif),
    st.sampled_from(ADDRESSES), st.sampled_from(ADDRESSES), st.sampled_from([None, 80, 85, 443]),
    st.sampled_from(["eth0", "eth1"]), st.sampled_from(["", "eth0"]))


@given(_rules, st.lists(_packets, min_size=1, max_size=4))
def test_no_rule_that_may_match_is_left_out(rules, packets):
    chain = Chain("X", SavedChain("-", [rule + " -j DROP" for rule in rules], []), CONDITIONS.of)
    for ends, iif, oif in packets:
        packet = Packet(4, "tcp", ends, iif)
        packet.oif = oif
        candidates = list(chain.candidates(packet))
        assert [rule.number for rule in candidates] == sorted({rule.number for rule in candidates})
        may = [rule for rule in chain.rules if all(condition.holds(packet) is not False for condition in rule.conditions)]
        assert {rule.number for rule in may} <= {rule.number for rule in candidates}


def test_rules_for_others_are_not_looked_at():
    rules = ["-s 10.%d.%d.0/24 -p tcp -m tcp --dport %d -j DROP" % (number // 250, number % 250, number) for number in range(1, 5000)]
    chain = Chain("X", SavedChain("-", [*rules, "-j RETURN"], []), CONDITIONS.of)
    packet = Packet(4, "tcp", Ends(number("10.0.7.9")[0], number("192.0.2.7")[0], 40000, 7), "eth0")
    assert [rule.number for rule in chain.candidates(packet)] == [7, 5000]
