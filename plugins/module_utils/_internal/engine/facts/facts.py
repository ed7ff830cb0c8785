# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The facts about a host that a policy is compiled for."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ...address import FAMILIES, IPV4, IPV6
from ..api.answers import Network, PublishedPort
from .unfiltered_networks import ROUTED_MODES


class Published(NamedTuple):
    """A port of the host that leads into a container. ``address`` None means every address of the family."""

    family: int
    address: Optional[str]
    port: int
    protocol: str


class NetworkFacts(NamedTuple):
    """A Docker bridge network: its name, its interface on the host, and its subnets of both families."""

    name: str
    bridge: str
    subnets: List[str]


class ContainerPort(NamedTuple):
    """A port that a container publishes, not on the loopback only. address, port: the host's, as in Published. container_port: its own."""

    family: int
    address: Optional[str]
    port: int
    protocol: str
    container_port: int


class ContainerFacts(NamedTuple):
    """A running container. ends: pairs of the interface of a bridge network that it is on, and its address there. ports: those that it publishes."""

    name: str
    labels: Dict[str, str]
    ends: List[Tuple[str, str]]
    ports: Tuple[ContainerPort, ...] = ()


class HostFacts(NamedTuple):
    """The engine's view of the host.

    published: published ports, without those on the host's loopback only.
    bridges: the interfaces of Docker's bridge networks.
    closed_bridges: per family, the bridges whose containers are reachable only by published ports: not those with a routed mode.
    subnets: the networks behind bridges, of both families.
    behind: networks that the host routes to containers.
    routed: the subnets whose containers are reachable at their own addresses because of their networks' gateway mode.
    swarm: whether the engine is in a swarm.
    swarm_nodes: the addresses of its other nodes. None if the engine cannot tell: then the kernel's entries stay.
    vrfs: the host's VRFs that have an interface.
    other_tables: whether the host may have addresses by other routing tables than the usual ones: a VRF's, or a routing rule's.
    engine_own: ports that the engine itself listens on.
    engine_cgroup: the cgroup of its unit. The kernel recognises the engine's sockets by it. None if it cannot.
    networks: Docker's bridge networks.
    containers: the running containers.
    foreign_bridges: interfaces with names like Docker's bridges that are not Docker's.
    follows_names: whether the event service follows this engine. Without it entries by containers' names open nothing.
    known: False if the engine could not be asked. Then the rest is empty, and the kernel's entries stay as they are.
    """

    published: List[Published]
    bridges: List[str]
    closed_bridges: Dict[int, List[str]]
    subnets: List[str]
    swarm: bool
    known: bool = True
    networks: Sequence[NetworkFacts] = ()
    containers: Sequence[ContainerFacts] = ()
    foreign_bridges: Sequence[str] = ()
    vrfs: Sequence[str] = ()
    other_tables: bool = False
    routed: Sequence[str] = ()
    behind: Sequence[str] = ()
    swarm_nodes: Optional[Sequence[str]] = ()
    engine_own: Sequence[Published] = ()
    engine_cgroup: Optional[str] = None
    follows_names: bool = True


def unknown_host(swarm: bool) -> HostFacts:
    """Return the facts of a host whose engine could not be asked. The caller finds out or assumes ``swarm``."""
    return HostFacts([], [], {family: [] for family in FAMILIES}, [], swarm, known=False)


def host_facts(networks: List[Network], ports: List[PublishedPort], swarm: bool) -> HostFacts:
    """Build the facts from the engine's answers."""
    facts = HostFacts(
        published=[Published(*port[:4]) for port in ports if not port.loopback],
        bridges=[],
        closed_bridges={family: [] for family in FAMILIES},
        subnets=[],
        swarm=swarm,
        networks=[NetworkFacts(item.name, item.bridge, item.subnets) for item in networks if item.bridge is not None],
    )
    routed: List[str] = []
    for network in networks:
        if network.bridge is None:
            continue
        facts.bridges.append(network.bridge)
        closed = [family for family in FAMILIES if network.gateway_modes.get(family) not in ROUTED_MODES]
        for family in closed:
            facts.closed_bridges[family].append(network.bridge)
        facts.subnets.extend(network.subnets)
        routed += [subnet for subnet in network.subnets if (IPV6 if ":" in subnet else IPV4) not in closed]
    return facts._replace(routed=routed)
