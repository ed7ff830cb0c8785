# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Interfaces in a VRF: their packets are shown twice to the rules, and their addresses are not among the host's."""
import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts import gather
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.links import seen_as, vrf_members
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.nat_filter import NatFilter, compile_nat_filter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.entry_interfaces import check_entry_interfaces
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.external_interfaces import unseen
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import end, find
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.entries import WITH_PORTS, parse_entries

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import entered, missing
from tests.integration.kernel.support.wire_engine import OnTheWire

VRF, TABLE = "blue", "10"
# Published on every address; published on the first address only; a service of the host.
EVERYWHERE, BOUND, SERVICE = PORTS = (53, 54, 55)
FACTS = HostFacts(
    published=[Published(family, None, EVERYWHERE, "udp") for family in (4, 6)]
    + [Published(family, wire.HOST[family], BOUND, "udp") for family in (4, 6)],
    bridges=["br-x"], closed_bridges={4: ["br-x"], 6: ["br-x"]}, subnets=["172.18.0.0/16"], swarm=False, vrfs=[VRF],
)
ALLOW = [{"port": port, "protocol": "udp", "sources": list(wire.SOURCES["allowed"].values())} for port in (EVERYWHERE, BOUND)]
PUBLISHED = {"default": "deny", "allow": ALLOW}
BOTH = ["host", VRF]


def setting(name, value):
    Path("/proc/sys/net", name).write_text(value, encoding="ascii")


@pytest.fixture
def client(namespace):
    """At the other end of a wire whose end on the host is in a VRF, where sockets of the host are reached."""
    made = subprocess.run(["ip", "link", "add", VRF, "type", "vrf", "table", TABLE], stderr=subprocess.DEVNULL, check=False)
    if made.returncode != 0:
        pytest.skip("this kernel has no VRFs")
    with wire.wired() as other_end:
        wire.ip("link", "set", VRF, "up")
        setting("ipv6/conf/host/keep_addr_on_down", "1")
        wire.ip("link", "set", "host", "master", VRF)
        setting("ipv4/udp_l3mdev_accept", "1")
        other_end.until_it_carries()
        yield other_end


def apply(host, **policy):
    host.converge(compile_policy(parse_policy(policy), FACTS))


def spared():
    """What a denied client still reaches where only published ports are closed."""
    return (wire.sent("denied", BOUND) - wire.unicast("denied", BOUND)) | wire.sent("denied", SERVICE)


def test_without_a_policy_everything_arrives(nft_host, client):
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | wire.sent("denied", *PORTS)


@pytest.mark.parametrize("interfaces", [{}, {"external_interfaces": BOTH}], ids=["all", "named"])
def test_published_ports_are_closed_on_every_way(host, client, interfaces):
    apply(host, published_ports=PUBLISHED, **interfaces)
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | spared()
    assert client.answered_pings() == [4, 6]


@pytest.mark.parametrize("interfaces", [{}, {"external_interfaces": BOTH}], ids=["all", "named"])
def test_denied_host_services_spare_allowed_published_ports(host, client, interfaces):
    apply(host, published_ports=PUBLISHED, host_services={"default": "deny"}, **interfaces)
    assert client.deliver(PORTS) == wire.sent("allowed", EVERYWHERE, BOUND)


def by(interfaces):
    """A policy whose entries name these."""
    *entries, service = (dict(entry, interfaces=interfaces) for entry in (*ALLOW, dict(ALLOW[0], port=SERVICE)))
    return {"published_ports": dict(PUBLISHED, allow=entries), "host_services": {"default": "deny", "allow": [service]}}


def test_entries_that_name_the_whole_vrf(host, client):
    assert check_entry_interfaces(host.system, parse_policy(by(BOTH)), FACTS) == []
    apply(host, **by(BOTH))
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS)
    # Half of it is refused. It would let in too few, or members that the entry does not name.
    for interfaces in (["host"], [VRF], ["ho+", "eth9"]):
        with pytest.raises(DrawbridgeError, match="as the VRF blue's"):
            check_entry_interfaces(host.system, parse_policy(by(interfaces)), FACTS)


def test_the_filter_for_docker_proxy(host, client):
    host.converge(compile_nat_filter(NatFilter(True, parse_entries(ALLOW, "allow", WITH_PORTS), False, ()), FACTS))
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | spared()


def test_a_vrf_that_comes_after_the_run_is_guarded(nft_host, client):
    nft_host.converge(compile_policy(parse_policy({"published_ports": PUBLISHED}), FACTS._replace(vrfs=[])))
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS) | spared()


def test_both_names_are_to_be_named(nft_host, client):
    assert vrf_members() == {"host": VRF} and seen_as() == {}
    assert unseen(nft_host.system, BOTH) == unseen(nft_host.system, ["+"]) == []
    of_member, = unseen(nft_host.system, ["ho+"])
    assert of_member.startswith("external_interfaces: what host receives comes in by the VRF blue too")
    of_vrf, = unseen(nft_host.system, [VRF])
    assert of_vrf.startswith("external_interfaces: what comes in by the VRF blue comes in by its member host first")
    # What the warnings are about.
    for interfaces in (["host"], [VRF]):
        apply(nft_host, published_ports=PUBLISHED, external_interfaces=interfaces)
        assert client.deliver(PORTS) > wire.sent("allowed", *PORTS) | spared()


@contextlib.contextmanager
def served(client):
    """A socket of the host's, and each client's that has had an answer from it: there is a way into the VRF."""
    wire.ip("route", "add", "192.0.2.0/24", "dev", VRF)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind(("", EVERYWHERE))
        clients = {}
        for who, addresses in wire.SOURCES.items():
            with entered(client.path):
                clients[who] = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            clients[who].bind((addresses[4], 0))
            clients[who].connect((wire.HOST[4], EVERYWHERE))
            assert _round_trip(clients[who], server)
        yield server, clients


def test_a_client_that_is_denied_hears_no_more(nft_host, client):
    reason = missing("nft")
    if reason:
        pytest.skip(reason)
    everybody = [dict(entry, sources=["any"]) for entry in ALLOW]
    apply(nft_host, published_ports=dict(PUBLISHED, allow=everybody))
    with served(client) as (server, clients):
        plan = nft_host.converge(compile_policy(parse_policy({"published_ports": PUBLISHED}), FACTS)).plan
        revoked = find(nft_host.system, Ipset(nft_host.system), plan)
        assert [flow.source for flow in revoked.flows] == [wire.SOURCES["denied"][4]]
        assert end(nft_host.system, revoked) == []
        server.sendto(b"unasked", clients["allowed"].getsockname())
        assert clients["allowed"].recv(100) == b"unasked"
        # What is dropped on its way out is an error of the sender's.
        with pytest.raises(PermissionError):
            server.sendto(b"unasked", clients["denied"].getsockname())
        assert _round_trip(clients["allowed"], server) and not _round_trip(clients["denied"], server)


class Away(OnTheWire):
    def info(self):
        raise EngineUnreachable("nobody there")


def test_what_is_known_of_a_host_with_a_vrf(nft_host, client):
    told = gather.ask(OnTheWire(), nft_host.system)
    assert told.facts.vrfs == [VRF] == gather.ask(Away(), nft_host.system).facts.vrfs
    assert [warning.partition(":")[0] for warning in told.warnings] == ["the bridge host of the Docker network 'lan' is in the VRF blue"]


LOOPBACK, SERVER = "198.51.100.1", "172.18.0.2"


@pytest.fixture(name="container")
def a_container(client):
    """The path of a namespace that an address of the host outside the VRF leads to: what comes by the VRF finds the way there and back."""
    here = os.readlink("/proc/thread-self/ns/net")
    setting("ipv4/ip_forward", "1")
    wire.ip("address", "add", LOOPBACK + "/32", "dev", "lo")
    with entered(client.path):
        wire.ip("route", "add", LOOPBACK, "via", wire.HOST[4])
    with subprocess.Popen(["unshare", "--net", "sleep", "120"]) as process:
        path = "/proc/%d/ns/net" % process.pid
        try:
            limit = time.monotonic() + 10
            while os.readlink(path) == here:
                assert time.monotonic() < limit
                time.sleep(0.01)
            wire.ip("link", "add", "br-x", "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
            wire.ip("address", "add", "172.18.0.1/16", "dev", "br-x")
            wire.ip("link", "set", "br-x", "up")
            with entered(path):
                wire.ip("address", "add", SERVER + "/16", "dev", "eth0")
                wire.ip("link", "set", "eth0", "up")
                wire.ip("route", "add", "default", "via", "172.18.0.1")
                carry("eth0")
            carry("br-x")
            wire.ip("route", "add", "172.18.0.0/16", "dev", "br-x", "table", TABLE)
            wire.ip("route", "add", "192.0.2.0/24", "dev", VRF)
            yield path
        finally:
            process.kill()


def answered(client, container):
    """Which clients get an answer of the container's, dialling the loopback's address; and which at its own."""
    found = set()
    with contextlib.ExitStack() as stack:
        with entered(container):
            server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind((SERVER, EVERYWHERE))
        for who, addresses in wire.SOURCES.items():
            for dialled in (LOOPBACK, SERVER):
                with entered(client.path):
                    near = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                near.bind((addresses[4], 0))
                near.connect((dialled, EVERYWHERE))
                if _round_trip(near, server):
                    found.add((who, dialled))
    return found


def _round_trip(near, server):
    near.settimeout(0.5)
    server.settimeout(0.5)
    try:
        near.send(b"asked")
        server.sendto(b"answered", server.recvfrom(100)[1])
        return near.recv(100) == b"answered"
    except OSError:
        return False


@pytest.mark.parametrize("interfaces", [{}, {"external_interfaces": BOTH}], ids=["all", "named"])
def test_what_is_dnated_is_judged_once(host, client, container, interfaces):
    with entered(client.path):
        wire.ip("route", "add", "172.18.0.0/16", "via", wire.HOST[4])
    host.iptables("-t nat -A PREROUTING -m addrtype --dst-type LOCAL -p udp --dport %d -j DNAT --to-destination %s" % (EVERYWHERE, SERVER))
    assert answered(client, container) == {(who, dialled) for who in wire.SOURCES for dialled in (LOOPBACK, SERVER)}
    apply(host, published_ports=PUBLISHED, **interfaces)
    assert answered(client, container) == {("allowed", LOOPBACK)}
    apply(host, published_ports=dict(PUBLISHED, direct="allow"), **interfaces)
    assert answered(client, container) == {("allowed", LOOPBACK), ("allowed", SERVER), ("denied", SERVER)}
