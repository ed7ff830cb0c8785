# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""IP addresses and networks in the spelling that iptables-save and ipset print.

This module does not use ``ipaddress``: it takes 320 ms for 100,000 entries, inet_pton about a tenth of that.
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

    Raises DrawbridgeError for anything else. That includes host names: they do not resolve in the throwaway namespace,
    and their addresses can change.
    """
    address, slash, length = text.partition("/")
    family = IPV6 if ":" in address else IPV4
    try:
        packed = socket.inet_pton(_AF[family], address)
        prefix = _prefix(family, length) if slash else _BITS[family]
    except (OSError, ValueError, UnicodeError):
        raise DrawbridgeError(
            "%s is not an IP address or network" % quoted(text), path, "host names are not accepted in rules; a published list can be a feed of address_sets"
        ) from None
    if family == IPV6 and prefix >= _MAPPED_PREFIX and packed.startswith(_MAPPED):
        # Programs that listen for both families write many of these to their logs.
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


_LINK_LOCAL = Network(IPV6, "fe80::", 10)


def contains(outer: Network, inner: Network) -> bool:
    """Tell whether ``outer`` contains all of ``inner``. A network contains itself."""
    if outer.family != inner.family or outer.prefix > inner.prefix:
        return False
    first, last = ends(outer)
    return first <= ends(inner)[0] <= last


def is_link_local(network: Network) -> bool:
    """Tell whether all of it is in fe80::/10. Each link has such addresses of its own, so routes tell of the first link only."""
    return contains(_LINK_LOCAL, network)


def ends(network: Network) -> Tuple[int, int]:
    """Return the network's first and last address as numbers."""
    first = int.from_bytes(socket.inet_pton(_AF[network.family], network.address), "big")
    return first, first + (1 << _BITS[network.family] - network.prefix) - 1


def in_a_set(network: Network) -> str:
    """Return the network as ipset prints it. Some sets refuse /0: see :func:`halves`."""
    return network.address if network.is_host else str(network)


def number(address: str) -> Tuple[int, int]:
    """Return an address as a number, and its number of bits. Raises OSError if the text is not an address."""
    family = IPV6 if ":" in address else IPV4
    return int.from_bytes(socket.inet_pton(_AF[family], address), "big"), _BITS[family]


def halves(network: Network) -> Tuple[str, ...]:
    """Return the network's entries for a ``hash:net`` set. Such a set refuses /0: it gets two /1 instead."""
    if network.prefix:
        return (in_a_set(network),)
    return ("0.0.0.0/1", "128.0.0.0/1") if network.family == IPV4 else ("::/1", "8000::/1")


def quoted(text: object) -> str:
    """Quote user data for an error message: on one line, cut to 80 characters, non-ASCII characters escaped."""
    shown = ascii(str(text))
    return shown if len(shown) <= 80 else shown[:76] + "...'"
