# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The other nodes of a swarm, as far as this host's engine knows them.

A manager knows all nodes. A worker knows the managers, and the nodes that are on the overlay networks that it is on itself; that is every node
where the routing mesh is in use.
"""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence

from ...address import parse_network
from ...errors import DrawbridgeError
from ...host.system.json_values import JsonObject, mapping, objects, text
from ..api.client import Engine, EngineError

_ACTIVE = "active"
# On a worker, which has those only that its own containers are on.
_MAX_NETWORKS = 32


def swarm_nodes(engine: Engine, info: JsonObject, networks: Sequence[JsonObject]) -> Optional[List[str]]:
    """The other nodes' addresses; None where the engine is in a swarm and cannot say.

    networks: as ``/networks`` lists them. Raises EngineUnreachable.
    """
    swarm = mapping(info.get("Swarm"))
    if swarm.get("LocalNodeState") != _ACTIVE:
        return None
    is_manager = swarm.get("ControlAvailable") is True
    texts = [_without_port(item.get("Addr")) for item in objects(swarm.get("RemoteManagers"))]
    try:
        if is_manager:
            # Without a majority of the managers nobody answers this.
            texts += [text for node in engine.nodes() for text in _of_node(node)]
        texts += _peers(engine, networks, is_manager)
    except EngineError:
        return None
    own = frozenset(_address(text(swarm.get("NodeAddr"))))
    return sorted({address for text in texts for address in _address(text)} - own)


def _of_node(node: JsonObject) -> Iterator[str]:
    """What a manager sees a node come from, and what a manager is asked at."""
    yield text(mapping(node.get("Status")).get("Addr"))
    yield _without_port(mapping(node.get("ManagerStatus")).get("Addr"))


def _peers(engine: Engine, networks: Sequence[JsonObject], is_manager: bool) -> List[str]:
    """Who takes part in overlay networks. On a manager the one of the routing mesh says it for all."""
    overlays = [item for item in networks if item.get("Driver") == "overlay" and item.get("Scope") == "swarm"]
    overlays.sort(key=lambda item: item.get("Ingress") is not True)
    if is_manager:
        overlays = [item for item in overlays if item.get("Ingress") is True]
    asked = [engine.network(text(item.get("Id"))) for item in overlays[:_MAX_NETWORKS]]
    return [text(peer.get("IP")) for network in asked for peer in objects(network.get("Peers"))]


def _without_port(value: object) -> str:
    """``192.0.2.1:2377`` and ``[2001:db8::1]:2377``."""
    return text(value).rpartition(":")[0].strip("[]")


def _address(text: str) -> Iterator[str]:
    """The address, unless it is none, or one that says nothing about another host."""
    try:
        network = parse_network(text)
    except DrawbridgeError:
        return
    if network.is_host and not network.address.startswith("127.") and network.address not in ("0.0.0.0", "::", "::1"):
        yield network.address
