# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A Docker host as an attacker would wish it: a wire to the outside, two bridges with containers, and kernel settings at their laxest.

Whoever sends here has no addresses of its own in its namespace, so that no kernel answers for it; the host knows by heart which link
address everybody has. All packets are handled on one processor, in the order in which they were sent.
"""
from __future__ import annotations

import contextlib
import os
import random
import re
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping

from . import forge
from .namespace import entered

WAN, DOCKER0, OTHER_BRIDGE = "wan", "docker0", "br-0123456789ab"
# One without IPv6, as most of Docker's networks are; one that was made after whatever asked the engine.
QUIET_BRIDGE, LATER_BRIDGE = "br-00000000cafe", "br-00000000beef"
OUTSIDE, CONTAINER, PEER, OTHER, LATER, QUIET, QUIETER = "outside", "container", "peer", "other", "later", "quiet", "quieter"
# The other one's second interface, on docker0.
LEG = "leg"
HOST = "host"
SUBNETS = {DOCKER0: {4: "172.17.0.0/16", 6: "fd00:17::/64"}, OTHER_BRIDGE: {4: "172.18.0.0/16", 6: "fd00:18::/64"},
           QUIET_BRIDGE: {4: "172.19.0.0/16"}, LATER_BRIDGE: {4: "172.20.0.0/16", 6: "fd00:20::/64"}}
# Who may be claimed to be the sender, and who is sent to. The client is let in by policies; the server is what containers are kept
# from. Behind the peer, a gateway, lies a subnet that the host routes to it.
ADDRESS = {
    "host": {4: "192.0.2.1", 6: "2001:db8::1"},
    "second": {4: "192.0.2.9", 6: "2001:db8::9"},
    # What the kernel gives its interfaces by their link addresses, and whatever router the network has.
    "host's link": {6: "fe80::ff:fe00:1"},
    "gateway's link": {6: "fe80::ff:fe00:17"},
    "anycast": {6: "2001:db8::"},
    "ruled": {4: "203.0.113.7", 6: "2001:db8:7::7"},
    "gateway": {4: "172.17.0.1", 6: "fd00:17::1"},
    "other gateway": {4: "172.18.0.1", 6: "fd00:18::1"},
    "quiet gateway": {4: "172.19.0.1"},
    "later gateway": {4: "172.20.0.1", 6: "fd00:20::1"},
    CONTAINER: {4: "172.17.0.2", 6: "fd00:17::2"},
    PEER: {4: "172.17.0.3", 6: "fd00:17::3"},
    OTHER: {4: "172.18.0.2", 6: "fd00:18::2"},
    LEG: {4: "172.17.0.7", 6: "fd00:17::7"},
    QUIET: {4: "172.19.0.2"},
    QUIETER: {4: "172.19.0.3"},
    LATER: {4: "172.20.0.2", 6: "fd00:20::2"},
    "nobody": {4: "172.17.0.99", 6: "fd00:17::99"},
    "link-local": {6: "fe80::11"},
    "zeroconf": {4: "169.254.0.5"},
    "attacker": {4: "192.0.2.3", 6: "2001:db8::3"},
    "client": {4: "192.0.2.2", 6: "2001:db8::2"},
    "server": {4: "198.51.100.5", 6: "2001:db8:5::5"},
    "behind": {4: "10.99.0.5", 6: "fd00:99::5"},
    "loopback": {4: "127.0.0.1", 6: "::1"},
    "broadcast": {4: "192.0.2.255"},
    "bridge broadcast": {4: "172.17.255.255"},
    "everybody": {4: "255.255.255.255"},
    "multicast": {4: "224.0.0.251", 6: "ff02::fb"},
    "routers": {4: "224.0.0.22", 6: "ff02::16"},
    "solicited": {6: "ff02::1:ff00:1"},
    "unspecified": {4: "0.0.0.0", 6: "::"},
}
ROUTED = {4: "10.99.0.0/24", 6: "fd00:99::/64"}
VRF = "blue"
_TABLE, _RULED = 10, 100
_ROUTER = {4: "192.0.2.254", 6: "2001:db8::fe"}
_ON_HOST = {WAN: ("host", "second"), DOCKER0: ("gateway",), OTHER_BRIDGE: ("other gateway",), QUIET_BRIDGE: ("quiet gateway",),
            LATER_BRIDGE: ("later gateway",)}
# Place → the host's interface that it is behind, the host's end of its wire, its link address, whose addresses are there.
_PLACES = {
    OUTSIDE: (WAN, WAN, "02:00:00:00:00:02", ("attacker", "client")),
    CONTAINER: (DOCKER0, "veth0000001", "02:00:00:00:00:11", (CONTAINER,)),
    PEER: (DOCKER0, "veth0000002", "02:00:00:00:00:12", (PEER,)),
    OTHER: (OTHER_BRIDGE, "veth0000003", "02:00:00:00:00:13", (OTHER,)),
    LATER: (LATER_BRIDGE, "veth0000004", "02:00:00:00:00:14", (LATER,)),
    QUIET: (QUIET_BRIDGE, "veth0000005", "02:00:00:00:00:15", (QUIET,)),
    QUIETER: (QUIET_BRIDGE, "veth0000006", "02:00:00:00:00:16", (QUIETER,)),
    LEG: (DOCKER0, "veth0000007", "02:00:00:00:00:1a", (LEG,)),
}
_WITHIN = {LEG: OTHER}
MAC = {name: mac for name, (_device, _port, mac, _addresses) in _PLACES.items()}
_HOST_MAC = {WAN: "02:00:00:00:00:01", DOCKER0: "02:00:00:00:00:17", OTHER_BRIDGE: "02:00:00:00:00:18", QUIET_BRIDGE: "02:00:00:00:00:19",
             LATER_BRIDGE: "02:00:00:00:00:20"}
# What a host may be set to; each lets through what the kernel would stop by itself.
_LAX = (("ipv4", "rp_filter", 0), ("ipv4", "accept_local", 1), ("ipv4", "route_localnet", 1), ("ipv4", "forwarding", 1),
        ("ipv6", "forwarding", 1), ("ipv6", "accept_dad", 0), ("ipv4", "send_redirects", 0))
_EVERY_FRAME = 3
# ICMPv6's redirect carries part of a packet, too.
_REDIRECT = 137
_ROOM = 64 << 20
_MARK = re.compile(rb"DBF([0-9a-f]{8})([12])")
Mark = tuple[int, int]
_TO_US = (socket.PACKET_HOST, socket.PACKET_BROADCAST, socket.PACKET_MULTICAST)


def mark(number: int, step: int) -> bytes:
    """What a packet carries, to be known again wherever it comes out."""
    return b"DBF%08x%d" % (number, step)


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class _Place:
    """One end of a wire: sends whatever it likes, and sees what comes."""

    def __init__(self, name: str, path: str, stack: contextlib.ExitStack) -> None:
        self.device, self.port, self.mac, _addresses = _PLACES[name]
        with entered(path):
            self.sender = stack.enter_context(_packet_socket(socket.SOCK_RAW, _far_end(name)))
            self.tap = stack.enter_context(_packet_socket(socket.SOCK_DGRAM, _far_end(name), _EVERY_FRAME))
        self.near_sender = stack.enter_context(_packet_socket(socket.SOCK_RAW, self.port))
        self.near_tap = stack.enter_context(_packet_socket(socket.SOCK_DGRAM, self.device, forge.MARKER))

    def send(self, family: int, packet: bytes, to_mac: str | None = None) -> None:
        self.sender.send(forge.link_head(to_mac or _HOST_MAC[self.device], self.mac, forge.ETHERTYPE[family]) + packet)

    def settle(self) -> None:
        """Until all that was sent from here has been handled by the host, and all that it sent here has come."""
        from_here = forge.link_head(_HOST_MAC[self.device], self.mac, forge.MARKER) + bytes(46)
        to_here = forge.link_head(self.mac, _HOST_MAC[self.device], forge.MARKER) + bytes(46)
        self.sender.send(from_here)
        while self.near_tap.recvfrom(100)[1][4] != bytes.fromhex(self.mac.replace(":", "")):
            pass
        self.near_sender.send(to_here)

    def came(self) -> set[Mark]:
        """Marks of what came here, until the marker that ends it."""
        found: set[Mark] = set()
        while True:
            data, address = self.tap.recvfrom(4000)
            if address[1] == forge.MARKER:
                if address[2] != socket.PACKET_OUTGOING:
                    return found
            elif address[2] in _TO_US and not _is_error(data):
                found.update(_marks(data))


class Stage:
    """send and hear; what it says of marks is (number, step)."""

    def __init__(self, paths: Mapping[str, str], stack: contextlib.ExitStack) -> None:
        self.paths = paths
        self.places = {name: _Place(name, path, stack) for name, path in paths.items()}
        self._groups = [stack.enter_context(_member(family)) for family in forge.AF]
        self._ears = [stack.enter_context(_ear(family, number)) for family in forge.AF for number in _numbers(family)]

    def send(self, place: str, packet: tuple[int, bytes], near: str | None = None) -> None:
        """packet: family and bytes. near: the place on the same bridge that the frame is for; None for the host."""
        family, text = packet
        self.places[place].send(family, text, None if near is None else self.places[near].mac)

    def send_from_host(self, family: int, source: str, destination: str, ports: tuple[int, int], text: bytes) -> None:
        """A datagram of the host's own kernel."""
        with socket.socket(forge.AF[family], socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.bind((ADDRESS[source][family], ports[0]))
            end = (ADDRESS[destination][family], ports[1])
            # In IPv6 a group is one of a link.
            sender.sendto(text, end + (0, socket.if_nametoindex(WAN)) if destination == "multicast" and family == 6 else end)

    def heard(self) -> dict[str, set[Mark]]:
        """Once all is handled → place, and the marks that have come there since the last time. The host is a place, too."""
        for _back_and_forth in range(2):
            for place in self.places.values():
                place.settle()
        found = {}
        for name, place in self.places.items():
            found[name] = place.came() | place.came()
        found[HOST] = {item for ear in self._ears for item in _waiting(ear)}
        return found


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """The stage, around the namespace that this thread is in, which is the host."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    try:
        with contextlib.ExitStack() as stack:
            for family, name, value in _LAX:
                for scope in ("all", "default"):
                    setting("%s/conf/%s/%s" % (family, scope, name), value)
            # An echo comes back with what it carried: to whoever was claimed to have asked for it.
            for name in ("ipv4/icmp_echo_ignore_all", "ipv6/icmp/echo_ignore_all"):
                setting(name, 1)
            paths = {name: stack.enter_context(_namespace()) for name in _PLACES if name not in _WITHIN}
            paths.update((name, paths[within]) for name, within in _WITHIN.items())
            _connect(paths)
            yield Stage(paths, stack)
    finally:
        os.sched_setaffinity(0, before)


def setting(name: str, value: object) -> None:
    with contextlib.suppress(FileNotFoundError), open("/proc/sys/net/" + name, "w", encoding="ascii") as file:
        file.write(str(value))


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    here = os.readlink("/proc/thread-self/ns/net")
    with subprocess.Popen(["unshare", "--net", "sleep", "300"]) as process:
        path = "/proc/%d/ns/net" % process.pid
        try:
            end = time.monotonic() + 10
            while os.readlink(path) == here:
                assert time.monotonic() < end, "no namespace was made"
                time.sleep(0.002)
            yield path
        finally:
            process.kill()


def _connect(paths: Mapping[str, str]) -> None:
    """Bridges, wires, addresses and routes, and everybody's link address."""
    lines = []
    for bridge in SUBNETS:
        lines += ["link add %s address %s type bridge" % (bridge, _HOST_MAC[bridge]), "link set %s up" % bridge]
    for name, path in paths.items():
        device, port, mac, _addresses = _PLACES[name]
        near = "address %s " % _HOST_MAC[WAN] if device == WAN else ""
        lines.append("link add %s %stype veth peer name %s address %s netns %s" % (port, near, _far_end(name), mac, path.split("/")[2]))
        lines.append("link set %s up" % port if device == WAN else "link set %s master %s up" % (port, device))
    batch(lines)
    setting("ipv6/conf/%s/disable_ipv6" % QUIET_BRIDGE, 1)
    for name, path in paths.items():
        with entered(path):
            setting("ipv6/conf/all/disable_ipv6", 1)
            batch(["link set %s up" % _far_end(name)])
    batch(_addressed())
    for family in ("-4", "-6"):
        run("ip", family, "rule", "add", "priority", "100", "lookup", str(_RULED))


def has_vrfs() -> bool:
    """Whether this kernel can; leaves one that nothing is in."""
    return subprocess.run(["ip", "link", "add", VRF, "type", "vrf", "table", str(_TABLE)], stderr=subprocess.DEVNULL, check=False).returncode == 0


def into_a_vrf() -> None:
    """The wire to the outside is in a VRF from now on, with ways from there to the containers and back."""
    for name in ("udp", "tcp", "raw"):
        setting("ipv4/%s_l3mdev_accept" % name, 1)
    setting("ipv6/conf/%s/keep_addr_on_down" % WAN, 1)
    setting("ipv6/conf/all/keep_addr_on_down", 1)
    batch(["link set %s up" % VRF, "link set %s master %s" % (WAN, VRF)])
    setting("ipv4/conf/%s/rp_filter" % VRF, 0)
    batch(_known())
    for bridge, subnets in SUBNETS.items():
        batch("route add %s dev %s table %d" % (subnet, bridge, _TABLE) for subnet in subnets.values())
    batch("route add %s dev %s" % (network, VRF) for network in ("192.0.2.0/24", "2001:db8::/64"))


def _far_end(name: str) -> str:
    return "eth1" if name in _WITHIN else "eth0"


def _addressed() -> Iterator[str]:
    for device, names in _ON_HOST.items():
        for name in names:
            yield "address add %s/%d dev %s" % (ADDRESS[name][4], 24 if device == WAN else 16, device)
            if 6 in ADDRESS[name]:
                yield "address add %s/64 dev %s nodad" % (ADDRESS[name][6], device)
    yield from _known()
    for family in (4, 6):
        yield "route add default via %s dev %s" % (_ROUTER[family], WAN)
        yield "route add %s via %s dev %s" % (ROUTED[family], ADDRESS[PEER][family], DOCKER0)
        # The host's by a routing rule alone.
        yield "route add local %s dev lo table %d" % (ADDRESS["ruled"][family], _RULED)


def _known() -> Iterator[str]:
    """Everybody's link address."""
    for family in (4, 6):
        for device, _port, mac, names in _PLACES.values():
            for name in names:
                if family in ADDRESS[name]:
                    yield "neighbour replace %s lladdr %s dev %s nud permanent" % (ADDRESS[name][family], mac, device)
        yield "neighbour replace %s lladdr %s dev %s nud permanent" % (_ROUTER[family], _PLACES[OUTSIDE][2], WAN)


def batch(lines: Iterable[str]) -> None:
    """ip's commands, all in one process."""
    subprocess.run(["ip", "-batch", "-"], input="".join(line + "\n" for line in lines), text=True, check=True, stdout=subprocess.DEVNULL)


def _packet_socket(kind: int, interface: str, protocol: int = 0) -> socket.socket:
    found = socket.socket(socket.AF_PACKET, kind, socket.htons(protocol))
    found.setsockopt(socket.SOL_SOCKET, 33, _ROOM)  # SO_RCVBUFFORCE
    found.bind((interface, protocol))
    found.settimeout(20)
    return found


def _numbers(family: int) -> list[int]:
    return sorted({*forge.NUMBERS.values(), socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6})


def _ear(family: int, number: int) -> socket.socket:
    """Gets a copy of what the host's own rules have let in, whether or not a service listens."""
    found = socket.socket(forge.AF[family], socket.SOCK_RAW, number)
    found.setsockopt(socket.SOL_SOCKET, 33, _ROOM)
    found.setblocking(False)
    return found


def _member(family: int) -> socket.socket:
    """The host listens to groups, on every one of its interfaces, as name services do."""
    found = socket.socket(forge.AF[family], socket.SOCK_DGRAM)
    for device, names in _ON_HOST.items():
        for name in ("multicast", "routers"):
            group = socket.inet_pton(forge.AF[family], ADDRESS[name][family])
            if family not in SUBNETS.get(device, (4, 6)):
                continue
            if family == 4:
                found.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton(ADDRESS[names[0]][4]))
            else:
                found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + struct.pack("=I", socket.if_nametoindex(device)))
    return found


def _waiting(ear: socket.socket) -> Iterator[Mark]:
    while select.select([ear], [], [], 0)[0]:
        yield from _marks(ear.recv(4000))


def _is_error(data: bytes) -> bool:
    """Whether it is ICMP that carries part of another packet: what was refused was not let in."""
    if data[0] >> 4 == 4:
        return data[9] == socket.IPPROTO_ICMP and data[20] not in (0, 8)
    return data[6] == socket.IPPROTO_ICMPV6 and (data[40] < 128 or data[40] == _REDIRECT)


def _marks(data: bytes) -> list[Mark]:
    return [(int(number, 16), int(step)) for number, step in _MARK.findall(data)]
