# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whom rules let in, read back from them: the same as what they do to each packet, which another reader of the same rules tells."""
import re
from ipaddress import ip_address, ip_network

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import Flow
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains import guard
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.packet_match import Place, RulesetMatcher
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.rules_to_policy import (
    Rules,
    expanded,
    reach_all_of,
    reach_some_of,
    said,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.values import HostAddress, Ports, Target
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.support.strategies import published_ports

OWN = {4: ["192.0.2.7", "192.0.2.8"], 6: ["2001:db8::7", "2001:db8::8"]}
CLIENTS = {4: ["10.0.0.1", "10.0.0.9", "198.51.100.1", "203.0.113.5"], 6: ["2001:db8:1::1", "2001:db8:9::1"]}
SETS = {"office": ["203.0.113.0/24", "2001:db8:1::/48"], "four": ["10.0.0.0/29"]}
SOURCES = ["any", "@office", "@four", "10.0.0.0/24", "10.0.0.1", "198.51.100.1", "2001:db8:9::/48", "0.0.0.0/0", "::/0"]
LISTED = ["10.0.0.%d" % number for number in range(1, 8)] + ["2001:db8:9::%d" % number for number in range(1, 8)]
PUBLISHED = [Published(family, address, port, protocol) for family in (4, 6)
             for address, port, protocol in ((None, 80, "tcp"), (None, 81, "tcp"), (None, 80, "udp"), (OWN[family][0], 82, "tcp"))]
HOST = HostFacts(published=PUBLISHED, bridges=["docker0"], closed_bridges={4: ["docker0"], 6: []}, subnets=["172.17.0.0/16"], swarm=False)
POLICIES = st.builds(
    lambda ports, more: dict(more, address_sets=SETS, published_ports=ports),
    published_ports(SOURCES, LISTED), st.sampled_from([{}, {}, {"external_interfaces": ["eth0"]}]),
)


def read(wanted, family):
    """Both readings of one family's guard: as packets are judged, and as the policy is told; and what the sets hold, by name."""
    chains = {chain.name: tuple(re.sub(r"@(\S+)", r"DBP-\1-%da" % family, line.text) for line in chain.lines if family in line.families)
              for chain in wanted.chains if chain.table == guard.TABLE}
    sets = {"DBP-%s-%da" % (name, family): held.entries[family] for name, held in wanted.sets.items()}
    return RulesetMatcher(chains, sets), said({guard.TABLE: TableState(chains, {"PREROUTING": ("-j " + guard.CHAIN,) if chains else ()})}), sets


def lets_in(sources, client):
    """Whether a client is among sources as they are told."""
    entries = [entry for source in sources for entry in (SETS[source[1:]] if source.startswith("@") else [source])]
    return any(entry == "any" or ip_address(client) in ip_network(entry) for entry in entries)


@settings(max_examples=300)
@given(POLICIES)
def test_who_is_told_is_who_passes(policy):
    wanted = compile_policy(parse_policy(policy), HOST)
    for family in (4, 6):
        judgement, told, sets = read(wanted, family)
        lists = {name[:-1]: entries for name, entries in sets.items()}
        for port in [each for each in PUBLISHED if each.family == family]:
            target = Target(port.protocol, Ports(port.port, port.port), None if port.address is None else HostAddress(family, port.address))
            some, every = [expanded(reach(told.ports, target), lists) for reach in (reach_some_of, reach_all_of)]
            for client in CLIENTS[family]:
                passing = [
                    judgement.passes(guard.CHAIN, Flow(family, port.protocol, "", client, 4, own, port.port, "", 0), Place("eth0", True))
                    for own in ([port.address] if port.address else OWN[family])
                ]
                assert lets_in(some, client) == any(passing), (port, client, some)
                # Where all is allowed that no entry is about, an entry about one address takes that from all.
                if policy["published_ports"]["default"] == "deny":
                    assert all(passing) or not lets_in(every, client), (port, client, every)


HTTP = Target("tcp", Ports(80, 80))
FROM_TEN = "-s 10.0.0.0/8 -p tcp -m tcp --dport 80"


@pytest.mark.parametrize("rule, who", [
    # What decides nothing lets nobody in.
    (FROM_TEN + " -j LOG", ()), (FROM_TEN, ()), (FROM_TEN + " -g DB-X", ()),
    # A comment says nothing, and takes nothing from what the rule says.
    (FROM_TEN + ' -m comment --comment "-s 192.0.2.0/24 ! -d" -j RETURN', ("10.0.0.0/8",)),
    # What is not known, or negated, makes it a rule about something else.
    (FROM_TEN + " -m recent --set --name x -j RETURN", ()), ("! " + FROM_TEN + " -j RETURN", ()),
    (FROM_TEN + " -j RETURN", ("10.0.0.0/8",)),
    # An interface by which they have to come. What comes in there for whatever port is no entry.
    (FROM_TEN.replace(" -p", " -i wg+ -p") + " -j RETURN", ("10.0.0.0/8 by wg+",)), ("-i wg0 -p tcp -m tcp --dport 80 -j RETURN", ("any by wg0",)),
    ("-i wg0 -j RETURN", ()), ("! -i wg0 -p tcp -m tcp --dport 80 -j RETURN", ()),
])
def test_what_a_rule_says_and_what_it_does_not(rule, who):
    assert reach_all_of(Rules([rule, "-j DROP"]), HTTP) == who


def test_what_one_interface_loses_the_others_keep():
    assert reach_all_of(Rules(["-i wg0 -p tcp -m tcp --dport 80 -j DROP", "-j RETURN"]), HTTP) == ("any",)


def test_a_list_by_an_interface_is_its_entries():
    assert expanded(("a by wg0", "any by wg+"), {"a": ["::1", "10.0.0.1"]}) == ("10.0.0.1 by wg0", "::1 by wg0", "any by wg+")


def test_a_rejected_port_is_a_closed_port():
    assert reach_all_of(Rules(["-p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset", "-j RETURN"]), HTTP) == ()
