# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Connections that a flowtable forwards past every rule: one that is denied ends all the same, and only that one."""
import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import flows
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.flowtables import flowtables
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import end, find
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Task
from ansible_collections.drawbridge.docker.plugins.modules.lockdown import keep_lockdown

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import entered, missing

BRIDGE, GATEWAY, SERVER, PORT = "br-x", "172.18.0.1", "172.18.0.2", 8080
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
FACTS = HostFacts(
    published=[Published(4, None, PORT, protocol) for protocol in KINDS], bridges=[BRIDGE], closed_bridges={4: [BRIDGE], 6: []},
    subnets=["172.18.0.0/16"], swarm=False,
)
_FLOWTABLE = """
table inet t {
 flowtable fast { hook ingress priority 0; devices = { host, %s }; }
 chain through { type filter hook forward priority 0; policy accept;
  meta l4proto { tcp, udp } flow add @fast
 }
}
""" % BRIDGE


@pytest.fixture(name="server")
def a_server(client):
    """The path of a namespace behind a bridge: what an engine makes for a container."""
    wire.ip("link", "add", BRIDGE, "type", "bridge")
    wire.ip("address", "add", GATEWAY + "/16", "dev", BRIDGE)
    wire.ip("link", "set", BRIDGE, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    here = os.readlink("/proc/thread-self/ns/net")
    with subprocess.Popen(["unshare", "--net", "sleep", "120"]) as process:
        try:
            until(lambda: os.readlink("/proc/%d/ns/net" % process.pid) != here)
            wire.ip("link", "add", "port", "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
            wire.ip("link", "set", "port", "up", "master", BRIDGE)
            with entered("/proc/%d/ns/net" % process.pid):
                wire.ip("address", "add", SERVER + "/16", "dev", "eth0")
                wire.ip("link", "set", "eth0", "up")
                wire.ip("route", "add", "default", "via", GATEWAY)
                carry("eth0")
            carry("port", BRIDGE)
            yield "/proc/%d/ns/net" % process.pid
        finally:
            process.kill()


def until(condition):
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


class Talk:
    """An open connection of a client's to the published port, both ends at hand."""

    def __init__(self, stack, client, listener, protocol, who):
        self.who, self.protocol = who, protocol
        with entered(client.path):
            self.near = stack.enter_context(socket.socket(socket.AF_INET, KINDS[protocol]))
        self.near.bind((wire.SOURCES[who][4], 0))
        self.near.settimeout(5)
        self.near.connect((wire.HOST[4], PORT))
        if protocol == "tcp":
            self.far = stack.enter_context(listener.accept()[0])
        else:
            self.near.send(b"hello")
            self.far = listener
            self.peer = listener.recvfrom(100)[1]
        self.far.settimeout(5)

    def push(self):
        """What the server sends unasked."""
        if self.protocol == "tcp":
            self.far.send(b"x")
        else:
            self.far.sendto(b"x", self.peer)

    def goes_on(self):
        """Whether what is sent now arrives, both ways."""
        self.near.settimeout(0.5)
        self.far.settimeout(0.5)
        try:
            self.push()
            self.near.recv(100)
            self.near.send(b"y")
            return bool(self.far.recv(100))
        except OSError:
            return False


@contextlib.contextmanager
def talks(client, server):
    """One connection of each client by each protocol."""
    with contextlib.ExitStack() as stack:
        found = []
        for protocol, kind in KINDS.items():
            with entered(server):
                listener = stack.enter_context(socket.socket(socket.AF_INET, kind))
            listener.bind((SERVER, PORT))
            if protocol == "tcp":
                listener.listen()
            found += [Talk(stack, client, listener, protocol, who) for who in wire.SOURCES]
        yield found


def apply(host, *who):
    """The policy that lets these clients in → its plan."""
    sources = [wire.SOURCES[name][4] for name in who]
    allow = [{"port": PORT, "protocol": protocol, "sources": sources} for protocol in KINDS]
    return host.converge(compile_policy(parse_policy({"published_ports": {"default": "deny", "allow": allow}}), FACTS)).plan


@pytest.fixture(name="published")
def a_published_port(host, server):
    reason = missing("nft", "conntrack")
    if reason:
        pytest.skip(reason)
    for protocol in KINDS:
        host.iptables("-t nat -A PREROUTING -m addrtype --dst-type LOCAL -p %s --dport %d -j DNAT --to-destination %s" % (protocol, PORT, SERVER))
    apply(host, "allowed", "denied")
    if subprocess.run(["nft", "-f", "-"], input=_FLOWTABLE, text=True, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("this kernel has no flowtables")
    return server


def test_a_denied_flow_that_is_offloaded_ends_and_no_other(host, client, published):
    with talks(client, published) as opened:
        assert all(talk.goes_on() for talk in opened for _time in range(3))
        assert [flow.offloaded for flow in flows(host.system) if flow.port == PORT] == [True] * 4
        plan = apply(host, "allowed")
        # The rules alone do not end it.
        assert all(talk.goes_on() for talk in opened)
        revoked = find(host.system, Ipset(host.system), plan)
        assert sorted((flow.protocol, flow.source) for flow in revoked.flows) == [
            (protocol, wire.SOURCES["denied"][4]) for protocol in ("tcp", "udp")]
        assert revoked.warnings + end(host.system, revoked) == []
        denied = [talk for talk in opened if talk.who == "denied"]
        for talk in denied:
            until(lambda talk=talk: not talk.goes_on())
        assert all(talk.goes_on() for talk in opened if talk not in denied for _time in range(3))
        assert not any(talk.goes_on() for talk in denied)


def test_a_lockdown_ends_all(host, client, published):
    params = {"state": "present", "sources": ["203.0.113.1"], "port": 22, "confirm_timeout": 0, "lock_timeout": 5, "transport": host.variant}
    with talks(client, published) as opened:
        assert all(talk.goes_on() for talk in opened for _time in range(3))
        assert not any("offloaded" in warning for warning in keep_lockdown(Task(params, True, host.system)).warnings)
        assert all(talk.goes_on() for talk in opened)
        assert not any("offloaded" in warning for warning in keep_lockdown(Task(params, False, host.system)).warnings)
        for talk in opened:
            until(lambda talk=talk: not talk.goes_on())
        assert not any(talk.goes_on() for talk in opened)


def test_flowtables_are_told(nft_host, published):
    assert flowtables(nft_host.system) == ["inet t fast: %s, host" % BRIDGE]
