# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Interfaces of this namespace: which lead into another one, and which are ports of a bridge. The kernel is asked over netlink."""

from __future__ import annotations

import struct
from typing import Dict, List, NamedTuple, Optional, Tuple

from .netlink import ATTRIBUTE, DUMP, REQUEST, ask, attributes

_RTM_GETLINK, _RTM_GETNSID = 18, 90
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_LINK_NETNSID = 3, 10, 18, 37
_IFLA_INFO_KIND = 1
# One of a pair, as containers have them; and what nothing comes in by.
_NO_ENTRANCES = (b"veth", b"dummy")
# Not a VRF: rules see its members' packets with both names.
_UPPERS = (b"bridge", b"bond", b"team")
_NETNSA_NSID, _NETNSA_FD = 1, 3
_LINK_HEAD = 16


class _Link(NamedTuple):
    """number: as other links name it. kind: the kernel's word, empty for hardware. master: the number of the bridge that it is a
    port of. netns: of the namespace that its other end is in."""

    number: bytes
    name: str
    kind: bytes
    master: Optional[bytes]
    netns: Optional[bytes]


def ends_into(netns: int) -> List[str]:
    """The names of interfaces whose other end is in the namespace that is open as ``netns``."""
    # The list makes the kernel number the namespaces that are in it.
    links = _links()
    number = _number(netns)
    return [link.name for link in links if number is not None and link.netns == number]


def bridge_ports() -> Dict[str, str]:
    """Each port's name, and its bridge's."""
    return _ports(_links())


def entrances() -> Dict[str, str]:
    """The ports by which others than containers come into a bridge: a network card, a tunnel, a virtual machine's. Each one's name, and
    its bridge's."""
    links = _links()
    kinds = {link.name: link.kind for link in links}
    return {name: bridge for name, bridge in _ports(links).items() if kinds[name] not in _NO_ENTRANCES}


def seen_as() -> Dict[str, str]:
    """Interfaces whose packets count as another one's: ports of a bridge, members of a bond. Each one's name, and the other's."""
    return _members(_UPPERS)


def vrf_members() -> Dict[str, str]:
    """Interfaces in a VRF. Each one's name, and the VRF's."""
    return _members((b"vrf",))


def kinds() -> Dict[str, str]:
    """What the kernel calls each interface's kind; empty for hardware."""
    return {link.name: link.kind.decode("ascii", "replace") for link in _links()}


def vrfs() -> List[str]:
    """The VRFs that have an interface."""
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
    """The number by which links of this namespace name that one; None where none does."""
    attribute = ATTRIBUTE.pack(8, _NETNSA_FD) + struct.pack("=i", netns)
    for answer in ask(_RTM_GETNSID, REQUEST, bytes(4) + attribute):
        number = dict(attributes(answer[4:])).get(_NETNSA_NSID)
        if number is not None and struct.unpack("=i", number)[0] >= 0:
            return number
    return None
