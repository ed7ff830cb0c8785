# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Packets to published ports that hide their port: another protocol, headers between, fragments, the link's own address."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.nat_filter import NatFilter, compile_nat_filter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.entries import WITH_PORTS, parse_entries

from tests.integration.kernel.support import odd_packets, wire
from tests.integration.kernel.support.host import PROGRAMS

PUBLISHED, SERVICE = PORTS = (53, 54)
PROTOCOLS = ("udp", "sctp")
FACTS = HostFacts(
    published=[Published(family, None, PUBLISHED, protocol) for family in (4, 6) for protocol in PROTOCOLS],
    bridges=[], closed_bridges={4: [], 6: []}, subnets=[], swarm=False,
)
ALLOW = [{"port": PUBLISHED, "protocol": protocol, "sources": list(wire.SOURCES["allowed"].values())} for protocol in PROTOCOLS]
POLICY = parse_policy({"published_ports": {"default": "deny", "allow": ALLOW}})


def test_without_a_policy_everything_arrives(nft_host, client):
    assert odd_packets.deliver(client, PORTS) == odd_packets.sent("allowed", *PORTS) | odd_packets.sent("denied", *PORTS)


@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_no_shape_passes_the_guard(host, client, tracked):
    if not tracked:
        for family in PROGRAMS:
            host.iptables("-t raw -A PREROUTING -j CT --notrack", family)
    host.converge(compile_policy(POLICY, FACTS))
    assert odd_packets.deliver(client, PORTS) == odd_packets.sent("allowed", *PORTS) | odd_packets.sent("denied", SERVICE)


def test_no_shape_passes_the_filter_for_docker_proxy(host, client):
    wanted = NatFilter(True, parse_entries(ALLOW, "allow", WITH_PORTS), False, ())
    host.converge(compile_nat_filter(wanted, FACTS))
    assert odd_packets.deliver(client, PORTS) == odd_packets.sent("allowed", *PORTS) | odd_packets.sent("denied", SERVICE)
