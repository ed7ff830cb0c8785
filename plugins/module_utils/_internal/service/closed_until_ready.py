# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Closed until ready: drop a container's traffic at its bridge port until its rules are in.

This is an nftables table of the bridge family, with a set of the ports that are ready. Each start of a container makes a port with a new
name, so a ready port tells nothing about the next one.
"""

from __future__ import annotations

import re
from typing import Collection, Dict, FrozenSet, List, Mapping, Optional

from ..engine.api.answers import parse_networks
from ..engine.api.client import Engine, Inspector
from ..engine.containers.select import every_container
from ..engine.containers.target import ContainerGone, held
from ..host.network.links import bridge_ports, ends_into
from ..host.system.system import System
from ..netfilter.kernel.nft_table import Nft
from .partial_engine import Listed, PartialEngine

TABLE = "drawbridge-closed"
# In a swarm, one port of this bridge belongs to the swarm, not to a container.
_NOT_CLOSED = "docker_gwbridge"
_PORT = re.compile(r"veth[A-Za-z0-9_.-]{1,11}")
_QUOTED = re.compile(r'"(veth[^"\s]*)"')
_TEXT = """table bridge {table} {{
  set ready {{
    type ifname
{elements}  }}
  chain from-containers {{
    type filter hook prerouting priority -300; policy accept;
    iifname "veth*" iifname != @ready counter drop
  }}
  chain to-containers {{
    type filter hook postrouting priority -300; policy accept;
    oifname "veth*" oifname != @ready counter drop
  }}
}}
"""


def table_text(ready: Collection[str] = ()) -> str:
    """Return ``nft -f`` input that replaces the table."""
    elements = "    elements = { %s }\n" % _in_a_set(ready) if ready else ""
    return no_table_text() + _TEXT.format(table=TABLE, elements=elements)


def no_table_text() -> str:
    """Return ``nft -f`` input that removes the table, whether or not it exists."""
    return "add table bridge {0}\ndelete table bridge {0}\n".format(TABLE)


class Gate:
    """The table on this host."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._nft = Nft(system)
        self._ready: Optional[FrozenSet[str]] = None

    @property
    def is_there(self) -> bool:
        """Whether the kernel has the table; somebody may have flushed nftables."""
        self._ready = self._read()
        return self._ready is not None

    def take_away(self) -> None:
        """Remove the table, if it exists."""
        if self._nft.is_installed and self.is_there:
            self._nft.load(no_table_text())
            self._ready = None

    @property
    def is_known(self) -> bool:
        """Whether the table existed at the last look."""
        return self._ready is not None

    def namespaces(self, inspector: Inspector, listed: Listed, ids: Collection[str]) -> Dict[str, int]:
        """Return the current namespaces of those containers that run, by their ids."""
        found = every_container(self._system, PartialEngine(inspector, listed, ids))
        return {target.id: target.inode for target in found if target.reason is None and target.inode is not None}

    def open(self, inspector: Inspector, listed: Listed, ready: Mapping[str, int]) -> None:
        """Open the ports of containers that are ready. ready: their namespaces, by id. A container that is in another namespace now
        has started again: it is not ready."""
        ports: List[str] = []
        for target in every_container(self._system, PartialEngine(inspector, listed, ready)):
            if target.reason is not None or ready[target.id] != target.inode:
                continue
            try:
                with held(self._system, target) as netns:
                    ports += ends_into(netns)
            except ContainerGone:
                continue
        self._add(ports)

    def open_others(self, engine: Engine) -> None:
        """Open the ports of bridges that are not Docker's."""
        ready = self._ready or ()
        ports = {name: bridge for name, bridge in bridge_ports().items() if _PORT.fullmatch(name) and name not in ready}
        if not ports:
            return
        # Ask after the ports were read: an engine knows a network before its bridge has a port.
        docker = {network.bridge for network in parse_networks(engine.networks(), {})} - {_NOT_CLOSED}
        self._add([name for name, bridge in ports.items() if bridge not in docker])

    def _add(self, names: Collection[str]) -> None:
        ports = {name for name in names if _PORT.fullmatch(name)}
        held = self._read()
        if held is None:
            self._nft.load(table_text(ports))
        else:
            gone = held.difference(self._system.interfaces())
            changed = (("add", ports - held), ("delete", gone))
            text = "".join("%s element bridge %s ready { %s }\n" % (verb, TABLE, _in_a_set(some)) for verb, some in changed if some)
            if text:
                self._nft.load(text)
        self._ready = self._read()

    def _read(self) -> Optional[FrozenSet[str]]:
        """Return the ports that are ready; None without a table."""
        output = self._system.run([self._system.require("nft", "nftables"), "list", "set", "bridge", TABLE, "ready"])
        return frozenset(_QUOTED.findall(output.stdout)) if output.rc == 0 else None


def _in_a_set(ports: Collection[str]) -> str:
    return ", ".join('"%s"' % port for port in sorted(ports))
