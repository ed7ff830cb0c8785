# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host that is cut off passes nothing on: not what a host needs for itself, and not SSH of those who keep theirs."""
import contextlib
import socket
import struct
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import parse_network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.lockdown import cut_off

from tests.integration.kernel.support.link import carry
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.watching import until
from tests.integration.kernel.support.wire import SOURCES, wired

AF = {4: socket.AF_INET, 6: socket.AF_INET6}
# A container's network, and its address.
NETWORK = {4: "10.9.0.0/24", 6: "2001:db8:9::/64"}
HOST, CONTAINER = {4: "10.9.0.1", 6: "2001:db8:9::1"}, {4: "10.9.0.2", 6: "2001:db8:9::2"}
# Destination unreachable, with a text where the packet that it is about would be.
PROTOCOL = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
UNREACHABLE = {4: 3, 6: 1}
SECRET = b"what nobody outside shall hear of"
SETTINGS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


def sh(text):
    for line in text.splitlines():
        subprocess.run(line.split(), check=True)


@contextlib.contextmanager
def container(client):
    """A namespace behind the one that the test is in, which forwards to the client's; its path."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 120"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"\n"
            path = "/proc/%d/ns/net" % process.pid
            sh("ip link add in0 type veth peer name eth0 netns %d\nip link set in0 up" % process.pid)
            for family, address in HOST.items():
                sh("ip address add %s dev in0%s" % (address + NETWORK[family][-3:], " nodad" if family == 6 else ""))
            with entered(path):
                sh("ip link set eth0 up")
                for family, address in CONTAINER.items():
                    sh("ip address add %s dev eth0%s" % (address + NETWORK[family][-3:], " nodad" if family == 6 else ""))
                    sh("ip -%d route add default via %s" % (family, HOST[family]))
                carry("eth0")
            carry("in0")
            with entered(client):
                for family in NETWORK:
                    sh("ip -%d route add %s via %s" % (family, NETWORK[family], {4: "192.0.2.1", 6: "2001:db8::1"}[family]))
            for setting in SETTINGS:
                with open("/proc/sys/" + setting, "w", encoding="ascii") as stream:
                    stream.write("1")
            yield path
        finally:
            process.kill()


def unreachable(family):
    """The message. The kernel fills in IPv6's sum."""
    message = struct.pack("!BBHI", UNREACHABLE[family], 1, 0, 0) + SECRET + b"\0"
    total = sum(struct.unpack("!%dH" % (len(message) // 2), message))
    total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + message[4:]


def dial(family, address, seconds):
    with socket.socket(AF[family], socket.SOCK_STREAM) as dialling:
        dialling.settimeout(seconds)
        return dialling.connect_ex((address, 22)) == 0


def passed_on(family, inside, client):
    """What the client hears of the container: its message, and that it dials port 22."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(listening(family))
        with entered(client):
            errors, segments = (stack.enter_context(hearing(family, protocol)) for protocol in (PROTOCOL[family], socket.IPPROTO_TCP))
        with entered(inside):
            with socket.socket(AF[family], socket.SOCK_RAW, PROTOCOL[family]) as sending:
                sending.sendto(unreachable(family), (SOURCES["allowed"][family], 0))
            dial(family, SOURCES["allowed"][family], 0.2)
            assert dial(family, HOST[family], 10), "its own SSH to the host stays"
        return SECRET in heard(errors), heard(segments) != b""


def hearing(family, protocol):
    receiver = socket.socket(AF[family], socket.SOCK_RAW, protocol)
    receiver.setblocking(False)
    return receiver


def heard(receiver):
    """All that has arrived by now."""
    found = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            found += receiver.recv(2048)
    return found


@contextlib.contextmanager
def listening(family):
    with socket.create_server(("::" if family == 6 else "0.0.0.0", 22), family=AF[family]) as server:
        yield server


@pytest.mark.parametrize("family", [4, 6])
def test_nothing_passes_through(host, family):
    with wired() as wire, container(wire.path) as inside:
        until(lambda: passed_on(family, inside, wire.path) == (True, True))
        # As one that writes the address of somebody who keeps SSH into its packets.
        host.converge(cut_off([parse_network(NETWORK[family])], 22))
        assert passed_on(family, inside, wire.path) == (False, False)
