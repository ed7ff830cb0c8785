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
from ...host.system.json_values import mapping
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
    masquerade: whether rules were written."""

    spaces: Dict[str, str] = {}
    links: Dict[Key, int] = {}
    masquerade: bool = False

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
        for place, names in mapping(found.arguments.get("links")).items():
            for name, index in mapping(names).items():
                links[(place, name)] = index if isinstance(index, int) else -1
        return Made(spaces, links, found.arguments.get("masquerade") is True)

    def write(self, made: Made) -> None:
        """Keep the record, or remove it if nothing is left."""
        if made == Made():
            self._records.remove(_MODULE, self._name)
            if not self._folder.names():
                self._folder.discard()
            return
        links: Dict[str, Dict[str, int]] = {}
        for (place, name), index in made.links.items():
            links.setdefault(place, {})[name] = index
        self._folder.make()
        arguments = {"boot": self._boot, "spaces": made.spaces, "links": links, "masquerade": made.masquerade}
        self._records.put(Record(_MODULE, self._name, dict(arguments)))


def intended(wiring: Wiring, made: Made) -> Made:
    """Return the record to keep before anything is changed: what was made, and what is about to be."""
    return Made(
        {**made.spaces, **dict.fromkeys(wiring.forwarding, "")},
        {**made.links, **dict.fromkeys(wiring.interfaces, _ANY)},
        made.masquerade or bool(wiring.masquerade),
    )


def settled(wiring: Wiring, live: Live) -> Made:
    """Return the record of what is there now."""
    spaces = {name: live[name].identity for name in wiring.forwarding if name in live}
    links = {(place, name): live[place].links[name].number for place, name in wiring.interfaces if place in live and name in live[place].links}
    return Made(spaces, links, bool(wiring.masquerade))


def places(wiring: Wiring, made: Made) -> List[str]:
    """Return the namespaces to look at."""
    return sorted({*wiring.forwarding, *made.spaces})
