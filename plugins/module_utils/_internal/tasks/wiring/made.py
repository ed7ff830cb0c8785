# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a task has made, kept on the host for as long as the kernel keeps the things themselves.

The record is in /run, which is empty after a boot, as the named namespaces are. Numbers tell a thing from another one that has got its name since.
"""

from __future__ import annotations

import os
from typing import Dict, List, NamedTuple

from ...host.system.folder import Folder
from ...host.system.json_values import mapping, objects, text
from ...host.system.system import System
from ...persistence.records.records import Record, Records
from .live import Live
from .model import Key, Wiring

FOLDER = "/run/drawbridge-netns"
_MODULE = "netns_network"
# In place of a number: it is about to be made.
_ANY = 0


class Made(NamedTuple):
    """spaces: identity by name, empty where the namespace is about to be made. links: number by place and name, 0 likewise.
    masquerade: whether rules were written. peers: the other ends, where they are known. Numbers cannot tell which interface is whose other end where
    several namespaces have the same numbers, and the kernel never gives an interface another one."""

    spaces: Dict[str, str] = {}
    links: Dict[Key, int] = {}
    masquerade: bool = False
    peers: Dict[Key, Key] = {}

    def has_space(self, live: Live, space: str) -> bool:
        """Return whether the namespace exists and is the one that was made."""
        return space in live and self.spaces.get(space) in ("", live[space].identity)

    def has_link(self, live: Live, key: Key) -> bool:
        """Return whether the interface exists and is the one that was made."""
        place, name = key
        if place and not self.has_space(live, place):
            return False
        return place in live and name in live[place].links and self.links.get(key) in (_ANY, live[place].links[name].number)


class Notebook:
    """The record of one wiring."""

    def __init__(self, system: System, name: str) -> None:
        self._name = name
        self._folder = Folder(FOLDER)
        self._records = Records(FOLDER)
        # Numbers of interfaces begin anew in each network namespace, as when the host is itself a container that started again.
        self._boot = "%s %d" % ((system.read("/proc/sys/kernel/random/boot_id") or "").strip(), os.stat("/proc/thread-self/ns/net").st_ino)

    def read(self) -> Made:
        """Return what was made since the boot."""
        found = self._records.find(_MODULE, self._name)
        if found is None or found.arguments.get("boot") != self._boot:
            return Made()
        spaces = {name: str(identity) for name, identity in mapping(found.arguments.get("spaces")).items()}
        links: Dict[Key, int] = {}
        peers: Dict[Key, Key] = {}
        for item in objects(found.arguments.get("links")):
            key = text(item.get("place")), text(item.get("name"))
            number = item.get("number")
            links[key] = number if isinstance(number, int) else -1
            if "peer" in item:
                peers[key] = text(item.get("peer_place")), text(item.get("peer"))
        return Made(spaces, links, found.arguments.get("masquerade") is True, peers)

    def write(self, made: Made) -> None:
        """Keep the record, or remove it if nothing is left."""
        if made == Made():
            self._records.remove(_MODULE, self._name)
            if not self._folder.names():
                self._folder.discard()
            return
        links: List[Dict[str, object]] = []
        for (place, name), number in made.links.items():
            links.append({"place": place, "name": name, "number": number})
            if (place, name) in made.peers:
                links[-1].update(zip(("peer_place", "peer"), made.peers[(place, name)]))
        self._folder.make()
        arguments = {"boot": self._boot, "spaces": made.spaces, "links": links, "masquerade": made.masquerade}
        self._records.put(Record(_MODULE, self._name, dict(arguments)))


def intended(wiring: Wiring, made: Made) -> Made:
    """Return the record to keep before anything is changed: what was made, and what is about to be. Other ends are those of before."""
    return Made(
        {**made.spaces, **dict.fromkeys(wiring.forwarding, "")},
        {**made.links, **dict.fromkeys(wiring.interfaces, _ANY)},
        made.masquerade or bool(wiring.masquerade),
        made.peers,
    )


def settled(wiring: Wiring, live: Live) -> Made:
    """Return the record of what is there now."""
    spaces = {name: live[name].identity for name in wiring.forwarding if name in live}
    links = {(place, name): live[place].links[name].number for place, name in wiring.interfaces if place in live and name in live[place].links}
    peers = {key: one.peer for key, one in wiring.interfaces.items() if key in links and one.peer is not None}
    return Made(spaces, links, bool(wiring.masquerade), peers)


def places(wiring: Wiring, made: Made) -> List[str]:
    """Return the namespaces to look at."""
    return sorted({*wiring.forwarding, *made.spaces})
