# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Packets with any source, made byte by byte, and put on a wire below the sender's own kernel.

Of the standard library alone: the lab sends this text to where its attackers are. Checksums are right: connection tracking takes a
packet with a wrong one for part of no flow, and an attack that fails for that proves nothing.
"""
from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

TCP, ACK, UDP, SCTP, ICMP, ECHO_REPLY = "tcp", "ack", "udp", "sctp", "icmp", "echo reply"
# What a host says before it has an address.
NEIGHBOUR, LISTENER, MEMBERSHIP = "neighbour solicitation", "listener report", "membership report"
AF = {4: socket.AF_INET, 6: socket.AF_INET6}
ETHERTYPE = {4: 0x0800, 6: 0x86DD}
# Left to experiments: no stack takes such a frame for anything.
MARKER = 0x88B5
NUMBERS = {TCP: 6, ACK: 6, UDP: 17, SCTP: 132, MEMBERSHIP: 2}
_ICMP_NUMBER = {4: 1, 6: 58}
_TYPES = {(ICMP, 4): 8, (ECHO_REPLY, 4): 0, (ICMP, 6): 128, (ECHO_REPLY, 6): 129, (NEIGHBOUR, 6): 135, (LISTENER, 6): 143, (MEMBERSHIP, 4): 0x16}
_SYN, _ACK = 2, 16
_INIT, _UNKNOWN_PARAMETER = 1, 0xC00D


class Packet(NamedTuple):
    """What is on a wire. protocol: TCP is a SYN, ACK a segment from amid a connection, SCTP an INIT, ICMP an echo request. ports:
    the sender's and the receiver's; of ICMP the first is the echo's identifier. text: what it carries, in fours of bytes."""

    family: int
    protocol: str
    source: str
    destination: str
    ports: tuple[int, int]
    text: bytes = b""


def packed(packet: Packet) -> bytes:
    """The packet's bytes, from the IP header on."""
    ends = b"".join(socket.inet_pton(AF[packet.family], address) for address in (packet.source, packet.destination))
    body = _BODIES[packet.protocol](packet, ends)
    if packet.family == 6:
        return struct.pack("!IHBB", 6 << 28, len(body), _number(packet), 64) + ends + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, _number(packet), 0) + ends
    return head[:10] + _checksum(head) + head[12:] + body


def link_head(to_mac: str, from_mac: str, ethertype: int) -> bytes:
    """What a frame begins with."""
    return bytes.fromhex((to_mac + from_mac).replace(":", "")) + struct.pack("!H", ethertype)


def _number(packet: Packet) -> int:
    return NUMBERS.get(packet.protocol, _ICMP_NUMBER[packet.family])


def _summed(packet: Packet, ends: bytes, body: bytes, place: int) -> bytes:
    """The body with its checksum in place, over the addresses as well."""
    pseudo = ends + struct.pack("!IHBB", len(body), 0, 0, _number(packet))
    return body[:place] + _checksum(pseudo + body) + body[place + 2:]


def _tcp(packet: Packet, ends: bytes) -> bytes:
    syn = packet.protocol == TCP
    head = struct.pack("!HHIIBBHHH", *packet.ports, 1000, 0 if syn else 2000, 5 << 4, _SYN if syn else _ACK, 8192, 0, 0)
    return _summed(packet, ends, head + packet.text, 16)


def _udp(packet: Packet, ends: bytes) -> bytes:
    return _summed(packet, ends, struct.pack("!HHHH", *packet.ports, 8 + len(packet.text), 0) + packet.text, 6)


def _icmp(packet: Packet, ends: bytes) -> bytes:
    body = struct.pack("!BBHHH", _TYPES[packet.protocol, packet.family], 0, 0, packet.ports[0], 1) + packet.text
    return _summed(packet, ends, body, 2) if packet.family == 6 else body[:2] + _checksum(body) + body[4:]


def _sctp(packet: Packet, _ends: bytes) -> bytes:
    carried = struct.pack("!HH", _UNKNOWN_PARAMETER, 4 + len(packet.text)) + packet.text
    chunk = struct.pack("!BBHIIHHI", _INIT, 0, 20 + len(carried), 0x01020304, 65535, 1, 1, 1) + carried
    head = struct.pack("!HHI", *packet.ports, 0)
    return head + struct.pack("<I", _crc32c(head + bytes(4) + chunk)) + chunk


_BODIES: dict[str, Callable[[Packet, bytes], bytes]] = {
    TCP: _tcp, ACK: _tcp, UDP: _udp, SCTP: _sctp, **dict.fromkeys((ICMP, ECHO_REPLY, NEIGHBOUR, LISTENER, MEMBERSHIP), _icmp)
}


def _checksum(data: bytes) -> bytes:
    """The internet checksum; as the sum of zero means none to UDP, it is written the other way."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", (~total & 0xFFFF) or 0xFFFF)


def _crc_table() -> Iterator[int]:
    for number in range(256):
        for _bit in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
        yield number


_CRC_TABLE = list(_crc_table())


def _crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
