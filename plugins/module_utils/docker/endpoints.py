# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where running containers are: labels, and addresses on bridge networks, from the engine's JSON."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from ..errors import DrawbridgeError
from ..netfilter.address import parse_network
from ..policy.host import ContainerFacts
from .state import JsonObject, Network, container_name

_ADDRESSES = ("IPAddress", "GlobalIPv6Address")


def container_facts(answer: List[JsonObject], networks: List[Network]) -> List[ContainerFacts]:
    """From ``/containers/json``, by name. Containers on no bridge network have no ends."""
    bridges = {network.id: network.bridge for network in networks if network.bridge is not None}
    return sorted((_container(item, bridges) for item in answer), key=lambda container: container.name)


def _container(item: JsonObject, bridges: Dict[str, str]) -> ContainerFacts:
    labels = {key: str(value) for key, value in _mapping(item.get("Labels")).items()}
    attached = _mapping(_mapping(item.get("NetworkSettings")).get("Networks")).values()
    ends = [end for one in attached for end in _ends(_mapping(one), bridges)]
    return ContainerFacts(container_name(item), labels, ends)


def _ends(end: JsonObject, bridges: Dict[str, str]) -> List[Tuple[str, str]]:
    bridge = bridges.get(str(end.get("NetworkID")))
    if bridge is None:
        return []
    return [(bridge, str(end[key])) for key in _ADDRESSES if end.get(key) and _is_address(str(end[key]))]


def _is_address(text: str) -> bool:
    try:
        return parse_network(text).is_host
    except DrawbridgeError:
        return False


def _mapping(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}
