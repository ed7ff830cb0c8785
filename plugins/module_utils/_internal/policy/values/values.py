# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The values in a policy's sections: sources, ports, addresses."""

from __future__ import annotations

from typing import Dict, FrozenSet, NamedTuple, Optional, Tuple

from ...address import BOTH

ALLOW = "allow"
DENY = "deny"
ENFORCE = "enforce"
OBSERVE = "observe"
MODES = (ENFORCE, OBSERVE)
ICMP = "icmp"
ANY = "any"

# Per family: addresses and networks as ipset spells them. A plain address has no prefix length.
Addresses = Dict[int, FrozenSet[str]]


class SetReference(NamedTuple):
    """An ``@name`` among the sources of an entry."""

    name: str
    path: str


class NamedInterface(NamedTuple):
    """An interface that an entry or a zone names, with or without ``+`` for any ending."""

    name: str
    path: str


class ZoneReference(NamedTuple):
    """A zone that an entry names."""

    name: str
    path: str


class Sources(NamedTuple):
    """Everybody, or the addresses and sets together. No address and no set means nobody."""

    everybody: bool
    addresses: Addresses
    sets: Tuple[SetReference, ...] = ()


EVERYBODY = Sources(True, {family: frozenset() for family in BOTH})
NOBODY = Sources(False, {family: frozenset() for family in BOTH})


def names_somebody(sources: Optional[Sources]) -> bool:
    """Whether there are sources, and not an empty list of them."""
    return sources is not None and (sources.everybody or bool(sources.sets) or any(sources.addresses.values()))


class Ports(NamedTuple):
    """One port (first and last are the same), or a range including both ends."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else "%d:%d" % self


class HostAddress(NamedTuple):
    """An address of the host. ``address`` None means every address of the family."""

    family: int
    address: Optional[str]


class Chosen(NamedTuple):
    """Containers that an entry names. kind: the entry's key. value: the name, the label as ``key`` or ``key=value``, the project as ``project`` or
    ``project/service``."""

    kind: str
    value: str


class Target(NamedTuple):
    """The service that an entry is about. Entries with the same target are merged into one.

    protocol: tcp, udp, sctp or icmp; in egress also any.
    ports: None means every port, or a protocol without ports.
    address: None means every address of both families.
    chosen: whose port it is: ports is then the containers' one port, and the host's is what the engine gave it. None for ports of the host.
    """

    protocol: str
    ports: Optional[Ports]
    address: Optional[HostAddress] = None
    chosen: Optional[Chosen] = None

    @property
    def families(self) -> Tuple[int, ...]:
        return BOTH if self.address is None else (self.address.family,)
