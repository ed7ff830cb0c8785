# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Interfaces of this network namespace, from netlink: veth ends into other namespaces, bridge ports, VRF members."""

from __future__ import annotations

import struct
from typing import Dict, List, NamedTuple, Optional, Tuple

from .netlink import ATTRIBUTE, DUMP, REQUEST, ask, attributes

_RTM_GETLINK, _RTM_GETNSID = 18, 90
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_LINK_NETNSID = 3, 10, 18, 37
_IFLA_INFO_KIND = 1
# Containers have veth pairs. No packets come in by a dummy interface.
_NO_ENTRANCES = (b"veth", b"dummy")
# VRFs are not listed here: rules see packets with the names of both the VRF and its member.
_UPPERS = (b"bridge", b"bond", b"team")
_NETNSA_NSID, _NETNSA_FD = 1, 3
_LINK_HEAD = 16


class _Link(NamedTuple):
    """number: the interface number that other links refer to. kind: the kernel's name for the kind, empty for hardware.

    master: the number of the interface that it is a port or member of. netns: the number of the namespace with its other end.
    """

    number: bytes
    name: str
    kind: bytes
    master: Optional[bytes]
    netns: Optional[bytes]


def ends_into(netns: int) -> List[str]:
    """Return the names of interfaces whose other end is in the namespace that is open as ``netns``."""
    # Listing the links makes the kernel assign numbers to their namespaces.
    links = _links()
    number = _number(netns)
    return [link.name for link in links if number is not None and link.netns == number]


def bridge_ports() -> Dict[str, str]:
    """Map the name of each port to its bridge."""
    return _ports(_links())


def entrances() -> Dict[str, str]:
    """Map bridge ports that are not containers' to their bridges: network cards, tunnels, virtual machines."""
    links = _links()
    kinds = {link.name: link.kind for link in links}
    return {name: bridge for name, bridge in _ports(links).items() if kinds[name] not in _NO_ENTRANCES}


def seen_as() -> Dict[str, str]:
    """Map the ports of bridges, bonds and teams to those. Rules see their packets with the name of the bridge, bond or team."""
    return _members(_UPPERS)


def vrf_members() -> Dict[str, str]:
    """Map each interface in a VRF to its VRF."""
    return _members((b"vrf",))


def kinds() -> Dict[str, str]:
    """Map each interface to the kernel's name for its kind, empty for hardware."""
    return {link.name: link.kind.decode("ascii", "replace") for link in _links()}


def vrfs() -> List[str]:
    """Return the VRFs that have an interface."""
    return sorted(set(vrf_members().values()))


def _members(kinds: Tuple[bytes, ...]) -> Dict[str, str]:
    links = _links()
    masters = {link.name for link in links if link.kind in kinds}
    return {name: master for name, master in _ports(links).items() if master in masters}


def _ports(links: List[_Link]) -> Dict[str, str]:
    names = {link.number: link.name for link in links}
    return {link.name: names[link.master] for link in links if link.master is not None and link.master in names}


def _links() -> List[_Link]:
    return [_link(answer) for answer in ask(_RTM_GETLINK, REQUEST | DUMP, bytes(_LINK_HEAD))]


def _link(answer: bytes) -> _Link:
    found = dict(attributes(answer[_LINK_HEAD:]))
    name = found.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
    kind = dict(attributes(found.get(_IFLA_LINKINFO, b""))).get(_IFLA_INFO_KIND, b"").rstrip(b"\0")
    return _Link(answer[4:8], name, kind, found.get(_IFLA_MASTER), found.get(_IFLA_LINK_NETNSID))


def _number(netns: int) -> Optional[bytes]:
    """Return the number that links of this namespace use for that namespace, None if it has no number here."""
    attribute = ATTRIBUTE.pack(8, _NETNSA_FD) + struct.pack("=i", netns)
    for answer in ask(_RTM_GETNSID, REQUEST, bytes(4) + attribute):
        number = dict(attributes(answer[4:])).get(_NETNSA_NSID)
        if number is not None and struct.unpack("=i", number)[0] >= 0:
            return number
    return None
