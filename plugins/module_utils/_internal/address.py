# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""IP addresses and networks in the spelling that iptables-save and ipset print.

Kept free of the ``ipaddress`` module: 100,000 entries through it take 320 ms, through inet_pton about a tenth.
"""

from __future__ import annotations

import socket
from typing import NamedTuple, Optional, Tuple

from .errors import DrawbridgeError

IPV4 = 4
IPV6 = 6
FAMILIES = (IPV4, IPV6)
BOTH: Tuple[int, ...] = FAMILIES

_AF = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
_BITS = {IPV4: 32, IPV6: 128}
# ::ffff:0:0/96
_MAPPED_PREFIX = 96
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Network(NamedTuple):
    """A network with its host bits cleared. A plain address has the full prefix length."""

    family: int
    address: str
    prefix: int

    @property
    def is_host(self) -> bool:
        return self.prefix == _BITS[self.family]

    def __str__(self) -> str:
        return "%s/%d" % (self.address, self.prefix)


def parse_network(text: str, path: Optional[str] = None) -> Network:
    """``192.0.2.7``, ``192.0.2.7/24``, ``192.0.2.0/255.255.255.0``, ``2001:db8::/32`` → Network.

    Raises DrawbridgeError for anything else, host names included: they do not resolve in the throwaway namespace and
    mean something else tomorrow.
    """
    address, slash, length = text.partition("/")
    family = IPV6 if ":" in address else IPV4
    try:
        packed = socket.inet_pton(_AF[family], address)
        prefix = _prefix(family, length) if slash else _BITS[family]
    except (OSError, ValueError, UnicodeError):
        raise DrawbridgeError(
            "%s is not an IP address or network" % quoted(text), path, "host names are not accepted in rules"
        ) from None
    if family == IPV6 and prefix >= _MAPPED_PREFIX and packed.startswith(_MAPPED):
        # Logs of programs that listen for both families are full of these.
        raise DrawbridgeError("%s is an IPv4 address written as IPv6, which no packet has" % quoted(text), path, "write it as IPv4")
    return Network(family, socket.inet_ntop(_AF[family], _masked(family, packed, prefix)), prefix)


def _prefix(family: int, length: str) -> int:
    if length.isascii() and length.isdigit():
        prefix = int(length)
        if prefix <= _BITS[family]:
            return prefix
    elif family == IPV4:
        mask = int.from_bytes(socket.inet_pton(socket.AF_INET, length), "big")
        prefix = bin(mask).count("1")
        if mask == (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF:
            return prefix
    raise ValueError(length)


def _masked(family: int, packed: bytes, prefix: int) -> bytes:
    host_bits = _BITS[family] - prefix
    if host_bits == 0:
        return packed
    value = int.from_bytes(packed, "big") >> host_bits << host_bits
    return value.to_bytes(len(packed), "big")


def contains(outer: Network, inner: Network) -> bool:
    """Whether all of ``inner`` is in ``outer``; a network contains itself."""
    if outer.family != inner.family or outer.prefix > inner.prefix:
        return False
    first, last = ends(outer)
    return first <= ends(inner)[0] <= last


def ends(network: Network) -> Tuple[int, int]:
    """Its first and its last address as numbers."""
    first = int.from_bytes(socket.inet_pton(_AF[network.family], network.address), "big")
    return first, first + (1 << _BITS[network.family] - network.prefix) - 1


def in_a_set(network: Network) -> str:
    """As ipset prints it, but for /0 in sets that refuse that: see :func:`halves`."""
    return network.address if network.is_host else str(network)


def number(address: str) -> Tuple[int, int]:
    """An address as a number, and how many bits it has. Raises OSError for what is none."""
    family = IPV6 if ":" in address else IPV4
    return int.from_bytes(socket.inet_pton(_AF[family], address), "big"), _BITS[family]


def halves(network: Network) -> Tuple[str, ...]:
    """The network's entries in a ``hash:net``, which refuses /0: two /1 instead."""
    if network.prefix:
        return (in_a_set(network),)
    return ("0.0.0.0/1", "128.0.0.0/1") if network.family == IPV4 else ("::/1", "8000::/1")


def quoted(text: object) -> str:
    """User data in an error message: one line, bounded, unmistakable."""
    shown = ascii(str(text))
    return shown if len(shown) <= 80 else shown[:76] + "...'"
