# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a policy's rules do to real packets, every way to the host that needs no Docker."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.host import PROGRAMS

# Published on every address; published on the first address only; a service of the host.
EVERYWHERE, BOUND, SERVICE = PORTS = (53, 54, 55)
FACTS = HostFacts(
    published=[Published(family, None, EVERYWHERE, "udp") for family in (4, 6)]
    + [Published(family, wire.HOST[family], BOUND, "udp") for family in (4, 6)],
    bridges=[], closed_bridges={4: [], 6: []}, subnets=[], swarm=False,
)
ENTRIES = [
    {"port": port, "protocol": "udp", "sources": list(wire.SOURCES["allowed"].values())} for port in (EVERYWHERE, BOUND)
]
PUBLISHED = {"default": "deny", "allow": ENTRIES}
SERVICES = {"default": "deny", "allow": [{"protocol": "icmp", "sources": ["any"]}]}


def apply(host, **policy):
    host.converge(compile_policy(parse_policy(policy), FACTS))


def test_without_a_policy_everything_arrives(nft_host, client):
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | wire.sent("denied", *PORTS)
    assert client.answered_pings() == [4, 6]


@pytest.mark.parametrize("interfaces", [{}, {"external_interfaces": ["ho+"]}], ids=["all", "named"])
@pytest.mark.parametrize("tracked", [True, False], ids=["tracked", "untracked"])
def test_published_ports_are_closed_on_every_way(host, client, tracked, interfaces):
    if not tracked:
        for family in PROGRAMS:
            host.iptables("-t raw -A PREROUTING -p udp -j CT --notrack", family)
    apply(host, published_ports=PUBLISHED, **interfaces)
    # On other addresses the number of the bound port is a service of the host.
    spared = (wire.sent("denied", BOUND) - wire.unicast("denied", BOUND)) | wire.sent("denied", SERVICE)
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | spared
    assert client.answered_pings() == [4, 6]


def test_default_allow_limits_only_the_ports_with_an_entry(nft_host, client):
    apply(nft_host, published_ports={"default": "allow", "allow": ENTRIES[:1]})
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | wire.sent("denied", BOUND, SERVICE)


def test_denied_host_services_spare_neighbours_and_allowed_published_ports(host, client):
    apply(host, published_ports=PUBLISHED, host_services=SERVICES)
    assert client.deliver(PORTS) == wire.sent("allowed", EVERYWHERE, BOUND)
    assert client.answered_pings() == [4, 6]


def test_a_range_of_published_ports_opens_no_service_of_the_host(nft_host, client):
    everything = dict(ENTRIES[0], port="1-65535")
    apply(nft_host, published_ports={"default": "deny", "allow": [everything]}, host_services=SERVICES)
    assert client.deliver(PORTS) == wire.sent("allowed", EVERYWHERE) | wire.unicast("allowed", BOUND)


def test_ping_is_a_service_too(nft_host, client):
    apply(nft_host, host_services={"default": "deny"})
    assert client.answered_pings() == []


@pytest.mark.parametrize("said", [{}, {"swarm": list(wire.SOURCES["allowed"].values())}], ids=["known", "named"])
def test_a_swarm_is_reached_by_its_nodes_and_by_whom_the_policy_names(host, client, said):
    gossip, overlay = 7946, 4789
    nodes = [] if said else list(wire.SOURCES["allowed"].values())
    facts = FACTS._replace(swarm=True, swarm_nodes=nodes)
    policy = {"host_services": {"default": "deny", **said}}
    host.converge(compile_policy(parse_policy(policy), facts))
    assert client.deliver((gossip, overlay)) == wire.sent("allowed", gossip, overlay)
    # An engine that cannot be asked cuts nobody off.
    host.converge(compile_policy(parse_policy(policy), facts._replace(swarm_nodes=None)))
    assert client.deliver((gossip, overlay)) == wire.sent("allowed", gossip, overlay)


def test_interfaces_that_are_not_named_are_not_outside(nft_host, client):
    apply(nft_host, external_interfaces=["eth9"], published_ports=PUBLISHED, host_services={"default": "deny"})
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | wire.sent("denied", *PORTS)
