# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse an engine's JSON into typed values. Nothing here asks an engine.

If fields are missing or odd, the rest of the answer is used: engines of ten years leave out different fields.
"""

from __future__ import annotations

import re
import socket
from typing import Dict, List, NamedTuple, Optional, Tuple

from ...host.system.json_values import JsonObject, mapping, text

IPTABLES = "iptables"
NFTABLES = "nftables"

_BRIDGE_OPTION = "com.docker.network.bridge.name"
_GATEWAY_OPTIONS = {4: "com.docker.network.bridge.gateway_mode_ipv4", 6: "com.docker.network.bridge.gateway_mode_ipv6"}
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}


class Backend(NamedTuple):
    """The firewall backend of an engine.

    driver: ``iptables`` or ``nftables`` (engines before 28.1 do not tell it: they have only iptables).
    firewalld: whether the engine uses firewalld.
    """

    driver: str
    firewalld: bool


class Network(NamedTuple):
    """A Docker network.

    bridge: the interface on the host, None for drivers without one.
    gateway_modes: ``nat``, ``routed``, ``nat-unprotected`` or ``isolated`` per family; empty for other drivers.
    """

    name: str
    id: str
    driver: str
    bridge: Optional[str]
    subnets: List[str]
    internal: bool
    gateway_modes: Dict[int, str]
    options: Dict[str, str]


class PublishedPort(NamedTuple):
    """A port of the host that leads into a container.

    address: the host's address in its shortest spelling, None for every address of the family.
    loopback: whether it is published only on the host's loopback.
    """

    family: int
    address: Optional[str]
    port: int
    protocol: str
    container_name: str
    container_id: str
    container_port: int
    loopback: bool


class Container(NamedTuple):
    """A running container and its networks.

    network_mode: in the engine's spelling: ``default``, ``host``, ``none``, a network's name, ``container:ID``.
    networks: ids of the networks that it is connected to.
    """

    name: str
    id: str
    network_mode: str
    networks: List[str]


def parse_backend(info: JsonObject) -> Backend:
    """Parse ``/info``."""
    described = mapping(info.get("FirewallBackend"))
    driver, _plus, rest = text(described.get("Driver")).partition("+")
    return Backend(driver or IPTABLES, rest == "firewalld")


def backend_details(info: JsonObject) -> Dict[str, str]:
    """Return the label and value pairs of FirewallBackend in ``/info``, for example ``EnableUserlandProxy: "true"``."""
    pairs = mapping(info.get("FirewallBackend")).get("Info")
    if not isinstance(pairs, list):
        return {}
    return {text(pair[0]): text(pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2}


def release(info: JsonObject) -> Tuple[int, ...]:
    """Return the engine's release from ``/info``: ``20.10.24+dfsg1`` → (20, 10, 24). Empty if it is not there."""
    found = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", text(info.get("ServerVersion")))
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def parse_networks(answer: List[JsonObject], info: JsonObject) -> List[Network]:
    """Parse ``/networks``. Return the networks by name. ``/info`` tells the release, and so the options that the engine supports."""
    # Older engines accept any option, but ignore gateway modes.
    has_modes = release(info) >= (27,) or not release(info)
    return sorted(_network(item, has_modes) for item in answer)


def _network(item: JsonObject, has_modes: bool) -> Network:
    name, identity, driver = text(item.get("Name")), text(item.get("Id")), text(item.get("Driver"))
    options = {text(key): text(value) for key, value in mapping(item.get("Options")).items()}
    bridge = None
    gateway_modes: Dict[int, str] = {}
    if driver == "bridge":
        bridge = options.get(_BRIDGE_OPTION) or "br-" + identity[:12]
        modes = options if has_modes else {}
        gateway_modes = {family: modes.get(key) or "nat" for family, key in _GATEWAY_OPTIONS.items()}
    return Network(
        name=name,
        id=identity,
        driver=driver,
        bridge=bridge,
        subnets=_subnets(item),
        internal=item.get("Internal") is True,
        gateway_modes=gateway_modes,
        options=options,
    )


def _subnets(item: JsonObject) -> List[str]:
    configured = mapping(item.get("IPAM")).get("Config")
    if not isinstance(configured, list):
        return []
    return [text(entry["Subnet"]) for entry in configured if isinstance(entry, dict) and entry.get("Subnet")]


def parse_containers(answer: List[JsonObject]) -> List[Container]:
    """Parse ``/containers/json``. Return the containers by name."""
    return sorted(_container(item) for item in answer)


def _container(item: JsonObject) -> Container:
    attached = mapping(mapping(item.get("NetworkSettings")).get("Networks"))
    return Container(
        name=container_name(item),
        id=text(item.get("Id")),
        network_mode=text(mapping(item.get("HostConfig")).get("NetworkMode")),
        networks=sorted(text(mapping(end).get("NetworkID")) for end in attached.values()),
    )


def container_name(item: JsonObject) -> str:
    """Return the container's own name. Links give it additional names, as ``/other/alias``."""
    names = item.get("Names")
    texts = [text(name) for name in names] if isinstance(names, list) else []
    own = [name for name in texts if name.count("/") == 1] or texts or [text(item.get("Id"))[:12]]
    return own[0].lstrip("/")


def parse_published(answer: List[JsonObject]) -> List[PublishedPort]:
    """Return the published ports in ``/containers/json``, without duplicates, sorted by family, port, protocol and address."""
    found = {port for item in answer for port in _published(item)}
    return sorted(found, key=lambda port: (port.family, port.port, port.protocol, port.address or "", port))


def _published(item: JsonObject) -> List[PublishedPort]:
    ports = item.get("Ports")
    found: List[PublishedPort] = []
    for entry in ports if isinstance(ports, list) else []:
        # Without PublicPort, the port is only exposed by the image.
        if not isinstance(entry, dict) or not isinstance(entry.get("PublicPort"), int) or not entry["PublicPort"]:
            continue
        for family, address in host_addresses(text(entry.get("IP"))):
            found.append(
                PublishedPort(
                    family=family,
                    address=address,
                    port=entry["PublicPort"],
                    protocol=text(entry.get("Type")) or "tcp",
                    container_name=container_name(item),
                    container_id=text(item.get("Id")),
                    container_port=_number(entry.get("PrivatePort")),
                    loopback=address is not None and (address == "::1" or address.startswith("127.")),
                )
            )
    return found


def host_addresses(text: str) -> List[Tuple[int, Optional[str]]]:
    """Turn the address that a port is published on into (family, address) pairs. Empty text means every address of both families.

    An invalid address counts as every address too: its meaning is unknown, so nothing narrower is safe.
    """
    for family, af in _AF.items():
        try:
            # A link-local address may name its interface: fe80::1%eth0.
            address = socket.inet_ntop(af, socket.inet_pton(af, text.partition("%")[0]))
        except (OSError, ValueError):
            continue
        return [(family, None if address in ("0.0.0.0", "::") else address)]
    return [(4, None), (6, None)]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
