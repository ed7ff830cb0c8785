# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Bridges that a Docker network shares with an interface of the host: who comes in there is outside."""
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts import gather
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.links import bridge_ports, entrances
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.external_interfaces import unseen

from tests.integration.kernel.support import odd_packets, wire
from tests.integration.kernel.support.wire_engine import OnTheWire

PUBLISHED, SERVICE = PORTS = (53, 54)
PROTOCOLS = ("udp", "sctp")
ALLOW = [{"port": PUBLISHED, "protocol": protocol, "sources": list(wire.SOURCES["allowed"].values())} for protocol in PROTOCOLS]
POLICY = {"published_ports": {"default": "deny", "allow": ALLOW}}


class OnABridge(OnTheWire):
    """It has a port published."""

    def containers(self):
        ports = [
            {"IP": address, "PublicPort": PUBLISHED, "PrivatePort": 53, "Type": protocol} for address in ("0.0.0.0", "::") for protocol in PROTOCOLS
        ]
        return [{"Id": "2" * 64, "Names": ["/dns"], "Ports": ports}]


def bridge(port):
    """Have a bridge ``host`` with the wire's addresses and this port in it, the wire's end or what stands on it."""
    wire.ip("link", "set", "host", "down")
    wire.ip("link", "set", "host", "name", "cable")
    wire.ip("link", "set", "cable", "up")
    if port != "cable":
        wire.ip("link", "add", "link", "cable", port, "type", "macvlan", "mode", "passthru")
        wire.ip("link", "set", port, "up")
    wire.ip("address", "flush", "dev", "cable")
    wire.ip("link", "add", "host", "type", "bridge")
    wire.ip("link", "set", port, "master", "host")
    for both in (wire.HOST, wire.DESTINATIONS["second address"]):
        wire.ip("address", "add", both[4] + "/24", "broadcast", "+", "dev", "host")
        wire.ip("address", "add", both[6] + "/64", "nodad", "dev", "host")
    wire.ip("address", "add", "fe80::1/64", "nodad", "dev", "host")
    wire.ip("link", "set", "host", "up")


def test_a_bridge_with_an_interface_of_the_hosts_is_outside(nft_host, client):
    bridge("nic")
    client.until_it_carries()
    told = gather.ask(OnABridge(), nft_host.system)
    assert (told.facts.bridges, told.facts.subnets, told.facts.networks) == ([], [], [])
    assert [warning.partition(":")[0] for warning in told.warnings] == [
        "the Docker network 'lan' shares its bridge host with the interface nic"]
    nft_host.converge(compile_policy(parse_policy(POLICY), told.facts))
    assert odd_packets.deliver(client, PORTS, "cable") == odd_packets.sent("allowed", *PORTS) | odd_packets.sent("denied", SERVICE)


def test_a_bridge_of_containers_only_is_inside(nft_host, client):
    # One of a pair, its other end in a namespace: what an engine puts into its bridges.
    bridge("cable")
    client.until_it_carries()
    told = gather.ask(OnABridge(), nft_host.system)
    assert (told.facts.bridges, told.warnings) == (["host"], [])
    nft_host.converge(compile_policy(parse_policy(POLICY), told.facts))
    assert odd_packets.deliver(client, PORTS, "cable") == odd_packets.sent("allowed", *PORTS) | odd_packets.sent("denied", *PORTS)


@pytest.mark.parametrize("enters, words", [
    (False, ["link", "add", "port", "type", "veth"]),
    (False, ["link", "add", "port", "type", "dummy"]),
    (True, ["tuntap", "add", "port", "mode", "tap"]),
    (True, ["link", "add", "port", "type", "gretap", "remote", "192.0.2.1", "local", "192.0.2.2"]),
], ids=["pair", "nothing", "virtual machine", "tunnel"])
def test_what_leads_into_a_bridge(namespace, enters, words):
    wire.ip("link", "add", "one", "type", "bridge")
    if subprocess.run(["ip", *words], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("this kernel has no interfaces of this kind")
    assert "port" not in bridge_ports()
    wire.ip("link", "set", "port", "master", "one")
    assert bridge_ports() == {"port": "one"} and bool(entrances()) == enters


def test_interfaces_that_are_called_outside_and_let_nothing_in(nft_host, client):
    """The client comes in by the bridge, so what is said of its port is said of nothing; the warning names the one to name."""
    bridge("cable")
    client.until_it_carries()
    told = gather.ask(OnABridge(), nft_host.system)
    assert unseen(nft_host.system, []) == unseen(nft_host.system, ["host", "l+"]) == []
    warnings = unseen(nft_host.system, ["cable", "ca+", "eth9", "wan+"])
    assert [warning.split(" ")[1:5] for warning in warnings] == [
        ["what", "cable", "receives", "comes"], ["what", "ca+", "receives", "comes"], ["there", "is", "no", "eth9"], ["there", "is", "no", "wan+"]]
    assert "comes in by host" in warnings[0]
    for interface, judged in (("cable", False), ("host", True)):
        policy = parse_policy(dict(POLICY, external_interfaces=[interface]))
        nft_host.converge(compile_policy(policy, told.facts))
        from_denied = odd_packets.sent("denied", *(PORTS[1:] if judged else PORTS))
        assert odd_packets.deliver(client, PORTS, "cable") == odd_packets.sent("allowed", *PORTS) | from_denied
