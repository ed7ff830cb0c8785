# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be reached on a host: published ports, the containers' own addresses behind them, and services of the host. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...address import IPV4
from ...engine.api.answers import PublishedPort
from ...engine.facts.facts import ContainerFacts
from ...netfilter.verdict.matching.packet import spelt
from ...netfilter.verdict.snapshot.sockets import Listener

PUBLISHED, DIRECT, SERVICE = "published", "direct", "service"
PROXY = "docker-proxy"
FAMILY_NAME = {4: "ipv4", 6: "ipv6"}


class Target(NamedTuple):
    """kind: published, direct (a container's own address) or service. address: None for every address of the host.
    name: of the container, or of the process. container_port: of published ports. port_of: the published port, of published targets."""

    kind: str
    family: int
    address: Optional[str]
    port: int
    protocol: str
    name: str
    container_port: Optional[int] = None
    is_loopback: bool = False
    port_of: Optional[PublishedPort] = None

    @property
    def place(self) -> str:
        """``192.0.2.7:8080/tcp``"""
        address = self.address or ("0.0.0.0" if self.family == IPV4 else "::")
        return "%s:%d/%s" % (address if self.family == IPV4 else "[%s]" % address, self.port, self.protocol)

    @property
    def words(self) -> str:
        """``ipv4 192.0.2.7:8080/tcp (web)``"""
        return "%s %s%s" % (FAMILY_NAME[self.family], self.place, " (%s)" % self.name if self.name else "")

    @property
    def shown(self) -> Dict[str, object]:
        return {
            "kind": self.kind, "family": FAMILY_NAME[self.family], "address": self.address, "port": self.port, "protocol": self.protocol,
            "name": self.name, "container_port": self.container_port, "loopback": self.is_loopback,
        }  # fmt: skip


def targets_of(published: Sequence[PublishedPort], containers: Iterable[ContainerFacts], listeners: Iterable[Listener]) -> List[Target]:
    """Return the targets: published ports, then the same at the containers' addresses, then services of the host."""
    ends = {container.name: [address for _bridge, address in container.ends] for container in containers}
    services = [target for listener in listeners for target in _services(listener, published)]
    return [*map(_published, published), *_direct(published, ends), *sorted(dict.fromkeys(services), key=_order)]


def _published(port: PublishedPort) -> Target:
    return Target(PUBLISHED, port.family, port.address, port.port, port.protocol, port.container_name, port.container_port, port.loopback, port)


def _direct(published: Iterable[PublishedPort], ends: Mapping[str, Sequence[str]]) -> List[Target]:
    found: Dict[Target, None] = {}
    for port in published:
        for address in ends.get(port.container_name, ()):
            family = 6 if ":" in address else IPV4
            found[Target(DIRECT, family, address, port.container_port, port.protocol, port.container_name, port.container_port)] = None
    return list(found)


def _services(listener: Listener, published: Iterable[PublishedPort]) -> List[Target]:
    """Return the listener's targets, one for each family; none if only the host itself reaches it, or if it serves a published port."""
    found = [
        Target(SERVICE, family, None if listener.address is None else spelt(family, listener.address), listener.port, listener.protocol, listener.process)
        for family in listener.families if listener.address is None or not _is_own(family, listener.address)
    ]
    taken = {(port.family, port.address, port.port, port.protocol) for port in published}
    return [target for target in found if target[1:5] not in taken]


def _is_own(family: int, address: int) -> bool:
    """Whether an address is the loopback's, or one of a link, which means nothing without its interface."""
    if family == IPV4:
        return address >> 24 == 127
    return address == 1 or address >> 118 == 0xFE80 >> 6


def _order(target: Target) -> Tuple[int, int, str, str, str]:
    return target.family, target.port, target.protocol, target.address or "", target.name
