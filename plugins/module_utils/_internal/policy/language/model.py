# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy as a value: checked and normalised. The user's side is described in docs/guides/policy.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Mapping, NamedTuple, Optional, Tuple

from ..feeds.feed import Feed
from ..values.entries import Entry, Zone
from ..values.values import ALLOW, DENY, OBSERVE, Addresses, Sources, names_somebody
from .settings import Choices

if TYPE_CHECKING:
    # Most policies have none of these sections.
    from .container_rules import ContainerRules
    from .egress import Egress, HostEgress
    from .masquerade import Masquerade
    from .open_ports import OpenPort
    from .policy_tests import PolicyTest


class PublishedPorts(NamedTuple):
    """Access to the ports that containers publish.

    default: the verdict for ports without an entry. None means not stated, which is deny.
    direct: access from outside to the containers' own addresses. None means not stated, which is deny.
    routed: access to containers at their own addresses, by the container's port, if their network's mode is routed or nat-unprotected.
    deny: sources that no entry and no default lets in, at published ports and at containers' own addresses. None means not stated: nobody.
    mode: whether to deny, or only to tell what would be denied. None means not stated, which is enforce. An entry's mode holds for its port.
    per_port: whether each entry's port has a line of its own that denies others, with its own counter and log.
    """

    path: str
    default: Optional[str] = None
    direct: Optional[str] = None
    allow: Tuple[Entry, ...] = ()
    routed: Tuple[Entry, ...] = ()
    mode: Optional[str] = None
    per_port: bool = False
    deny: Optional[Sources] = None

    @property
    def observes(self) -> bool:
        return self.mode == OBSERVE

    @property
    def denies(self) -> bool:
        return self.default != ALLOW

    @property
    def limits(self) -> bool:
        """Whether not everybody reaches every port."""
        return self.denies or bool(self.allow) or names_somebody(self.deny)

    @property
    def closes_direct(self) -> bool:
        return self.direct != ALLOW


class HostServices(NamedTuple):
    """Access to services of the host itself.

    default: the verdict for services without an entry. None means not stated, which is allow.
    swarm: sources that reach the swarm's own ports, besides the nodes that the engine knows. None means not stated: no others.
    mode, per_port: as of published ports. deny: sources that no entry and no default lets in. None means not stated: nobody.
    """

    path: str
    default: Optional[str] = None
    allow: Tuple[Entry, ...] = ()
    swarm: Optional[Sources] = None
    mode: Optional[str] = None
    per_port: bool = False
    deny: Optional[Sources] = None

    @property
    def observes(self) -> bool:
        return self.mode == OBSERVE

    @property
    def denies(self) -> bool:
        return self.default == DENY

    @property
    def limits(self) -> bool:
        """Whether not everybody reaches every service."""
        return self.denies or bool(self.allow) or names_somebody(self.deny)


class NamedAddresses(NamedTuple):
    """One of the policy's ``address_sets``. feed: of a set that is fed; None for a list. ends: the times at which members end, by address."""

    name: str
    addresses: Addresses
    path: str
    feed: Optional[Feed] = None
    ends: Mapping[str, str] = {}


class Policy(NamedTuple):
    """A host's policy, or one fragment of a policy.

    external_interfaces: empty means every interface except the loopback and the bridges of Docker's networks.
    published_ports and the fields after it: None means not stated. Drawbridge then leaves that part of the host alone.
    tests: what is to hold once the policy is in force. zones: of a fragment, or of a policy whose entries are not looked up in them yet.
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
    host_egress: Optional[HostEgress] = None
    open_ports: Optional[Tuple[OpenPort, ...]] = None
    containers: Optional[Tuple[ContainerRules, ...]] = None
    log_denied: Optional[Choices] = None
    tests: Tuple[PolicyTest, ...] = ()
    zones: Tuple[Zone, ...] = ()


def entries_of(policy: Policy) -> Tuple[Entry, ...]:
    """Return the entries about published ports and services of the host."""
    ports, services = policy.published_ports, policy.host_services
    return (*(ports.allow + ports.routed if ports is not None else ()), *(services.allow if services is not None else ()))


# The policy of a host without a policy: no rules of ours.
NO_POLICY = Policy({})
