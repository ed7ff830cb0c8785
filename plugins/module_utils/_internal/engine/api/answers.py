# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What an engine's JSON means, as values. Nothing here asks an engine.

Missing and odd fields are met with what is left of the answer: engines of ten years differ in what they leave out.
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
    """What an engine programs the firewall with.

    driver: ``iptables`` or ``nftables`` (engines before 28.1 do not say: they know only iptables).
    firewalld: whether it goes through firewalld.
    """

    driver: str
    firewalld: bool


class Network(NamedTuple):
    """A Docker network.

    bridge: the interface on the host, None for drivers that make none there.
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

    address: of the host, in its shortest spelling; None for every address of the family.
    loopback: published on the host's loopback only.
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
    """A running container: its name, and where its network is.

    network_mode: as the engine spells it: ``default``, ``host``, ``none``, a network's name, ``container:ID``.
    networks: ids of the networks that it is connected to.
    """

    name: str
    id: str
    network_mode: str
    networks: List[str]


def parse_backend(info: JsonObject) -> Backend:
    """From ``/info``."""
    described = mapping(info.get("FirewallBackend"))
    driver, _plus, rest = text(described.get("Driver")).partition("+")
    return Backend(driver or IPTABLES, rest == "firewalld")


def backend_details(info: JsonObject) -> Dict[str, str]:
    """The label and value pairs of ``/info``'s FirewallBackend, for example ``EnableUserlandProxy: "true"``."""
    pairs = mapping(info.get("FirewallBackend")).get("Info")
    if not isinstance(pairs, list):
        return {}
    return {text(pair[0]): text(pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2}


def release(info: JsonObject) -> Tuple[int, ...]:
    """The engine's release from ``/info``: ``20.10.24+dfsg1`` → (20, 10, 24). Empty where it does not say."""
    found = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", text(info.get("ServerVersion")))
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def parse_networks(answer: List[JsonObject], info: JsonObject) -> List[Network]:
    """From ``/networks``, by name, and ``/info``, which tells what an engine of its release makes of their options."""
    # Older engines take every option, and ignore those of gateway modes.
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
    """From ``/containers/json``, by name."""
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
    """The container's own name: a link gives it further ones, ``/other/alias``."""
    names = item.get("Names")
    texts = [text(name) for name in names] if isinstance(names, list) else []
    own = [name for name in texts if name.count("/") == 1] or texts or [text(item.get("Id"))[:12]]
    return own[0].lstrip("/")


def parse_published(answer: List[JsonObject]) -> List[PublishedPort]:
    """The published ports in ``/containers/json``, each once, by family, port and address."""
    found = {port for item in answer for port in _published(item)}
    return sorted(found, key=lambda port: (port.family, port.port, port.protocol, port.address or "", port))


def _published(item: JsonObject) -> List[PublishedPort]:
    ports = item.get("Ports")
    found: List[PublishedPort] = []
    for entry in ports if isinstance(ports, list) else []:
        # No PublicPort: exposed by the image, not published.
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
    """An address that a port is published on → (family, address) each; no address means every one of both families.

    An address that cannot be read counts as every address too: what it means is open, so nothing narrower is safe.
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
