# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the kernel asks of a packet's source when it routes it: martians, and the way back (``rp_filter``). Pure."""

from __future__ import annotations

from typing import Optional

from ....address import IPV4
from ..matching.packet import Packet, spelt
from ..snapshot.routes import Ask, Lookup
from .world import World


def refused_source(world: World, packet: Packet, ask: Ask) -> str:
    """Return why the kernel refuses a packet's addresses, empty if it does not."""
    if packet.iif == "lo":
        return ""
    return _ipv4(world, packet, ask) if packet.family == IPV4 else _ipv6(packet)


def _ipv6(packet: Packet) -> str:
    return "no packet from ::1 or to it comes by %s" % packet.iif if 1 in (packet.source, packet.destination) else ""


def _ipv4(world: World, packet: Packet, ask: Ask) -> str:
    source, address = packet.source, spelt(packet.family, packet.source)
    if source >> 28 == 0xE or source == 0xFFFFFFFF:
        return "%s can be nobody's address" % address
    if 127 in (source >> 24, packet.destination >> 24) and not _is_set(world, packet, "route_localnet", ask):
        return "packets of 127.0.0.0/8 do not come by %s while route_localnet is off" % packet.iif
    mark = packet.mark if _is_set(world, packet, "src_valid_mark", _no) else 0
    back = world.routes.find(Lookup(source, iif="", mark=mark), ask)
    kind = world.routes.local_type(source)
    if kind == "local" and not _is_set(world, packet, "accept_local", ask):
        return "%s is an address of the host itself, and cannot come by %s" % (address, packet.iif)
    if kind == "broadcast" and source:
        return "%s is a broadcast address" % address
    if back is not None and back.device == packet.iif:
        return ""
    strict = _most(world, packet, "rp_filter")
    if strict is None:
        return "rp_filter: the host does not answer %s by %s" % (address, packet.iif) if ask("whether rp_filter of %s is 1" % packet.iif) else ""
    if strict == 1 or strict == 2 and back is None:
        return "rp_filter: the host does not answer %s by %s" % (address, packet.iif)
    return ""


def _is_set(world: World, packet: Packet, name: str, ask: Ask) -> bool:
    value = _most(world, packet, name)
    return bool(value) if value is not None else ask("whether %s of %s is on" % (name, packet.iif))


def _most(world: World, packet: Packet, name: str) -> Optional[int]:
    """Return the larger value of the interface's setting and of that for all."""
    found = [world.setting("net/ipv4/conf/%s/%s" % (scope, name)) for scope in ("all", packet.iif)]
    return None if found[1] is None else max(value for value in found if value is not None)


def _no(_words: str) -> bool:
    return False
