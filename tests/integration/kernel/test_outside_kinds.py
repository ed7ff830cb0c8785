# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Kinds of interfaces called outside: packets come in by the one that has the addresses, not by the one below it."""
import subprocess
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.external_interfaces import unseen

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.namespace import entered

PUBLISHED, SERVICE = PORTS = (53, 54)
FACTS = HostFacts([Published(family, None, PUBLISHED, "udp") for family in (4, 6)], [], {4: [], 6: []}, [], False)
ALLOW = [{"port": PUBLISHED, "protocol": "udp", "sources": list(wire.SOURCES["allowed"].values())}]
# What stands on the wire, with the words for each end; those that only the host has, its client being on the wire itself.
_TUNNELS = {"host": ["local", "198.51.100.1", "remote", "198.51.100.2"], "client": ["local", "198.51.100.2", "remote", "198.51.100.1"]}
KINDS = {
    "vlan": lambda end: ["link", "cable", end, "type", "vlan", "id", "10"],
    "vxlan": lambda end: [end, "type", "vxlan", "id", "10", "dstport", "4789", "dev", "cable", *_TUNNELS[end]],
    "gretap": lambda end: [end, "type", "gretap", *_TUNNELS[end]],
    "macvlan": lambda end: ["link", "cable", end, "type", "macvlan", "mode", "bridge"],
    "bond": lambda end: [end, "type", "bond", "mode", "active-backup", "miimon", "10"],
}
ON_THE_HOST_ONLY = ("macvlan", "bond")


def stand_on_the_wire(kind, end):
    """Put an interface of this kind, called as the wire's end was, on this end."""
    wire.ip("link", "set", end, "down")
    wire.ip("link", "set", end, "name", "cable")
    wire.ip("address", "flush", "dev", "cable")
    wire.ip("address", "add", _TUNNELS[end][1] + "/24", "dev", "cable")
    # Or what is below answers for the addresses of what stands on it.
    Path("/proc/sys/net/ipv4/conf/cable/arp_ignore").write_text("1", encoding="ascii")
    if kind != "bond":
        wire.ip("link", "set", "cable", "up")
    if subprocess.run(["ip", "link", "add", *KINDS[kind](end)], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("this kernel has no interfaces of this kind")
    if kind == "bond":
        wire.ip("link", "set", "cable", "master", end)
    for both in ((wire.HOST, wire.DESTINATIONS["second address"]) if end == "host" else wire.SOURCES.values()):
        wire.ip("address", "add", both[4] + "/24", "broadcast", "+", "dev", end)
        wire.ip("address", "add", both[6] + "/64", "nodad", "dev", end)
    wire.ip("link", "set", end, "up")


@pytest.fixture(name="kind", params=KINDS)
def a_kind(request):
    return request.param


@pytest.fixture
def client(namespace, kind):
    with wire.wired() as other_end:
        stand_on_the_wire(kind, "host")
        with entered(other_end.path):
            wire.ip("neighbour", "flush", "all")
        if kind not in ON_THE_HOST_ONLY:
            with entered(other_end.path):
                stand_on_the_wire(kind, "client")
                wire.ip("route", "add", "224.0.0.0/4", "dev", "client")
        other_end.until_it_carries()
        yield other_end


def delivered(host, client, *interfaces):
    policy = parse_policy({"published_ports": {"default": "deny", "allow": ALLOW}, "external_interfaces": list(interfaces)})
    host.converge(compile_policy(policy, FACTS))
    return client.deliver(PORTS)


def test_the_one_with_the_addresses_is_the_one_to_name(nft_host, client, kind):
    closed = wire.sent("allowed", *PORTS) | wire.sent("denied", SERVICE)
    assert delivered(nft_host, client, "cable") == closed | wire.sent("denied", PUBLISHED)
    if kind == "macvlan":
        # What is for everybody comes in by both.
        left = {wire.datagram("denied", 4, way, PUBLISHED) for way in ("broadcast", "limited broadcast")}
        assert delivered(nft_host, client, "host") == closed | left
        assert delivered(nft_host, client, "host", "cable") == closed
    else:
        assert delivered(nft_host, client, "host") == closed
    assert unseen(nft_host.system, ["host"]) == []
    # Whatever else comes by a cable, by a bond's nothing does.
    assert bool(unseen(nft_host.system, ["cable"])) == (kind == "bond")
