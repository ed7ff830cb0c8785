# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy as a value: what the user wrote, checked and in one spelling. Who writes what: see docs/guides/policy.md."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

from .container_rules import ContainerRules
from .egress import Egress
from .entries import Entry
from .masquerade import Masquerade
from .open_ports import OpenPort
from .settings import Choices
from .values import ALLOW, DENY, Addresses, Sources


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
    unmanaged_interfaces: Tuple[str, ...] = ()
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
