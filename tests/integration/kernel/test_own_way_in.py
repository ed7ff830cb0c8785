# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The layers of a real connection: the interface that it comes in by, the tunnels that it is in, those who passed it on."""
import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import threading

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.answering_interface import answered_by
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import AcceptedSocket, Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.tunnels.arrival import came_in_by
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight import lockout

from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.wire import HOST, SOURCES, ip

SSH = {"port": 22, "sources": ["any"]}
BRIDGE = "br-bastion"
FACTS = HostFacts([Published(family, None, 2222, "tcp") for family in (4, 6)], [BRIDGE], {4: [BRIDGE], 6: []}, ["10.9.0.0/24"], False)
# What a relay does: take one connection and make another one, and carry nothing.
RELAY = """
import socket, sys
listener = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
taken = listener.accept()[0]
made = socket.create_connection((sys.argv[2], int(sys.argv[3])))
print("passed on", flush=True)
taken.recv(1)
"""


def services(*allowed):
    return {"host_services": {"default": "deny", "allow": [SSH, *allowed]}}


@contextlib.contextmanager
def connected(path, address, source=None, port=22):
    """A connection that somebody makes from the namespace of a file → as sshd has it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("", port), family=family))
        with entered(path):
            stack.enter_context(socket.create_connection((address, port), 10, (source, 0) if source else None))
        yield accepted_by(stack, listener)


def accepted_by(stack, listener):
    """The next connection of a listener."""
    taken, peer = listener.accept()
    stack.enter_context(taken)
    local = taken.getsockname()
    return AcceptedSocket(Connection(local[0], local[1], peer[0]), peer[1], os.getpid(), taken.fileno())


def refusal(monkeypatch, accepted, policy):
    """What the task is told whose connection this is: the error, or warnings."""
    monkeypatch.setattr(lockout, "controlling_socket", lambda _system: accepted)
    parsed, system = parse_policy(policy), System()
    try:
        return lockout.refuse_lockout(system, Ipset(system), compile_policy(parsed, FACTS), parsed, FACTS)
    except DrawbridgeError as error:
        return error


@pytest.mark.parametrize("family", [4, 6])
def test_the_interface_that_it_comes_in_by_and_not_the_one_that_answers(client, monkeypatch, family):
    """A second wire, to which the host's route to the client leads."""
    ip("link", "add", "other", "type", "veth", "peer", "name", "behind", "netns", client.path.split("/")[2])
    ip("link", "set", "other", "up")
    with entered(client.path):
        ip("link", "set", "behind", "up")
        for protocol in (4, 6):
            ip("-%d" % protocol, "address", "add", {4: "198.51.100.2/32", 6: "2001:db8:9::2/128"}[protocol], "dev", "lo")
        ip("link", "set", "lo", "up")
        carry("behind")
    carry("other")
    for name in ("all", "host", "other"):
        for side in (None, client.path):
            with entered(side) if side else contextlib.nullcontext(), contextlib.suppress(OSError):
                with open("/proc/sys/net/ipv4/conf/%s/rp_filter" % name, "w", encoding="ascii") as setting:
                    setting.write("0")
    remote = {4: "198.51.100.2", 6: "2001:db8:9::2"}[family]
    ip("-%d" % family, "route", "add", remote, "dev", "other")
    with entered(client.path):
        hardware = _hardware("behind")
    ip("neighbour", "replace", remote, "lladdr", hardware, "dev", "other")
    with connected(client.path, HOST[family], remote) as accepted:
        assert answered_by(System(), remote).interface == "other"
        assert came_in_by(accepted.pid, accepted.descriptor) == "host"
        closed = {"host_services": {"default": "deny"}}
        assert refusal(monkeypatch, accepted, dict(closed, external_interfaces=["host"])).path == "policy.host_services.default"
        assert refusal(monkeypatch, accepted, dict(closed, external_interfaces=["other"])) == []
        # An entry lets it in by the interface that it came in by.
        for name, told in (("ho+", []), ("other", "policy.host_services.allow[0]")):
            said = refusal(monkeypatch, accepted, {"host_services": {"default": "deny", "allow": [{"port": 22, "interfaces": [name]}]}})
            assert getattr(said, "path", said) == told
        # Where the kernel does not tell it, either may be.
        monkeypatch.setattr("ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.ssh_layers.came_in_by", lambda *_ends: None)
        for name in ("host", "other"):
            assert refusal(monkeypatch, accepted, dict(closed, external_interfaces=[name])).path == "policy.host_services.default"


def _hardware(interface):
    with socket.socket() as probe:
        told = fcntl.ioctl(probe, 0x8927, struct.pack("256s", interface.encode()))
    return ":".join("%02x" % byte for byte in told[18:24])


TUNNEL = {"host": "10.8.0.1", "client": "10.8.0.2"}


def _vxlan(client, bridged=False):
    for path, mine, other in ((None, HOST[4], SOURCES["allowed"][4]), (client.path, SOURCES["allowed"][4], HOST[4])):
        with entered(path) if path else contextlib.nullcontext():
            ip("link", "add", "vx1", "type", "vxlan", "id", "5", "local", mine, "remote", other, "dstport", "4789")
            end = "vx1"
            if bridged and path is None:
                end = "br0"
                ip("link", "add", end, "type", "bridge")
                ip("link", "set", "vx1", "master", end)
            for name in dict.fromkeys(("vx1", end)):
                ip("link", "set", name, "up")
            ip("address", "add", TUNNEL["client" if path else "host"] + "/24", "dev", end)


@pytest.mark.parametrize("bridged", [False, True])
def test_a_tunnel_of_the_kernel(client, monkeypatch, bridged):
    _vxlan(client, bridged)
    with connected(client.path, TUNNEL["host"]) as accepted:
        error = refusal(monkeypatch, accepted, services())
        assert error.path == "policy.host_services.default"
        assert "the tunnel vx1 (port 4789/udp from %s)" % SOURCES["allowed"][4] in error.message
        allowed = {"port": 4789, "protocol": "udp", "sources": [SOURCES["allowed"][4]]}
        assert refusal(monkeypatch, accepted, services(allowed)) == []
        assert refusal(monkeypatch, accepted, services(dict(allowed, sources=[SOURCES["denied"][4]]))).path == "policy.host_services.allow[1]"
        assert refusal(monkeypatch, accepted, {"host_services": {"default": "allow"}}) == []
        # By the interface that the tunnel comes in by, not by its own.
        assert refusal(monkeypatch, accepted, dict(services(), external_interfaces=["host"])).path == "policy.host_services.default"
        assert refusal(monkeypatch, accepted, dict(services(), external_interfaces=["vx1", "br0"])) == []


def test_no_tunnel_no_words(client, monkeypatch):
    for family in (4, 6):
        with connected(client.path, HOST[family]) as accepted:
            assert refusal(monkeypatch, accepted, services()) == []
            assert refusal(monkeypatch, accepted, {"host_services": {"default": "deny"}}).path == "policy.host_services.default"


@contextlib.contextmanager
def tunnelled(client, begins):
    """A tunnel that programs make of tun devices and UDP. begins: whether the host's end sends first."""
    with contextlib.ExitStack() as stack:
        ends = []
        for path, name in ((None, "host"), (client.path, "client")):
            with entered(path) if path else contextlib.nullcontext():
                device = os.open("/dev/net/tun", os.O_RDWR)
                stack.callback(os.close, device)
                fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"tun-" + name.encode(), 0x1001))
                carrier = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                carrier.bind(("", 1194))
                ip("address", "add", TUNNEL[name] + "/24", "dev", "tun-" + name)
                ip("link", "set", "tun-" + name, "up")
                ends.append((device, carrier, (SOURCES["allowed"][4] if path is None else HOST[4], 1194)))
        first, second = ends if begins else ends[::-1]
        first[1].sendto(b"", first[2])
        assert second[1].recv(10) == b""
        closing = os.pipe()
        carrying = threading.Thread(target=_carry, args=(ends, closing[0]))
        carrying.start()
        stack.callback(lambda: (os.write(closing[1], b"x"), carrying.join(), [os.close(end) for end in closing]))
        yield


def _carry(ends, closing):
    while True:
        ready = select.select([end for device, carrier, _far in ends for end in (device, carrier)] + [closing], [], [])[0]
        if closing in ready:
            return
        for device, carrier, far in ends:
            if device in ready:
                carrier.sendto(os.read(device, 2000), far)
            if carrier in ready:
                packet = carrier.recv(2000)
                if packet:
                    os.write(device, packet)


def _tracked(host):
    """Connection tracking works where a rule asks it."""
    for family in (4, 6):
        host.iptables("-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", family)


def test_a_tunnel_of_a_program(nft_host, client, monkeypatch):
    _tracked(nft_host)
    with tunnelled(client, begins=False), connected(client.path, TUNNEL["host"]) as accepted:
        assert "the tunnel tun-host (port 1194/udp from %s)" % SOURCES["allowed"][4] in refusal(monkeypatch, accepted, services()).message
        allowed = {"port": 1194, "protocol": "udp", "sources": [SOURCES["allowed"][4]]}
        assert refusal(monkeypatch, accepted, services(allowed)) == []


def test_a_tunnel_that_the_host_itself_keeps_open(nft_host, client, monkeypatch):
    _tracked(nft_host)
    with tunnelled(client, begins=True), connected(client.path, TUNNEL["host"]) as accepted:
        assert refusal(monkeypatch, accepted, services()) == []


@contextlib.contextmanager
def relay(path, port, address, far):
    """Somebody in a namespace who passes a connection on."""
    argv = [*(["nsenter", "--net=" + path] if path else []), sys.executable, "-c", RELAY, str(port), address, str(far)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def container():
    """A namespace behind a bridge → its path."""
    here = os.readlink("/proc/thread-self/ns/net")
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 120"], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            path = "/proc/%d/ns/net" % process.pid
            assert os.readlink(path) != here
            ip("link", "add", BRIDGE, "type", "bridge")
            ip("address", "add", "10.9.0.1/24", "dev", BRIDGE)
            ip("link", "add", "port", "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
            ip("link", "set", "port", "master", BRIDGE, "up")
            ip("link", "set", BRIDGE, "up")
            with entered(path):
                ip("address", "add", "10.9.0.2/24", "dev", "eth0")
                ip("link", "set", "eth0", "up")
                ip("route", "add", "default", "via", "10.9.0.1")
                carry("eth0")
            carry("port", BRIDGE)
            yield path
        finally:
            process.kill()


def _forwards(host):
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as setting:
        setting.write("1")
    host.iptables("-t nat -A PREROUTING -d %s -p tcp --dport 2222 -j DNAT --to-destination 10.9.0.2:22" % HOST[4])


@pytest.mark.parametrize("by", ["DNAT", "docker-proxy"])
def test_a_bastion_in_a_container(nft_host, client, monkeypatch, by):
    _tracked(nft_host)
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(container())
        listener = stack.enter_context(socket.create_server(("10.9.0.1", 22)))
        bastion = stack.enter_context(relay(path, 22, "10.9.0.1", 22))
        if by == "DNAT":
            _forwards(nft_host)
        else:
            stack.enter_context(relay(None, 2222, "10.9.0.2", 22))
        with entered(client.path):
            stack.enter_context(socket.create_connection((HOST[4], 2222), 10, (SOURCES["allowed"][4], 0)))
        assert bastion.stdout.readline() == "passed on\n"
        accepted = accepted_by(stack, listener)
        assert accepted.connection.remote_address == "10.9.0.2"
        closed = {"published_ports": {"default": "deny"}}
        error = refusal(monkeypatch, accepted, closed)
        assert error.path == "policy.published_ports.default"
        assert "out from what passes it on (port 2222/tcp from %s)" % SOURCES["allowed"][4] in error.message
        for name, where in (("allowed", None), ("denied", "policy.published_ports.allow[0]")):
            said = refusal(monkeypatch, accepted, {"published_ports": {"allow": [{"port": 2222, "sources": [SOURCES[name][4]]}]}})
            assert (said.path if isinstance(said, DrawbridgeError) else None) == where
        # sshd itself is not what the client comes to.
        assert refusal(monkeypatch, accepted, {"host_services": {"default": "deny"}}) == []


def test_a_connection_that_began_in_a_container(nft_host, monkeypatch):
    with container() as path, connected(path, "10.9.0.1") as accepted:
        assert refusal(monkeypatch, accepted, {"host_services": {"default": "deny"}, "published_ports": {"default": "deny"}}) == []
