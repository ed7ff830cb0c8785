# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse a port to open: the options of container_port, or an entry of a policy's ``open_ports``."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Tuple

from ...address import FAMILIES, IPV4, IPV6
from ...engine.containers.selector import ENGINE_SELECTORS, parse_selector, selector_data
from ...errors import DrawbridgeError
from ...netfilter.rules.fields import families_of
from ..values import check
from ..values.entries import WITH_PORTS, Entry, parse_host_address, parse_ports, parse_sources
from ..values.values import HostAddress, Ports, Sources, Target
from .open_ports import OpenPort

KEYS: check.Keys = {
    **dict.fromkeys(ENGINE_SELECTORS, "selector"), "on_missing": "on_missing", "port": "one_port", "protocol": "protocol", "address": "host_address",
    "container_port": "one_port", "sources": "sources", "masquerade": "boolean", "ip_version": "ip_version",
}
REQUIRED = ("port", "container_port", "sources")
ON_MISSING = ("fail", "ignore")

_UNSPECIFIED = {IPV4: "0.0.0.0", IPV6: "::"}


def parse_open_port(given: Mapping[str, object], path: str = "") -> OpenPort:
    """Parse one port to open. ``path``: where the user wrote it. A key that is None counts as not given. Raises DrawbridgeError."""
    data = {key: value for key, value in given.items() if value is not None}
    for key in REQUIRED:
        if key not in data:
            raise DrawbridgeError("%s is missing" % key, path or None, "sources: [any] lets everybody in" if key == "sources" else None)
    chosen = {key: data[key] for key in ENGINE_SELECTORS if key in data}
    if not chosen:
        raise DrawbridgeError("no container is chosen", path or None, "give one or more of %s" % ", ".join(ENGINE_SELECTORS))
    target = parse_target(data, path)
    return OpenPort(
        entry=Entry(target, _sources(data, path), path),
        selector=parse_selector(chosen, path),
        ignores_missing=check.choice(data.get("on_missing", "fail"), place(path, "on_missing"), ON_MISSING) == "ignore",
        container_port=_one(data["container_port"], place(path, "container_port")).first,
        families=_families(data, target.address, path),
        masquerade=check.boolean(data.get("masquerade", False), place(path, "masquerade")),
    )


def parse_target(data: Mapping[str, object], path: str = "") -> Target:
    """Parse the host's side: one port, its protocol, and the address if one is given."""
    protocol = data.get("protocol", "tcp")
    protocol = check.choice(protocol.lower() if isinstance(protocol, str) else protocol, place(path, "protocol"), WITH_PORTS)
    ports = _one(data["port"], place(path, "port"))
    if data.get("address") is None:
        return Target(protocol, ports)
    address = parse_host_address(data["address"], place(path, "address"))
    if address.address is not None and (address.address == "::1" or address.address.startswith("127.")):
        raise DrawbridgeError("the loopback cannot be led to a container", place(path, "address"), "the host reaches it at its own addresses")
    return Target(protocol, ports, address)


def parse_open_ports(value: object, path: str) -> Tuple[OpenPort, ...]:
    """Parse a policy's list. A container that does not run is no error here: the rest of the policy must not depend on it."""
    found = []
    for index, item in enumerate(check.sequence(value, path)):
        where = "%s[%d]" % (path, index)
        found.append(parse_open_port({"on_missing": "ignore", **check.mapping(item, where, KEYS)}, where))
    return tuple(found)


def open_port_data(port: OpenPort) -> Dict[str, object]:
    """Return the port as users write it in a policy, without ``on_missing``."""
    sources = port.entry.sources
    addresses = sorted(address for family in FAMILIES for address in sources.addresses[family])
    data = {"port": port.number, "protocol": port.target.protocol, "container_port": port.container_port, "masquerade": port.masquerade}
    data["sources"] = ["any"] * sources.everybody + addresses + ["@" + reference.name for reference in sources.sets]
    data["ip_version"] = "both" if len(port.families) > 1 else "ipv%d" % port.families[0]
    if port.target.address is not None:
        data["address"] = port.address or _UNSPECIFIED[port.target.address.family]
    return {**data, **selector_data(port.selector)}


def place(path: str, key: str) -> str:
    return "%s.%s" % (path, key) if path else key


def _one(value: object, path: str) -> Ports:
    ports = parse_ports(value, path)
    if ports.first != ports.last:
        raise DrawbridgeError("%s: one port is opened at a time, not a range" % str(ports), path)
    return ports


def _sources(data: Dict[str, object], path: str) -> Sources:
    return parse_sources(data["sources"], place(path, "sources"))


def _families(data: Dict[str, object], address: Optional[HostAddress], path: str) -> Tuple[int, ...]:
    version = data.get("ip_version", "both")
    families = families_of(version, place(path, "ip_version"))
    if address is None:
        return families
    if address.family not in families:
        raise DrawbridgeError("the address is not of %s" % version, place(path, "address"))
    return (address.family,)
