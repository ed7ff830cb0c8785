# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Traffic that rules on published ports cannot filter: no rule about a port of the host ever sees it."""

from __future__ import annotations

from typing import Dict, FrozenSet, List, NamedTuple, Optional

from ...host.system.json_values import JsonObject
from ..api.answers import Container, Network

ROUTED_MODES = ("routed", "nat-unprotected")

_REASONS = {
    "host_network": "uses the host's own network: its ports are services of the host, only host_services judges them",
    "macvlan": "is on the outer network with an address of its own: its packets do not pass the host's netfilter",
    "ipvlan": "is on the outer network with an address of its own: its packets may not pass the host's netfilter",
    "shared_bridge": "has an interface of the host in its bridge: its containers and who comes in there are neighbours on one link",
    "routed": "is reached at the containers' own addresses, without a port of the host: published_ports.routed says by whom",
    "nat-unprotected": "is reached at the containers' own addresses too, at every port, published or not: published_ports.routed says by whom",
    "swarm": "the routing mesh publishes services' ports, which no container lists, and DNATs them in DOCKER-INGRESS",
    "rootless": "the engine runs in a user's namespace: its rules are there, its ports are served by a host process",
}


class Unfiltered(NamedTuple):
    """A network or container that rules on published ports do not filter.

    kind: a key for programs: host_network, macvlan, ipvlan, shared_bridge, routed, nat-unprotected, swarm, rootless.
    network, container: their names, None if the kind has none.
    reason: why, as a text for people.
    """

    kind: str
    network: Optional[str]
    container: Optional[str]
    reason: str


def swarm_active(info: JsonObject) -> bool:
    """Tell whether the engine is in a swarm. True if in doubt (locked, in error, about to join): its ports may be in use."""
    swarm = info.get("Swarm")
    state = swarm.get("LocalNodeState") if isinstance(swarm, dict) else None
    return state not in (None, "", "inactive")


def rootless(info: JsonObject) -> bool:
    """Tell whether the engine runs without root, in its own namespaces."""
    options = info.get("SecurityOptions")
    return isinstance(options, list) and "name=rootless" in options


def escapes(
    info: JsonObject, networks: List[Network], containers: List[Container], shared_bridges: FrozenSet[str] = frozenset()
) -> List[Unfiltered]:
    """Return everything on this host that is not filtered: host-wide items first, then networks with their containers.

    shared_bridges: bridges with ports that are not containers'.
    """
    found: List[Unfiltered] = []
    if swarm_active(info):
        found.append(_escape("swarm"))
    if rootless(info):
        found.append(_escape("rootless"))
    found += [
        _escape("host_network", container=container.name)
        for container in containers
        if _in_host_network(container, containers)
    ]
    for network in networks:
        for kind in _network_kinds(network, shared_bridges):
            found.append(_escape(kind, network=network.name))
            found += [
                _escape(kind, network=network.name, container=container.name)
                for container in containers
                if network.id in container.networks
            ]
    return found


def _network_kinds(network: Network, shared_bridges: FrozenSet[str]) -> List[str]:
    if network.driver in ("macvlan", "ipvlan"):
        return [network.driver]
    if network.bridge in shared_bridges:
        return ["shared_bridge"]
    return sorted({mode for mode in network.gateway_modes.values() if mode in ROUTED_MODES})


def _in_host_network(container: Container, containers: List[Container]) -> bool:
    """Tell whether a container uses the host's network: directly, or through other containers whose network it shares."""
    by_id: Dict[str, Container] = {other.id: other for other in containers}
    current: Optional[Container] = container
    for _step in containers:
        if current is None:
            return False
        if current.network_mode == "host":
            return True
        if not current.network_mode.startswith("container:"):
            return False
        current = by_id.get(current.network_mode[len("container:"):])
    return False


def _escape(kind: str, network: Optional[str] = None, container: Optional[str] = None) -> Unfiltered:
    return Unfiltered(kind, network, container, _REASONS[kind])
