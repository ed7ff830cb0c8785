# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ports that the engine itself listens on, from its configuration. They are host services, not containers' ports.

The engine's sockets do not tell them: since 28 the engine also opens docker-proxy's sockets.
"""

from __future__ import annotations

import json
from typing import List, Optional, Tuple

from ...address import IPV4, IPV6, parse_network
from ...errors import DrawbridgeError
from ...host.system.json_values import JsonObject, mapping, objects
from ..daemon.process import Daemon
from .facts import Published
from .unfiltered_networks import swarm_active

_HOST_FLAGS = ("-H", "--host", "--metrics-addr")
_HOST_KEYS = ("hosts", "metrics-addr")
_API, _API_TLS, _MANAGER, _GOSSIP, _DATA = 2375, 2376, 2377, 7946, 4789


def own_ports(daemon: Optional[Daemon], info: JsonObject) -> List[Published]:
    """Return the engine's own ports, for each family that they may be open in."""
    found: List[Published] = []
    for address in [] if daemon is None else _addresses(daemon):
        found += _listens(address)
    if swarm_active(info):
        found += _everywhere("tcp", _manager_port(info)) + _everywhere("tcp", _GOSSIP) + _everywhere("udp", _GOSSIP)
        found += _everywhere("udp", _data_port(info))
    return sorted(set(found), key=str)


def _addresses(daemon: Daemon) -> List[str]:
    found: List[str] = []
    words = iter(daemon.cmdline[1:])
    for word in words:
        flag, equals, value = word.partition("=")
        if flag in _HOST_FLAGS:
            found.append(value if equals else next(words, ""))
        elif word.startswith("-H"):
            found.append(word[len("-H"):])
    try:
        config = json.loads(daemon.config or "{}")
    except ValueError:
        config = {}
    for key in _HOST_KEYS if isinstance(config, dict) else ():
        value = config.get(key, [])
        found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
    return found


def _listens(address: str) -> List[Published]:
    scheme, divider, rest = address.partition("://")
    if divider and scheme != "tcp":
        return []
    host, port = _divided(rest if divider else address)
    number = _number(port)
    if number is None:
        return [listener for default in (_API, _API_TLS) for listener in _on(host, default)] if divider and not port else []
    return _on(host, number)


def _divided(text: str) -> Tuple[str, str]:
    text = text.split("/")[0]
    if text.startswith("["):
        host, _bracket, port = text[1:].partition("]")
        return host, port.lstrip(":")
    host, _colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    return host, port


def _on(host: str, port: int) -> List[Published]:
    try:
        network = parse_network(host)
    except DrawbridgeError:
        # A host name, or nothing: it may be any of the host's addresses.
        return _everywhere("tcp", port)
    if host in ("0.0.0.0", "::"):
        return _everywhere("tcp", port)
    return [Published(network.family, host, port, "tcp")]


def _everywhere(protocol: str, port: int) -> List[Published]:
    return [Published(family, None, port, protocol) for family in (IPV4, IPV6)]


def _manager_port(info: JsonObject) -> int:
    swarm = mapping(info.get("Swarm"))
    for manager in objects(swarm.get("RemoteManagers")):
        if manager.get("NodeID") == swarm.get("NodeID"):
            return _number(str(manager.get("Addr", "")).rpartition(":")[2]) or _MANAGER
    return _MANAGER


def _data_port(info: JsonObject) -> int:
    cluster = mapping(mapping(info.get("Swarm")).get("Cluster"))
    return _number(str(cluster.get("DataPathPort") or "")) or _DATA


def _number(text: str) -> Optional[int]:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 65536 else None
