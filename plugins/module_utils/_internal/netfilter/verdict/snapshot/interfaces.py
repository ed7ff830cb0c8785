# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host's interfaces and addresses, from ``ip -j -d address``. Pure."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from ....address import IPV4, IPV6, number
from ....host.system.json_values import JsonObject, mapping, objects, text

_FAMILIES = {"inet": IPV4, "inet6": IPV6}
_NF_CALL = {IPV4: "nf_call_iptables", IPV6: "nf_call_ip6tables"}


class Address(NamedTuple):
    """An address of the host. value: as a number. mask: of its network."""

    family: int
    value: int
    mask: int
    scope: str


class Interface(NamedTuple):
    """kind: the kernel's name for the kind, empty for hardware. master: the bridge, bond or VRF that it belongs to, else empty. nf_calls: the
    families whose bridged packets iptables sees by the bridge's own setting. is_hairpin: whether a bridge sends frames back by this port."""

    name: str
    kind: str
    master: str
    is_loopback: bool
    is_up: bool
    addresses: List[Address]
    nf_calls: List[int]
    is_hairpin: bool


class Interfaces:
    """All interfaces of a host, by name."""

    def __init__(self, found: List[JsonObject]) -> None:
        self.by_name: Dict[str, Interface] = {item.name: item for item in map(_interface, found) if item.name}

    def is_bridge(self, name: str) -> bool:
        return name in self.by_name and self.by_name[name].kind == "bridge"

    def ports_of(self, bridge: str) -> Tuple[str, ...]:
        """Return a bridge's ports; none for another interface."""
        return tuple(item.name for item in self.by_name.values() if item.master == bridge) if self.is_bridge(bridge) else ()

    def hairpins(self, bridge: str) -> List[bool]:
        """Return for each port of a bridge whether frames are sent back by it."""
        return [item.is_hairpin for item in self.by_name.values() if item.master == bridge]

    def vrf_of(self, name: str) -> str:
        """Return the VRF that an interface is, or is a member of, else nothing."""
        names = [name, self.by_name[name].master] if name in self.by_name else []
        return next((item for item in names if item in self.by_name and self.by_name[item].kind == "vrf"), "")

    def is_on_link(self, name: str, family: int, value: int) -> bool:
        """Tell whether an address is in a network of the interface."""
        found = self.by_name.get(name)
        return found is not None and any(item.family == family and item.value & item.mask == value & item.mask for item in found.addresses)

    def primary(self, name: str, family: int, towards: Optional[int] = None) -> Optional[int]:
        """Return the address that the host takes on an interface, by preference one in the network of another address."""
        found = self.by_name.get(name)
        usable = [item for item in found.addresses if item.family == family and item.scope in ("global", "site")] if found is not None else []
        near = [item for item in usable if towards is not None and item.value & item.mask == towards & item.mask]
        return next((item.value for item in (*near, *usable)), None)

    def first(self, name: str, family: int) -> Optional[int]:
        """Return an interface's first address of any scope."""
        found = self.by_name.get(name)
        return next((item.value for item in found.addresses if item.family == family), None) if found is not None else None

    def holds(self, name: str, family: int, value: int) -> bool:
        """Tell whether an address is one of an interface's."""
        found = self.by_name.get(name)
        return found is not None and any(item.family == family and item.value == value for item in found.addresses)


def _interface(item: JsonObject) -> Interface:
    info = mapping(item.get("linkinfo"))
    data = mapping(info.get("info_data"))
    flags = item.get("flags")
    flags = flags if isinstance(flags, list) else []
    return Interface(
        text(item.get("ifname")),
        text(info.get("info_kind")),
        text(item.get("master")),
        "LOOPBACK" in flags,
        "UP" in flags,
        [_address(found) for found in objects(item.get("addr_info")) if text(found.get("family")) in _FAMILIES and text(found.get("local"))],
        [family for family, key in _NF_CALL.items() if data.get(key) == 1],
        mapping(info.get("info_slave_data")).get("hairpin") is True,
    )


def _address(item: JsonObject) -> Address:
    value, bits = number(text(item.get("local")))
    length = item.get("prefixlen")
    length = length if isinstance(length, int) else bits
    return Address(_FAMILIES[text(item.get("family"))], value, (1 << bits) - (1 << bits - length), text(item.get("scope")))
