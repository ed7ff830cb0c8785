# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What rules ask of connection tracking, made ready to be asked of many packets. Pure."""

from __future__ import annotations

from typing import Callable, List, Optional

from ...rules.matches import AddressMatch, Match, OneOfMatch, PortMatch, ProtocolMatch, ValueMatch
from .packet import ESTABLISHED, Connection, Ends, Packet

Maybe = Optional[bool]
Predicate = Callable[[Packet], Maybe]

_TUPLES = {"--ctorigsrc": ("origin", 0), "--ctorigdst": ("origin", 1), "--ctreplsrc": ("reply", 0), "--ctrepldst": ("reply", 1)}
_PORTS = {"--ctorigsrcport": ("origin", 2), "--ctorigdstport": ("origin", 3), "--ctreplsrcport": ("reply", 2), "--ctrepldstport": ("reply", 3)}


def tracking_condition(match: Match, asks_state: bool) -> Optional[Predicate]:
    """Return the condition of an option of the modules conntrack and state; None for any other option.

    asks_state: whether the rule asks ``--ctstate``, too: then the kernel does not look at other options of a packet that has no connection.
    """
    if isinstance(match, OneOfMatch) and match.option in ("--ctstate", "--state"):
        return lambda packet: match.holds_any(*_states(packet))
    asked = _about_connection(match)
    if asked is None:
        return None

    def holds(packet: Packet) -> Maybe:
        return asks_state if packet.connection is None else asked(packet, packet.connection)

    return holds


def _about_connection(match: Match) -> Optional[Callable[[Packet, Connection], Maybe]]:
    option = match.option
    if isinstance(match, OneOfMatch) and option == "--ctdir":
        return lambda packet, connection: match.holds_any(connection.direction)
    if isinstance(match, OneOfMatch) and option == "--ctstatus":
        return lambda packet, connection: _has_status(match, packet, connection)
    if isinstance(match, AddressMatch) and option in _TUPLES:
        value, mask, bits = match.masked
        way, place = _TUPLES[option]
        return lambda packet, connection: (packet.bits == bits and (_ends(connection, way)[place] or 0) & mask == value) != match.negated
    if isinstance(match, PortMatch) and option in _PORTS:
        way, place = _PORTS[option]
        return lambda packet, connection: _port_holds(match, packet, _ends(connection, way)[place])
    if isinstance(match, ProtocolMatch) and option == "--ctproto":
        return lambda packet, connection: match.holds(packet.protocol)
    if isinstance(match, ValueMatch) and option == "--ctexpire":
        return lambda packet, connection: None
    return None


def _ends(connection: Connection, way: str) -> Ends:
    return connection.origin if way == "origin" else connection.reply


def _port_holds(match: PortMatch, packet: Packet, port: Optional[int]) -> Maybe:
    # Connection tracking keeps other things in the place of ports for protocols that have none.
    return match.holds(port) if port is not None and packet.has_ports else None


def _states(packet: Packet) -> List[str]:
    connection = packet.connection
    if connection is None:
        return ["UNTRACKED" if packet.is_untracked else "INVALID"]
    translated = [name for name, made in (("DNAT", connection.destination), ("SNAT", connection.source)) if made is not None]
    return [connection.state, *translated]


def _has_status(match: OneOfMatch, packet: Packet, connection: Connection) -> Maybe:
    held = {"SEEN_REPLY", "CONFIRMED"} if connection.state == ESTABLISHED else {"CONFIRMED"} if connection.is_confirmed else set()
    listed = set(match.listed.split(","))
    if not listed & held and "ASSURED" in listed and connection.state == ESTABLISHED:
        # Datagrams are assured only after a while.
        return not match.negated if packet.protocol == "tcp" else None
    return bool(listed & held) != match.negated
