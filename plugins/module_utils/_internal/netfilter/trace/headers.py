# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a packet's own bytes say: its ends, and what tells it from other packets. Pure."""

from __future__ import annotations

from typing import FrozenSet, NamedTuple, Optional, Tuple

from ...address import IPV4, IPV6
from ..verdict.matching.packet import WITH_PORTS, Ends

_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
# Headers of IPv6 that stand before the protocol's own: hop-by-hop, routing, fragment, authentication, destination options.
_FRAGMENT, _AUTHENTICATION = 44, 51
_EXTENSIONS = (0, 43, _FRAGMENT, _AUTHENTICATION, 60)
_ICMP = ("icmp", "ipv6-icmp")


class Header(NamedTuple):
    """A packet's ends and what else rules ask of it. key: stays the same on the packet's way through the host, whatever translates it."""

    family: int
    ends: Ends
    icmp: Optional[Tuple[int, int]]
    flags: FrozenSet[str]
    key: bytes


def read_header(network: bytes, protocol: str, transport: Optional[bytes] = None) -> Optional[Header]:
    """Return the header of a packet that begins with IP's own; None if there are too few bytes.

    protocol: of the flow. transport: the bytes behind IP's header where the kernel gives them apart.
    """
    if not network:
        return None
    family, least = (IPV6, 40) if network[0] >> 4 == IPV6 else (IPV4, 20)
    if len(network) < least:
        return None
    if family == IPV4:
        source, destination, same = network[12:16], network[16:20], network[4:6]
        behind = network[(network[0] & 15) * 4:]
        is_later = bool((network[6] & 0x1F) << 8 | network[7])
    else:
        source, destination, same = network[8:24], network[24:40], network[:4]
        behind, is_later = _behind(network)
    data = b"" if is_later else behind if transport is None else transport
    icmp = (data[0], data[1]) if protocol in _ICMP and len(data) > 1 else None
    ports: Tuple[Optional[int], Optional[int]] = (None, None)
    if protocol in WITH_PORTS and len(data) > 3:
        ports = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    flags = frozenset(name for bit, name in enumerate(_FLAGS) if protocol == "tcp" and len(data) > 13 and data[13] >> bit & 1)
    ends = Ends(int.from_bytes(source, "big"), int.from_bytes(destination, "big"), *ports)
    return Header(family, ends, icmp, flags, same + _same(protocol, data))


def _behind(network: bytes) -> Tuple[bytes, bool]:
    """What stands behind IPv6's headers, and whether it is a fragment that is not the first."""
    kind, at, is_later = network[6], 40, False
    while kind in _EXTENSIONS and at + 8 <= len(network):
        if kind == _FRAGMENT:
            is_later = is_later or int.from_bytes(network[at + 2:at + 4], "big") >> 3 > 0
            size = 8
        else:
            size = (network[at + 1] + 2) * 4 if kind == _AUTHENTICATION else (network[at + 1] + 1) * 8
        kind, at = network[at], at + size
    return network[at:], is_later


def _same(protocol: str, data: bytes) -> bytes:
    """The part that translation leaves alone: ports and checksums are what it changes."""
    if protocol == "tcp":
        return data[4:16]
    if protocol == "udp":
        return data[4:6] + data[8:24]
    return data[:2] + data[4:24]
