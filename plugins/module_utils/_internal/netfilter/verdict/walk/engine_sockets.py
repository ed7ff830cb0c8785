# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Our table of nftables that closes the engine's own sockets, docker-proxy's among them: it marks what comes to them, and drops what still has the
mark behind iptables' table mangle. policy/blocks/engine_table.py has its text. Pure."""

from __future__ import annotations

from typing import Callable, Optional

from ...rules.ownership import ENGINE_MARK, ENGINE_TABLE
from ..matching.packet import REPLY, Packet
from ..snapshot.foreign_tables import ForeignChain
from .world import World

_MARKING, _CLOSING = "ask", "close"
# The programs of the engine's unit that listen.
_ENGINE = ("docker-proxy", "dockerd")
_OPENING = frozenset(("FIN", "SYN", "RST", "ACK"))


def is_ours(chain: ForeignChain) -> bool:
    return chain.family == "inet" and chain.table == ENGINE_TABLE and chain.name in (_MARKING, _CLOSING)


def marks(chain: ForeignChain, world: World, packet: Packet) -> None:
    """Mark a packet that opens a connection to a socket of the engine."""
    if chain.name != _MARKING or packet.iif == "lo" or not _opens(packet):
        return
    held = _is_engines(world, packet)
    if held is None:
        packet.mark = None
    elif held and packet.mark is not None:
        packet.mark |= ENGINE_MARK


def stops(chain: ForeignChain, world: World, packet: Packet, ask: Callable[[str], bool]) -> bool:
    """Tell whether the table drops a packet: no rule has taken the mark off."""
    held = _is_engines(world, packet) if chain.name == _CLOSING else False
    if held is False or packet.mark is not None and not packet.mark & ENGINE_MARK:
        return False
    if held and packet.mark is not None:
        return True
    return ask("whether the socket is the engine's" if held is None else "whether the packet has the mark 0x%x" % ENGINE_MARK)


def _opens(packet: Packet) -> bool:
    if packet.protocol == "tcp":
        return packet.flags & _OPENING == {"SYN"}
    return packet.protocol == "udp" and (packet.connection is None or packet.connection.direction != REPLY)


def _is_engines(world: World, packet: Packet) -> Optional[bool]:
    """None if it is not known who listens."""
    if packet.dport is None or packet.protocol not in ("tcp", "udp"):
        return False
    if world.listeners is None:
        return None
    found = world.listeners.answering(packet.family, packet.protocol, packet.destination, packet.dport, packet.iif)
    if found is None:
        return False
    return None if not found.process else found.process in _ENGINE
