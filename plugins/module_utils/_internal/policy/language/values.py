# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The values that a policy's sections are made of: who, which ports, which address."""

from __future__ import annotations

from typing import Dict, FrozenSet, NamedTuple, Optional, Tuple

from ...address import BOTH

ALLOW = "allow"
DENY = "deny"
ICMP = "icmp"
ANY = "any"

# Per family, addresses and networks in the spelling of ipset; a plain address has no prefix length.
Addresses = Dict[int, FrozenSet[str]]


class SetReference(NamedTuple):
    """``@name`` among the sources of an entry."""

    name: str
    path: str


class Sources(NamedTuple):
    """Who: everybody, or what the addresses and sets have together. Nothing at all means nobody."""

    everybody: bool
    addresses: Addresses
    sets: Tuple[SetReference, ...] = ()


class Ports(NamedTuple):
    """One port (both the same) or a range of ports, both ends included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else "%d:%d" % self


class HostAddress(NamedTuple):
    """An address of the host; ``address`` None means every address of the family."""

    family: int
    address: Optional[str]


class Target(NamedTuple):
    """What an entry is about. Two entries about the same target are one entry.

    protocol: tcp, udp, sctp or icmp; on the ways out of containers also any.
    ports: None for every port, and where a protocol has none.
    address: None for every address of both families.
    """

    protocol: str
    ports: Optional[Ports]
    address: Optional[HostAddress] = None

    @property
    def families(self) -> Tuple[int, ...]:
        return BOTH if self.address is None else (self.address.family,)
