# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Addresses that are the host's only because a routing rule names a table of its own (AnyIP, TPROXY): docker-proxy serves them, and neither
the guard nor Docker's DNAT finds them among the host's."""
import contextlib
import socket
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.routing import has_rules_of_its_own
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.namespace import entered

PORT, ANY_IP = 53, {4: "198.51.100.77", 6: "2001:db8:77::77"}
NETWORKS = {4: "198.51.100.0/24", 6: "2001:db8:77::/64"}
FACTS = HostFacts(
    published=[Published(family, None, PORT, "udp") for family in (4, 6)],
    bridges=["br-x"], closed_bridges={4: ["br-x"], 6: ["br-x"]}, subnets=["172.18.0.0/16"], swarm=False, other_tables=True,
)
POLICY = {"published_ports": {"allow": [{"port": PORT, "protocol": "udp", "sources": list(wire.SOURCES["allowed"].values())}]}}
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}


@pytest.fixture
def anyip(client):
    """A client that is routed to the addresses, which a rule makes the host's."""
    for family, network in NETWORKS.items():
        wire.ip("-%d" % family, "rule", "add", "to", network, "lookup", "100")
        wire.ip("-%d" % family, "route", "add", "local", network, "dev", "lo", "table", "100")
    with entered(client.path):
        for family, network in NETWORKS.items():
            wire.ip("-%d" % family, "route", "add", network, "via", wire.HOST[family])
    return client


def arrived(client):
    """What comes to the host's sockets of what both clients send, by family and who."""
    with contextlib.ExitStack() as stack:
        listeners = []
        for family in _AF:
            listener = stack.enter_context(socket.socket(_AF[family], socket.SOCK_DGRAM))
            if family == 6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(("", PORT))
            listeners.append(listener)
        tap = stack.enter_context(wire.watched())
        texts = {"%s IPv%d" % (who, family): (who, family) for who in wire.SOURCES for family in _AF}
        with entered(client.path):
            for text, (who, family) in texts.items():
                with socket.socket(_AF[family], socket.SOCK_DGRAM) as sender:
                    sender.bind((wire.SOURCES[who][family], 0))
                    sender.sendto(text.encode(), (ANY_IP[family], PORT))
        wire.until_judged(tap, {text.encode() for text in texts})
        return wire.received(listeners)


def test_such_addresses_are_served_to_everybody_without_a_policy(nft_host, anyip):
    assert arrived(anyip) == {"%s IPv%d" % (who, family) for who in wire.SOURCES for family in _AF}


@pytest.mark.parametrize("more", [{}, {"external_interfaces": ["host"]}], ids=["all", "named"])
def test_published_ports_are_guarded_there(host, anyip, more):
    host.converge(compile_policy(parse_policy(dict(POLICY, **more)), FACTS))
    assert arrived(anyip) == {"allowed IPv4", "allowed IPv6"}
    # Whichever table came after the run.
    host.converge(compile_policy(parse_policy(dict(POLICY, **more)), FACTS._replace(other_tables=False)))
    assert arrived(anyip) == {"allowed IPv4", "allowed IPv6"}


def test_a_host_tells_whether_it_has_such_rules(anyip):
    assert has_rules_of_its_own()
    for family in _AF:
        subprocess.run(["ip", "-%d" % family, "rule", "del", "lookup", "100"], check=True)
    assert not has_rules_of_its_own()
