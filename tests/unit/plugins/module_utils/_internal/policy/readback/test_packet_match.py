# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What rules say of a flow. That the kernel says the same is shown by real downloads, in the lab."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import Flow
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains import guard
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.packet_match import Place, RulesetMatcher, Unknown
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import keeping

HOST = HostFacts(
    published=[Published(family, None, port, "tcp") for family in (4, 6) for port in (80, 443)]
    + [Published(4, "192.0.2.7", 53, "udp")],
    bridges=["docker0"],
    closed_bridges={4: ["docker0"], 6: []},
    subnets=["172.17.0.0/16"],
    swarm=False,
)
OFFICE = {"office": ["203.0.113.0/24", "2001:db8:1::/48"]}
MANY = ["198.51.100.%d" % last for last in range(1, 9)]
POLICY = {
    "address_sets": OFFICE,
    "published_ports": {"allow": [{"port": 80, "sources": ["@office", "192.0.2.9"]}, {"port": 443, "sources": MANY},
                                  {"port": "50-60", "protocol": "udp", "address": "192.0.2.7", "sources": ["any"]}]},
}
OUTSIDE = Place("eth0", True)


def judgement(policy, family=4, change=lambda wanted: wanted):
    """The guard of a policy as it would be in the kernel, but for the names of its sets."""
    wanted = change(compile_policy(parse_policy(policy), HOST))
    chains = {chain.name: [line.text for line in chain.lines if family in line.families]
              for chain in wanted.chains if chain.table == guard.TABLE}
    return RulesetMatcher(chains, {"@" + name: held.entries[family] for name, held in wanted.sets.items()})


def flow(source, port, protocol="tcp", destination="192.0.2.7"):
    return Flow(6 if ":" in source else 4, protocol, "ESTABLISHED", source, 40000, destination, port, "172.17.0.2", 80)


@pytest.mark.parametrize("client, port, protocol, passes", [
    ("203.0.113.5", 80, "tcp", True),
    ("192.0.2.9", 80, "tcp", True),
    ("192.0.2.8", 80, "tcp", False),
    ("203.0.113.5", 443, "tcp", False),
    ("198.51.100.8", 443, "tcp", True),
    ("192.0.2.8", 53, "udp", True),
    # Not published: none of the guard's business.
    ("192.0.2.8", 22, "tcp", True),
    ("192.0.2.8", 80, "udp", True),
])
def test_as_the_policy_says(client, port, protocol, passes):
    assert judgement(POLICY).passes(guard.CHAIN, flow(client, port, protocol), OUTSIDE) is passes


def test_in_ipv6():
    of = judgement(POLICY, 6)
    assert of.passes(guard.CHAIN, flow("2001:db8:1:2::3", 80, destination="2001:db8::7"), OUTSIDE)
    assert not of.passes(guard.CHAIN, flow("2001:db8:2::3", 80, destination="2001:db8::7"), OUTSIDE)


def test_from_inside_and_through_the_host_nothing_is_judged_but_direct_access():
    of = judgement(POLICY)
    assert of.passes(guard.CHAIN, flow("192.0.2.8", 80), Place("docker0", True))
    assert of.passes(guard.CHAIN, flow("192.0.2.8", 80, destination="198.51.100.1"), Place("eth0", False))
    assert not of.passes(guard.CHAIN, flow("192.0.2.8", 80, destination="172.17.0.2"), Place("eth0", False))


def test_with_interfaces_that_are_named():
    of = judgement(dict(POLICY, external_interfaces=["eth+"]))
    assert not of.passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)
    assert of.passes(guard.CHAIN, flow("192.0.2.8", 80), Place("lan0", True))


def test_no_guard_lets_pass_and_established_flows_may_be_kept():
    assert RulesetMatcher({}, {}).passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)
    assert judgement(POLICY, change=keeping).passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)


@pytest.mark.parametrize("rule", ["-m limit --limit 5/sec -j DROP", "! -s 192.0.2.0/24 -j DROP", "-j LOG", "-j DB-OTHER", "-m quota --quota 5"])
def test_what_is_not_understood_is_said(rule):
    with pytest.raises(Unknown):
        RulesetMatcher({guard.CHAIN: [rule]}, {}).passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)


def test_a_comment_is_no_match():
    rules = ['-m comment --comment "! -s 192.0.2.0/24 -j DROP" -j RETURN', "-j DROP"]
    assert RulesetMatcher({guard.CHAIN: rules}, {}).passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)


def test_a_rule_for_another_flow_may_do_anything():
    rules = ["-s 198.51.100.1/32 -j LOG --log-prefix x", "-j RETURN"]
    assert RulesetMatcher({guard.CHAIN: rules}, {}).passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)


@pytest.mark.parametrize("ports", [{"default": "allow"}, {"allow": [{"port": 80, "sources": ["any"]}]}, {"default": "allow", "direct": "allow"}])
def test_denied_sources_pass_nowhere_and_others_as_before(ports):
    denies, plain = (judgement({"address_sets": OFFICE, "published_ports": each}) for each in ({**ports, "deny": ["@office", *MANY]}, ports))
    for source in ("203.0.113.5", MANY[0]):
        assert not denies.passes(guard.CHAIN, flow(source, 80), OUTSIDE)
        assert not denies.passes(guard.CHAIN, flow(source, 80, destination="172.17.0.2"), Place("eth0", False))
        assert denies.passes(guard.CHAIN, flow(source, 80), Place("docker0", True)) and denies.passes(guard.CHAIN, flow(source, 22), OUTSIDE)
    for source in ("192.0.2.8", "10.0.0.1"):
        for each, place in ((flow(source, 80), OUTSIDE), (flow(source, 80, destination="172.17.0.2"), Place("eth0", False))):
            assert denies.passes(guard.CHAIN, each, place) is plain.passes(guard.CHAIN, each, place)


def test_a_chain_that_is_called_gives_packets_back():
    def passes(*called):
        chains = {guard.CHAIN: ["-j CALLED", "-j DROP"], "CALLED": called}
        return RulesetMatcher(chains, {}).passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)

    assert passes("-j ACCEPT") and not passes("-j RETURN") and not passes() and not passes("-j DROP")
    with pytest.raises(Unknown):
        RulesetMatcher({guard.CHAIN: ["-j THEIRS"]}, {}).passes(guard.CHAIN, flow("192.0.2.8", 80), OUTSIDE)
