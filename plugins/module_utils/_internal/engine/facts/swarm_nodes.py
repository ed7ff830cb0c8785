# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The other nodes of a swarm that this host's engine knows.

A manager knows all nodes. A worker knows the managers and the nodes on its own overlay networks.
If the routing mesh is in use, that is every node.
"""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence

from ...address import parse_network
from ...errors import DrawbridgeError
from ...host.system.json_values import JsonObject, mapping, objects, text
from ..api.client import Engine, EngineError

_ACTIVE = "active"
# The limit for a worker. It has only the overlay networks of its own containers.
_MAX_NETWORKS = 32


def swarm_nodes(engine: Engine, info: JsonObject, networks: Sequence[JsonObject]) -> Optional[List[str]]:
    """Return the other nodes' addresses, None if the engine cannot tell them.

    networks: the answer to ``/networks``. Raises EngineUnreachable.
    """
    swarm = mapping(info.get("Swarm"))
    if swarm.get("LocalNodeState") != _ACTIVE:
        return None
    is_manager = swarm.get("ControlAvailable") is True
    texts = [_without_port(item.get("Addr")) for item in objects(swarm.get("RemoteManagers"))]
    try:
        if is_manager:
            # This fails if the swarm has no majority of managers.
            texts += [text for node in engine.nodes() for text in _of_node(node)]
        texts += _peers(engine, networks, is_manager)
    except EngineError:
        return None
    own = frozenset(_address(text(swarm.get("NodeAddr"))))
    return sorted({address for text in texts for address in _address(text)} - own)


def _of_node(node: JsonObject) -> Iterator[str]:
    """Yield the address that managers see a node connect from. For a manager, also the address that it listens on."""
    yield text(mapping(node.get("Status")).get("Addr"))
    yield _without_port(mapping(node.get("ManagerStatus")).get("Addr"))


def _peers(engine: Engine, networks: Sequence[JsonObject], is_manager: bool) -> List[str]:
    """Return the addresses of the nodes on overlay networks. On a manager, the routing mesh's network has all of them."""
    overlays = [item for item in networks if item.get("Driver") == "overlay" and item.get("Scope") == "swarm"]
    overlays.sort(key=lambda item: item.get("Ingress") is not True)
    if is_manager:
        overlays = [item for item in overlays if item.get("Ingress") is True]
    asked = [engine.network(text(item.get("Id"))) for item in overlays[:_MAX_NETWORKS]]
    return [text(peer.get("IP")) for network in asked for peer in objects(network.get("Peers"))]


def _without_port(value: object) -> str:
    """Return the address in ``192.0.2.1:2377`` or ``[2001:db8::1]:2377``."""
    return text(value).rpartition(":")[0].strip("[]")


def _address(text: str) -> Iterator[str]:
    """Yield the address. Invalid, loopback and unspecified addresses are left out."""
    try:
        network = parse_network(text)
    except DrawbridgeError:
        return
    if network.is_host and not network.address.startswith("127.") and network.address not in ("0.0.0.0", "::", "::1"):
        yield network.address
