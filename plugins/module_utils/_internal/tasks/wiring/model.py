# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What netns_network asks for, as values: namespaces, interfaces, routes and masquerading."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from ...address import IPV4, IPV6, Network

# The place of what is in the host's own namespace. Other places are names of namespaces.
HOST = ""
# Place and name of an interface.
Key = Tuple[str, str]


class Interface(NamedTuple):
    """An interface that the task makes.

    addresses: with prefix length, spelt as the kernel prints them. mtu: None leaves it to the kernel. bridge: the bridge whose port it is, or empty.
    peer: the other end of its pair; None for a bridge. stp: of a bridge. path: where the user wrote it.
    """

    place: str
    name: str
    addresses: Tuple[str, ...]
    is_up: bool
    mtu: Optional[int]
    bridge: str
    peer: Optional[Key]
    stp: bool
    path: str

    @property
    def key(self) -> Key:
        return self.place, self.name


class Route(NamedTuple):
    """to: a network with prefix length, also for the default route. via: empty for a network on the link itself."""

    family: int
    to: str
    via: str
    dev: str
    metric: int


class Masquerading(NamedTuple):
    """What leaves with a source in this network gets the host's address.

    out_interface: the interface that it leaves by. not_by: or any other than this one.
    """

    source: Network
    out_interface: str
    not_by: str
    path: str


class Wiring(NamedTuple):
    """All that one task makes.

    forwarding: by namespace. interfaces: bridges first, then both ends of each pair. routes: by place, with the path of each.
    """

    name: str
    forwarding: Dict[str, bool] = {}
    interfaces: Dict[Key, Interface] = {}
    routes: Dict[str, Dict[Route, str]] = {}
    masquerade: List[Masquerading] = []
    paths: Dict[str, str] = {}


def said(key: Key) -> str:
    """Return an interface in words."""
    place, name = key
    return name if place == HOST else "%s in %s" % (name, place)


def family_of(address: str) -> int:
    return IPV6 if ":" in address else IPV4
