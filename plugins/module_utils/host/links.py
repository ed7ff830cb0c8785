# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Interfaces of this namespace: which lead into another one, and which are ports of a bridge. The kernel is asked over netlink."""

from __future__ import annotations

import os
import socket
import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..errors import DrawbridgeError

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_GETLINK, _RTM_GETNSID = 18, 90
_REQUEST, _DUMP = 0x1, 0x300
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_LINK_NETNSID = 3, 10, 18, 37
_IFLA_INFO_KIND = 1
# One of a pair, as containers have them; and what nothing comes in by.
_NO_ENTRANCES = (b"veth", b"dummy")
# Not a VRF: rules see its members' packets with both names.
_UPPERS = (b"bridge", b"bond", b"team")
_NETNSA_NSID, _NETNSA_FD = 1, 3
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK_HEAD = 16
_ROOM = 256 * 1024


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
    return [_link(answer) for answer in _ask(_RTM_GETLINK, _REQUEST | _DUMP, bytes(_LINK_HEAD))]


def _link(answer: bytes) -> _Link:
    attributes = dict(_attributes(answer[_LINK_HEAD:]))
    name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
    kind = dict(_attributes(attributes.get(_IFLA_LINKINFO, b""))).get(_IFLA_INFO_KIND, b"").rstrip(b"\0")
    return _Link(answer[4:8], name, kind, attributes.get(_IFLA_MASTER), attributes.get(_IFLA_LINK_NETNSID))


def _number(netns: int) -> Optional[bytes]:
    """The number by which links of this namespace name that one; None where none does."""
    attribute = _ATTRIBUTE.pack(8, _NETNSA_FD) + struct.pack("=i", netns)
    for answer in _ask(_RTM_GETNSID, _REQUEST, bytes(4) + attribute):
        number = dict(_attributes(answer[4:])).get(_NETNSA_NSID)
        if number is not None and struct.unpack("=i", number)[0] >= 0:
            return number
    return None


def _ask(kind: int, flags: int, payload: bytes) -> List[bytes]:
    """One request → the payloads of its answers."""
    answers: List[bytes] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
            kernel.sendto(_HEADER.pack(_HEADER.size + len(payload), kind, flags, 1, 0) + payload, (0, 0))
            while True:
                for answer_kind, body in _messages(kernel.recv(_ROOM)):
                    if answer_kind == _NLMSG_DONE:
                        return answers
                    if answer_kind == _NLMSG_ERROR:
                        code = -struct.unpack_from("=i", body)[0]
                        raise OSError(code, os.strerror(code))
                    answers.append(body)
                if not flags & _DUMP & ~_REQUEST:
                    return answers
    except OSError as error:
        raise DrawbridgeError("the kernel does not tell its interfaces: %s" % error) from None


def _messages(data: bytes) -> Iterator[Tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size : at + length]
        at += (max(length, _HEADER.size) + 3) & ~3


def _attributes(data: bytes) -> Iterator[Tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        # The two highest bits are flags.
        yield kind & 0x3FFF, data[at + _ATTRIBUTE.size : at + length]
        at += (max(length, _ATTRIBUTE.size) + 3) & ~3
