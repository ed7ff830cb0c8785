# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Networks that the policy has not seen, by the names of their interfaces: real connections through the host to what is behind them."""
import socket
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import entered, missing
from tests.integration.kernel.support.watching import until

pytestmark = pytest.mark.skipif(bool(missing("ip")), reason=missing("ip"))
LATE = "br-0123456789ab"
GATEWAY = {4: "10.9.0.1", 6: "fd00:9::1"}
INNER = {4: "10.9.0.2", 6: "fd00:9::2"}
LENGTH = {4: 24, 6: 64}
FACTS = HostFacts([], ["docker0"], {4: ["docker0"], 6: ["docker0"]}, [], False)
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}
PORT = 80
ROUTED = {"published_ports": {"routed": [{"port": PORT, "sources": ["any"]}]}}


@pytest.fixture(name="inner")
def container(namespace, client):
    """Makes an interface with a namespace behind it, which gives its path."""
    with wire.behind() as pid:
        def make(name):
            wire.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
            route(name, GATEWAY, pid)
            for family in GATEWAY:
                Path("/proc/sys/net/ipv%d/%s" % (family, "ip_forward" if family == 4 else "conf/all/forwarding")).write_text("1", encoding="ascii")
            with entered(client.path):
                for family in GATEWAY:
                    network = "10.9.0.0/24" if family == 4 else "fd00:9::/64"
                    wire.ip("-%d" % family, "route", "add", network, "via", wire.HOST[family])
            return "/proc/%d/ns/net" % pid

        yield make


def route(name, addresses, pid):
    """Addresses on both ends, and the way back."""
    for family, address in addresses.items():
        wire.ip("address", "add", "%s/%d" % (address, LENGTH[family]), "dev", name, *(["nodad"] if family == 6 else []))
    wire.ip("link", "set", name, "up")
    with entered("/proc/%d/ns/net" % pid):
        for family, address in INNER.items():
            wire.ip("address", "add", "%s/%d" % (address, LENGTH[family]), "dev", "eth0", *(["nodad"] if family == 6 else []))
        wire.ip("link", "set", "eth0", "up")
        for family, address in addresses.items():
            wire.ip("-%d" % family, "route", "add", "default", "via", address)
        carry("eth0")
    carry(name)


def reached(client, inner):
    """Families in which a client reaches what is behind the interface."""
    return [family for family in _AF if connects(client.path, inner, family, INNER[family])]


def answers(client, inner):
    """Families in which what is behind the interface reaches the client."""
    return [family for family in _AF if connects(inner, client.path, family, wire.SOURCES["allowed"][family])]


def connects(here, there, family, address):
    with entered(there):
        listener = socket.create_server(("", PORT), family=_AF[family], dualstack_ipv6=False)
    with listener, entered(here), socket.socket(_AF[family]) as knocking:
        knocking.settimeout(wire.PATIENCE)
        try:
            knocking.connect((address, PORT))
        except OSError:
            return False
        return True


@pytest.mark.parametrize("name, facts, policy, families", [
    (LATE, {}, {}, []), ("docker_gwbridge", {}, {}, []), (LATE, {}, {"external_interfaces": ["host"]}, []),
    ("virbr9", {}, {}, [4, 6]), (LATE, {}, {"external_interfaces": ["eth9"]}, [4, 6]), (LATE, {}, {"published_ports": {"direct": "allow"}}, [4, 6]),
    (LATE, {"foreign_bridges": [LATE]}, {}, [4, 6]), (LATE, {}, {"unmanaged_interfaces": [LATE]}, [4, 6]),
    (LATE, {}, {"unmanaged_interfaces": ["br-0+"]}, [4, 6]),
    # Known, and meant to be reached: its gateway mode is routed. The guard judges it where the policy says who reaches it.
    (LATE, {"bridges": [LATE]}, {}, []), (LATE, {"bridges": [LATE]}, ROUTED, [4, 6]),
    (LATE, {"bridges": [LATE], "closed_bridges": {4: [LATE], 6: []}}, ROUTED, [6]),
])
def test_who_is_reached_from_outside(host, client, inner, name, facts, policy, families):
    path = inner(name)
    until(lambda: reached(client, path) == [4, 6])
    host.converge(compile_policy(parse_policy({"published_ports": {}, **policy}), FACTS._replace(**facts)))
    assert reached(client, path) == families
    assert answers(client, path) == [4, 6]
