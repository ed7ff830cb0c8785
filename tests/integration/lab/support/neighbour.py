# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A container that takes a neighbour's address, to be one who replies: a program for the host's Python, run in the container's namespace.

Arguments: own address, the neighbour's, its port, the port that neighbours may reach. Prints what came of a connection to the neighbour's port.
"""
from __future__ import annotations

import socket
import struct
import sys

own, neighbour, port, open_port = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack("!%dH" % (len(data) // 2), data + b"\0" * (len(data) % 2))[: (len(data) + 1) // 2])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forged_syn() -> bytes:
    """From the neighbour's port to our own."""
    source, target = socket.inet_aton(neighbour), socket.inet_aton(own)
    tcp = struct.pack("!HHIIBBHHH", port, open_port, 1000, 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0, source, target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + tcp


def main() -> None:
    """Forge, then connect."""
    with open("/proc/net/arp", encoding="ascii") as table:
        found = {line.split()[0]: line.split()[3] for line in table.readlines()[1:]}
    hardware = bytes.fromhex(found[neighbour].replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) as wire:
        wire.sendto(forged_syn(), ("eth0", 0x0800, 0, 0, hardware))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.settimeout(3)
        client.bind((own, open_port))
        try:
            client.connect((neighbour, port))
            print("connected")
        except OSError as error:
            print("not connected: %s" % error)


main()
