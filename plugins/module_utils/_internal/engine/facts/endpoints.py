# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Labels of running containers and their addresses on bridge networks, from the engine's JSON."""

from __future__ import annotations

import re
from typing import Iterable, List, Mapping, Tuple

from ...address import parse_network
from ...errors import DrawbridgeError
from ...host.system.json_values import JsonObject, mapping
from ..api.answers import Network, container_name, parse_published
from .facts import ContainerFacts, ContainerPort

_ADDRESSES = ("IPAddress", "GlobalIPv6Address")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")


def container_facts(answer: List[JsonObject], networks: List[Network]) -> List[ContainerFacts]:
    """Parse ``/containers/json``. Return the containers by name. A container without a bridge network has no ends."""
    bridges = {network.id: network.bridge for network in networks if network.bridge is not None}
    return sorted((_container(item, bridges) for item in answer), key=lambda container: container.name)


def addresses_of(item: JsonObject, bridges: Mapping[str, str]) -> List[str]:
    """Return a container's addresses on these networks. bridges: interfaces by network id."""
    return [address for _bridge, address in _all_ends(item, bridges)]


def mac_addresses_of(item: JsonObject) -> List[str]:
    """Return the MAC addresses of a container's interfaces."""
    found = [str(mapping(one).get("MacAddress") or "") for one in _attached(item)]
    return [mac for mac in found if _MAC.fullmatch(mac)]


def _container(item: JsonObject, bridges: Mapping[str, str]) -> ContainerFacts:
    labels = {key: str(value) for key, value in mapping(item.get("Labels")).items()}
    ports = tuple(ContainerPort(*port[:4], port.container_port) for port in parse_published([item]) if not port.loopback)
    return ContainerFacts(container_name(item), labels, _all_ends(item, bridges), ports)


def _attached(item: JsonObject) -> Iterable[object]:
    return mapping(mapping(item.get("NetworkSettings")).get("Networks")).values()


def _all_ends(item: JsonObject, bridges: Mapping[str, str]) -> List[Tuple[str, str]]:
    return [end for one in _attached(item) for end in _ends(mapping(one), bridges)]


def _ends(end: JsonObject, bridges: Mapping[str, str]) -> List[Tuple[str, str]]:
    bridge = bridges.get(str(end.get("NetworkID")))
    if bridge is None:
        return []
    return [(bridge, str(end[key])) for key in _ADDRESSES if end.get(key) and _is_address(str(end[key]))]


def _is_address(text: str) -> bool:
    try:
        return parse_network(text).is_host
    except DrawbridgeError:
        return False
