# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Packets that do not show their port where it most often stands, from a client on a wire."""
from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Sequence

from . import wire
from .namespace import entered

SCTP = 132
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}
# From the kernel's in6.h; Python knows them only on some systems.
_HOP_BY_HOP, _DESTINATION_OPTIONS, _FRAGMENT = 54, 59, 44
_PADDING = bytes([0, 0, 1, 4, 0, 0, 0, 0])
_NETWORK = "2001:db8::"
# More than two frames of a wire take.
_LONG = 4000


def shapes() -> list[tuple[int, str]]:
    """Family and shape of everything that ``deliver`` sends."""
    both = [(family, shape) for family in (4, 6) for shape in ("sctp", "fragments")]
    return both + [(6, shape) for shape in ("hop by hop", "destination options", "atomic fragment", "link-local", "anycast")]


def packet(who: str, family: int, shape: str, port: int) -> str:
    """What a packet has at its end: how it was sent."""
    return "%s IPv%d %s %d" % (who, family, shape, port)


def sent(who: str, *ports: int) -> set[str]:
    """What arrives where everything from a client does."""
    return {packet(who, family, shape, port) for family, shape in shapes() for port in ports}


def deliver(client: wire.Wire, ports: Sequence[int], end: str = "host") -> set[str]:
    """Send each shape to each port of the host from both clients → what arrived. end: the wire's, on the host."""
    link_local = _link_local("host")
    _be_a_router()
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(_listener(family, port)) for family in _AF for port in ports]
        listeners += [stack.enter_context(socket.socket(_AF[family], socket.SOCK_RAW, SCTP)) for family in _AF]
        tap = stack.enter_context(wire.watched(end))
        texts = set()
        with entered(client.path):
            for who in wire.SOURCES:
                for family, shape in shapes():
                    for port in ports:
                        text = packet(who, family, shape, port)
                        _SEND[shape](family, wire.SOURCES[who][family], link_local, port, text.encode())
                        texts.add(text.encode())
        wire.until_judged(tap, texts)
        return {text.split("\0")[-1] for text in wire.received(listeners)}


def _be_a_router() -> None:
    with open("/proc/sys/net/ipv6/conf/all/forwarding", "w", encoding="ascii") as setting:
        setting.write("1")


def _link_local(interface: str) -> str:
    with open("/proc/thread-self/net/if_inet6", encoding="ascii") as table:
        rows = [line.split() for line in table]
    found = next(row[0] for row in rows if row[5] == interface and row[3] == "20")
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(found))


def _listener(family: int, port: int) -> socket.socket:
    listener = socket.socket(_AF[family], socket.SOCK_DGRAM)
    if family == 6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(("", port))
    return listener


def _sctp(family: int, source: str, _link_local: str, port: int, text: bytes) -> None:
    with socket.socket(_AF[family], socket.SOCK_RAW, SCTP) as sender:
        sender.bind((source, 0))
        # An INIT chunk's head; the checksum is for the one who would answer.
        sender.sendto(struct.pack("!HHIIBBH", 40000, port, 0, 0, 1, 0, 4) + b"\0" + text, (wire.HOST[family], 0))


def _udp(family: int, source: str, destination: tuple[str, int] | tuple[str, int, int, int], text: bytes, *options: int) -> None:
    with socket.socket(_AF[family], socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"client")
        for option in options:
            sender.setsockopt(socket.IPPROTO_IPV6, option, _PADDING)
        sender.bind((source, 0))
        sender.sendto(text, destination)


def _fragments(family: int, source: str, _link_local: str, port: int, text: bytes) -> None:
    _udp(family, source, (wire.HOST[family], port), b"\0" * (_LONG - len(text)) + text)


def _with_options(option: int) -> Callable[[int, str, str, int, bytes], None]:
    return lambda family, source, _link_local, port, text: _udp(family, source, (wire.HOST[family], port), text, option)


def _to_link_local(family: int, source: str, link_local: str, port: int, text: bytes) -> None:
    _udp(family, source, (link_local, port, 0, socket.if_nametoindex("client")), text)


def _to_anycast(family: int, source: str, _link_local: str, port: int, text: bytes) -> None:
    """The address of whatever router the network has."""
    _udp(family, source, (_NETWORK, port), text)


def _atomic_fragment(_family: int, source: str, _link_local: str, port: int, text: bytes) -> None:
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, wire.HOST[6])
    length = 8 + len(text)
    udp = struct.pack("!HHHH", 40000, port, length, 0)
    udp = udp[:6] + _checksum(ends + struct.pack("!II", length, socket.IPPROTO_UDP) + udp + text)
    head = struct.pack("!IHBB", 6 << 28, 8 + length, _FRAGMENT, 64) + ends
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.sendto(head + struct.pack("!BBHI", socket.IPPROTO_UDP, 0, 0, 7) + udp + text, (wire.HOST[6], 0))


def _checksum(data: bytes) -> bytes:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", (~total & 0xFFFF) or 0xFFFF)


_SEND = {
    "sctp": _sctp,
    "fragments": _fragments,
    "hop by hop": _with_options(_HOP_BY_HOP),
    "destination options": _with_options(_DESTINATION_OPTIONS),
    "atomic fragment": _atomic_fragment,
    "link-local": _to_link_local,
    "anycast": _to_anycast,
}
