# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""DNAT, SNAT, MASQUERADE, REDIRECT and NETMAP: what they make of a packet and of its connection. Pure."""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional, Tuple

from ....address import IPV4, number
from ...rules.matches import Translation
from ..snapshot.interfaces import Interfaces
from .packet import REPLY, Connection, Packet

DESTINATION, SOURCE = "destination", "source"
# The kind of translation that a hook makes.
HOOK_KINDS = {"PREROUTING": DESTINATION, "OUTPUT": DESTINATION, "INPUT": SOURCE, "POSTROUTING": SOURCE}
# Answers an open question.
Ask = Callable[[str], bool]
# Of more addresses than these each is not followed.
_MOST_ADDRESSES = 8


class Unmodelled(Exception):
    """A translation whose result is not known."""


class _To(NamedTuple):
    """Addresses from first to last, and ports; None where the option names none. base: of ports that are moved by an offset."""

    first: Optional[int]
    last: Optional[int]
    low: Optional[int]
    high: Optional[int]
    base: Optional[int]


def translate(packet: Packet, target: Translation, hook: str, interfaces: Interfaces, ask: Ask) -> str:
    """Decide a connection's translation and change its packet. Returns the change in words. Raises Unmodelled."""
    connection = packet.connection
    if connection is None:
        raise Unmodelled("%s: the packet is not tracked" % target.name)
    kind = HOOK_KINDS[hook]
    if target.name == "NETMAP":
        address: Optional[int] = _netmapped(packet, target.to or "", kind)
        to = _To(None, None, None, None, None)
    else:
        to = _parsed(target)
        address = _address(packet, target, to, hook, interfaces, ask)
    port = packet.dport if kind == DESTINATION else packet.sport
    port = _port(port, to, kind) if packet.has_ports else port
    if address is None:
        raise Unmodelled("%s: the new %s is not known" % (target.name, kind))
    if kind == DESTINATION:
        connection.destination = (address, port)
    else:
        connection.source = (address, port)
    return apply_translation(packet, connection, kind)


def apply_translation(packet: Packet, connection: Connection, kind: str) -> str:
    """Change a packet as its connection's translation says: forth for the direction of the first packet, back for replies."""
    if connection.direction == REPLY:
        return _back(packet, connection, kind)
    place = connection.destination if kind == DESTINATION else connection.source
    if place is None:
        return ""
    return _changed(packet, kind, *place)


def _back(packet: Packet, connection: Connection, kind: str) -> str:
    if kind == DESTINATION and connection.source is not None:
        return _changed(packet, kind, connection.origin.source, connection.origin.sport)
    if kind == SOURCE and connection.destination is not None:
        return _changed(packet, kind, connection.origin.destination, connection.origin.dport)
    return ""


def _changed(packet: Packet, kind: str, address: int, port: Optional[int]) -> str:
    if kind == DESTINATION:
        packet.destination, packet.dport = address, port
    else:
        packet.source, packet.sport = address, port
    return "%s is %s" % (kind, packet.end(address, port))


def _address(packet: Packet, target: Translation, to: _To, hook: str, interfaces: Interfaces, ask: Ask) -> Optional[int]:
    if target.name == "MASQUERADE":
        return _masquerading(packet, interfaces)
    if target.name == "REDIRECT":
        return _own(packet, hook, interfaces)
    if to.first is None or to.last is None:
        return packet.destination if HOOK_KINDS[hook] == DESTINATION else packet.source
    if to.last - to.first >= _MOST_ADDRESSES:
        raise Unmodelled("%s: one of many addresses" % target.name)
    # The kernel chooses by a hash.
    candidates = range(to.first, to.last)
    return next((value for value in candidates if ask("%s takes %s" % (target.name, packet.end(value, None)))), to.last)


def _masquerading(packet: Packet, interfaces: Interfaces) -> Optional[int]:
    """The interface's address. By loopback IPv6 takes the receiver's own, and IPv4 the first one of any interface."""
    found = interfaces.primary(packet.oif, packet.family, packet.destination)
    if found is None and packet.family != IPV4:
        return packet.destination if packet.oif == "lo" else None
    others = (interfaces.primary(name, packet.family) for name in interfaces.by_name)
    return found if found is not None else next((address for address in others if address is not None), None)


def _own(packet: Packet, hook: str, interfaces: Interfaces) -> Optional[int]:
    """REDIRECT's address: the interface's own, or loopback's."""
    if hook == "OUTPUT":
        return number("127.0.0.1" if packet.family == IPV4 else "::1")[0]
    return interfaces.primary(packet.iif, packet.family) or interfaces.first(packet.iif, packet.family)


def _port(port: Optional[int], to: _To, kind: str) -> Optional[int]:
    if to.low is None or to.high is None:
        return port
    if to.base is not None:
        return None if port is None else to.low + port - to.base
    if to.low == to.high or port is not None and to.low <= port <= to.high:
        return to.low if to.low == to.high else port
    # A source's port is any of the range, a destination's is the first.
    return to.low if kind == DESTINATION else None


def _netmapped(packet: Packet, network: str, kind: str) -> int:
    address, _slash, length = network.partition("/")
    value, bits = number(address)
    rest = bits - int(length or bits)
    old = packet.destination if kind == DESTINATION else packet.source
    return value >> rest << rest | old & (1 << rest) - 1


def _parsed(target: Translation) -> _To:
    """``10.0.0.1-10.0.0.3:80-90/8000``, ``[2001:db8::1]:80``, ``:8080``, ``8080-8090``."""
    text = target.to or ""
    if target.name in ("REDIRECT", "MASQUERADE"):
        addresses, ports = "", text
    elif text.startswith("["):
        addresses, _bracket, ports = text[1:].partition("]")
    elif text.count(":") > 1:
        addresses, ports = text, ""
    else:
        addresses, _colon, ports = text.partition(":")
    first, last = _ends(addresses.replace("[", "").replace("]", ""))
    ports, _slash, base = ports.lstrip(":").partition("/")
    low, _dash, high = ports.partition("-")
    return _To(
        number(first)[0] if first else None,
        number(last)[0] if last else None,
        int(low) if low.isdigit() else None,
        int(high or low) if (high or low).isdigit() else None,
        int(base) if base.isdigit() else None,
    )


def _ends(addresses: str) -> Tuple[str, str]:
    first, _dash, last = addresses.partition("-")
    return first, last or first
