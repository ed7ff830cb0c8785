# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A client on a wire: datagrams to the namespace that the test is in, every way that needs no Docker."""
from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from .namespace import entered

Key = TypeVar("Key", bound=Hashable)
HOST = {4: "192.0.2.1", 6: "2001:db8::1"}
SOURCES = {"allowed": {4: "192.0.2.2", 6: "2001:db8::2"}, "denied": {4: "192.0.2.3", 6: "2001:db8::3"}}
DESTINATIONS = {
    "unicast": HOST,
    "second address": {4: "192.0.2.9", 6: "2001:db8::9"},
    "multicast": {4: "224.0.0.251", 6: "ff02::fb"},
    "broadcast": {4: "192.0.2.255"},
    "limited broadcast": {4: "255.255.255.255"},
}
# Seconds until a connection counts as denied: what was lost is sent once more after one.
PATIENCE = 1.3
_EVERY_PROTOCOL = 3
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}
_ECHO = {4: (socket.IPPROTO_ICMP, b"\x08"), 6: (socket.IPPROTO_ICMPV6, b"\x80")}


def ways() -> list[tuple[int, str]]:
    """Family and way of everything that a client sends to."""
    return [(family, way) for way, by_family in DESTINATIONS.items() for family in by_family]


def datagram(who: str, family: int, way: str, port: int) -> str:
    """What a datagram has in it: how it was sent."""
    return "%s IPv%d %s %d" % (who, family, way, port)


def sent(who: str, *ports: int) -> set[str]:
    """What arrives where everything from a client does."""
    return {datagram(who, family, way, port) for family, way in ways() for port in ports}


def unicast(who: str, port: int) -> set[str]:
    """What arrives of that at the host's first addresses."""
    return {datagram(who, family, "unicast", port) for family in HOST}


def ip(*words: str) -> None:
    """Run ip in the namespace that this thread is in."""
    _run("ip", *words)


class Wire:
    """The client at the other end, in a namespace of its own."""

    def __init__(self, pid: int) -> None:
        self.path = "/proc/%d/ns/net" % pid

    def deliver(self, ports: Sequence[int], listen: Callable[[int, int], socket.socket] | None = None) -> set[str]:
        """Send to each port of the host by all ways from both clients → what arrived. listen: makes the listener of a family and a port."""
        with contextlib.ExitStack() as stack:
            listeners = [stack.enter_context((listen or listener)(family, port)) for family in _AF for port in ports]
            tap = stack.enter_context(watched())
            texts = set()
            with entered(self.path):
                for who in SOURCES:
                    for family, way in ways():
                        for port in ports:
                            text = datagram(who, family, way, port)
                            _send(family, SOURCES[who][family], (DESTINATIONS[way][family], port), text)
                            texts.add(text.encode())
            until_judged(tap, texts)
            return received(listeners)

    def at_first_addresses(self, *ports: int) -> set[str]:
        """What of that arrives at the host's first addresses."""
        return self.deliver(ports) & {text for who in SOURCES for port in ports for text in unicast(who, port)}

    def until_it_carries(self) -> None:
        """Wait until each address of the host has answered."""
        with entered(self.path):
            _until_it_carries()

    def answered_pings(self) -> list[int]:
        """Families in which the host answers a ping, with nothing known of any neighbour."""
        _run("ip", "neighbour", "flush", "all")
        with entered(self.path):
            _run("ip", "neighbour", "flush", "all")
            return [family for family in _AF if ping(family, HOST[family])]


@contextlib.contextmanager
def behind() -> Iterator[int]:
    """A process in a new namespace → its id."""
    here = os.readlink("/proc/thread-self/ns/net")
    with subprocess.Popen(["unshare", "--net", "sleep", "120"]) as holder:
        try:
            while os.readlink("/proc/%d/ns/net" % holder.pid) == here:
                time.sleep(0.01)
            yield holder.pid
        finally:
            holder.kill()


@contextlib.contextmanager
def wired() -> Iterator[Wire]:
    """A wire between the namespace that this thread is in and a new one."""
    with behind() as pid:
        _address("host", [HOST, DESTINATIONS["second address"]], pid)
        with entered("/proc/%d/ns/net" % pid):
            _address("client", SOURCES.values())
            _run("ip", "route", "add", "224.0.0.0/4", "dev", "client")
            with open("/proc/sys/net/ipv4/ping_group_range", "w", encoding="ascii") as setting:
                setting.write("0 0")
            _until_it_carries()
        yield Wire(pid)


def _address(interface: str, addresses: Iterable[Mapping[int, str]], peer: int | None = None) -> None:
    """Make this end of the wire, without waiting for duplicate addresses."""
    with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w", encoding="ascii") as setting:
        setting.write("0")
    if peer is not None:
        _run("ip", "link", "add", interface, "type", "veth", "peer", "name", "client", "netns", str(peer))
    for both in addresses:
        _run("ip", "address", "add", both[4] + "/24", "broadcast", "+", "dev", interface)
        _run("ip", "address", "add", both[6] + "/64", "nodad", "dev", interface)
    _run("ip", "link", "set", interface, "up")


def _until_it_carries() -> None:
    """Each address of the host has answered: what is lost from now on, is lost to rules."""
    end = time.monotonic() + 10
    for family in _AF:
        for way in ("unicast", "second address"):
            while not ping(family, DESTINATIONS[way][family]):
                assert time.monotonic() < end, "the wire between the namespaces stays dead"


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def listener(family: int, port: int) -> socket.socket:
    """A UDP socket that takes what comes to a port by every way."""
    found = socket.socket(_AF[family], socket.SOCK_DGRAM)
    group = socket.inet_pton(_AF[family], DESTINATIONS["multicast"][family])
    if family == 4:
        found.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton(HOST[4]))
    else:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        index = socket.if_nametoindex("host").to_bytes(4, sys.byteorder)
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group + index)
    found.bind(("", port))
    return found


def _send(family: int, source: str, destination: tuple[str, int], text: str) -> None:
    with socket.socket(_AF[family], socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"client")
        sender.bind((source, 0))
        sender.sendto(text.encode(), destination)


def watched(interface: str = "host") -> socket.socket:
    """Sees every frame before any rule does. interface: the wire's end."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
    tap.bind((interface, _EVERY_PROTOCOL))
    tap.settimeout(10)
    return tap


def until_judged(tap: socket.socket, sent: Iterable[bytes]) -> None:
    """Each datagram has come to the host: what its rules let through is at a listener now, or is within a blink."""
    missing = set(sent)
    while missing:
        frame, address = tap.recvfrom(2000)
        if address[2] != socket.PACKET_OUTGOING:
            missing = {text for text in missing if not frame.endswith(text)}


def received(listeners: Sequence[socket.socket]) -> set[str]:
    """Until nothing more comes."""
    found: set[str] = set()
    while True:
        ready = select.select(listeners, [], [], 0.05)[0]
        if not ready:
            return found
        found.update(listener.recv(5000).decode(errors="replace") for listener in ready)


def connected(dialling: Mapping[Key, socket.socket]) -> set[Key]:
    """Which of these connections, all begun already without waiting, are made: until for a while none is decided any more."""
    decided: set[Key] = set()
    while len(decided) < len(dialling):
        ready = select.select([], [one for key, one in dialling.items() if key not in decided], [], PATIENCE)[1]
        if not ready:
            break
        decided |= {key for key, one in dialling.items() if one in ready}
    return {key for key in decided if dialling[key].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0}


def arrives(near: socket.socket, far: socket.socket) -> bool:
    """Whether what a connection's client sends comes to the other end."""
    far.settimeout(0.3)
    try:
        near.send(b"y")
        return bool(far.recv(100))
    except OSError:
        return False


def is_reset(near: socket.socket) -> bool:
    """Whether a connection's client is told that it is over."""
    near.settimeout(5)
    try:
        return near.recv(100) == b""
    except ConnectionError:
        return True


def ping(family: int, address: str) -> bool:
    """Whether an address answers this thread's namespace within a second."""
    protocol, echo = _ECHO[family]
    with socket.socket(_AF[family], socket.SOCK_DGRAM, protocol) as sender:
        sender.settimeout(1)
        try:
            sender.sendto(echo + bytes(7), (address, 0))
            return bool(sender.recv(100))
        except OSError:
            return False
