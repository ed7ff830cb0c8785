# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy as a value: what the user wrote, checked and in one spelling. Who writes what: see docs/guides/policy.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, FrozenSet, NamedTuple, Optional, Tuple

from ..netfilter.model import BOTH
from .choices import Choices

if TYPE_CHECKING:
    # They are made of what is defined here.
    from ..publish.model import OpenPort
    from .egress import Egress
    from .inside import ContainerRules
    from .masquerade import Masquerade

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


class Entry(NamedTuple):
    """Who may reach a target."""

    target: Target
    sources: Sources
    path: str


class PublishedPorts(NamedTuple):
    """Who may reach ports that containers publish.

    default: what holds for ports without an entry; None where it was not stated (then it is deny).
    direct: access from outside to the containers' own addresses; None where it was not stated (then it is deny).
    routed: who may reach containers at their own addresses where their network's mode is routed or nat-unprotected, by the container's port.
    """

    path: str
    default: Optional[str] = None
    direct: Optional[str] = None
    allow: Tuple[Entry, ...] = ()
    routed: Tuple[Entry, ...] = ()

    @property
    def denies(self) -> bool:
        return self.default != ALLOW

    @property
    def closes_direct(self) -> bool:
        return self.direct != ALLOW


class HostServices(NamedTuple):
    """Who may reach services of the host itself.

    default: what holds for services without an entry; None where it was not stated (then it is allow).
    swarm: who reaches the swarm's own ports beside the nodes that the engine knows; None where it was not stated (then nobody).
    """

    path: str
    default: Optional[str] = None
    allow: Tuple[Entry, ...] = ()
    swarm: Optional[Sources] = None

    @property
    def denies(self) -> bool:
        return self.default == DENY


class NamedAddresses(NamedTuple):
    """One of the policy's ``address_sets``."""

    name: str
    addresses: Addresses
    path: str


class Policy(NamedTuple):
    """A host's policy, or one fragment's part of it.

    external_interfaces: empty means every interface but the loopback and the bridges of Docker's networks.
    published_ports, host_services, and the rest: None means that nothing is said about them and they are left untouched.
    """

    address_sets: Dict[str, NamedAddresses]
    external_interfaces: Tuple[str, ...] = ()
    leave_alone: Tuple[str, ...] = ()
    published_ports: Optional[PublishedPorts] = None
    host_services: Optional[HostServices] = None
    forwarding: Optional[Choices] = None
    forward_policy: Optional[Choices] = None
    daemon: Optional[Choices] = None
    masquerade: Optional[Masquerade] = None
    egress: Optional[Egress] = None
    open_ports: Optional[Tuple[OpenPort, ...]] = None
    containers: Optional[Tuple[ContainerRules, ...]] = None


# What a host without a policy is brought to: nothing of ours.
NO_POLICY = Policy({})
