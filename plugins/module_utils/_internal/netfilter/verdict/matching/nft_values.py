# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Expressions of nftables' rules, made ready to be read from many packets: payload, meta, ct, fib, arithmetic, maps, concatenations. Pure."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ....address import IPV4
from ....host.system.json_values import JsonObject, mapping, text
from ..snapshot.nft_tables import listed
from .address_types import AddressTypes
from .nft_constants import ADDRESS_TYPES, BITS, FAMILY_NUMBERS, NAME, PROTOCOLS, STATES, STATUS, TCP_FLAGS, Unreadable, value
from .nft_sets import Lookup, Part
from .packet import ESTABLISHED, ORIGINAL, WITH_PORTS, Connection, Packet

# A packet's values, one for each dimension, None for one that is not known; None alone for a packet that has no such thing: then the rule does not match.
Values = Optional[Tuple[Part, ...]]
Reader = Callable[[Packet], Values]
# Makes a map's data ready, for values of some kinds.
MapOf = Callable[[object, Sequence[str]], Lookup]
_OPAQUE = "opaque"
_UNKNOWN: Values = (None,)


class Expression(NamedTuple):
    """kinds: of each dimension."""

    kinds: Tuple[str, ...]
    read: Reader


class Expressions:
    """Makes the expressions of one table's rules ready, for packets of one family."""

    def __init__(self, family: int, types: AddressTypes, map_of: MapOf) -> None:
        self._family = family
        self._types = types
        self._map_of = map_of
        self._makers: Dict[str, Callable[[JsonObject], Expression]] = {
            "payload": self._payload, "meta": self._meta, "ct": self._ct, "fib": self._fib, "exthdr": _extension, "ip option": _extension, "map": self._mapped,
        }  # fmt: skip

    def of(self, item: object, kind: str = "number") -> Expression:
        """kind: of a constant."""
        found = mapping(item)
        name = next(iter(found), "")
        inner = found.get(name)
        if name in self._makers and isinstance(inner, dict):
            return self._makers[name](inner)
        if name in _ARITHMETIC and isinstance(inner, list) and len(inner) == 2:
            return self._arithmetic(name, inner)
        if name == "concat" and isinstance(inner, list):
            return _concatenated([self.of(part) for part in inner])
        return _constant(kind, item)

    def _payload(self, item: JsonObject) -> Expression:
        protocol, field = text(item.get("protocol")), text(item.get("field"))
        if protocol in ("ip", "ip6"):
            return self._of_ip(4 if protocol == "ip" else 6, field)
        if protocol in WITH_PORTS or protocol == "th":
            return _of_transport(protocol, field)
        if protocol in ("icmp", "icmpv6"):
            return self._of_icmp(protocol, field)
        if protocol in ("esp", "ah", "comp", "igmp", "gre"):
            return Expression((_OPAQUE,), lambda packet: _UNKNOWN if packet.protocol == protocol or packet.protocol.isdigit() else None)
        return _opaque()

    def _of_ip(self, family: int, field: str) -> Expression:
        if family != self._family:
            return Expression((_OPAQUE,), lambda packet: None)
        address = "ipv4" if family == IPV4 else "ipv6"
        found = {
            "saddr": Expression((address,), lambda packet: (packet.source,)), "daddr": Expression((address,), lambda packet: (packet.destination,)),
            "protocol": _PROTOCOL, "nexthdr": _PROTOCOL, "version": Expression(("number",), lambda packet: (packet.family,)),
        }  # fmt: skip
        return found.get(field, _opaque())

    def _of_icmp(self, protocol: str, field: str) -> Expression:
        if (protocol == "icmp") != (self._family == IPV4):
            return Expression((_OPAQUE,), lambda packet: None)
        place = {"type": 0, "code": 1}.get(field)
        kind = _OPAQUE if place is None else "%s %s" % (protocol, field)
        return Expression((kind,), lambda packet: None if packet.icmp is None else _UNKNOWN if place is None else (packet.icmp[place],))

    def _fib(self, item: JsonObject) -> Expression:
        flags = [text(flag) for flag in listed(item.get("flags"))]
        result = text(item.get("result"))

        def device(packet: Packet) -> str:
            return packet.iif if "iif" in flags else packet.oif if "oif" in flags else ""

        def address(packet: Packet) -> int:
            return packet.destination if "daddr" in flags else packet.source

        if result == "type":
            return Expression(("address type",), lambda packet: (ADDRESS_TYPES.get(self._types.type_of(packet, address(packet), device(packet))),))
        if result in ("oif", "oifname", "check"):
            return Expression(("way",), lambda packet: (self._types.way_to(packet, address(packet), device(packet), "mark" in flags),))
        return _opaque()

    def _meta(self, item: JsonObject) -> Expression:
        key = text(item.get("key"))
        return Expression(("pkttype",), self._packet_type) if key == "pkttype" else _META.get(key, _opaque())

    def _packet_type(self, packet: Packet) -> Values:
        """A frame to a group has an address of a group, and others are for the host."""
        if packet.is_local:
            return _UNKNOWN if packet.iif else (0,)
        kind = "multicast" if packet.destination >> packet.bits - 8 == 0xFF and packet.family != IPV4 else self._types.type_of(packet, packet.destination, "")
        return ({"broadcast": 1, "multicast": 2}.get(kind, 0),)

    def _ct(self, item: JsonObject) -> Expression:
        key, way = text(item.get("key")), item.get("dir")
        if key == "state":
            return Expression(("state",), _state)
        place = {"saddr": 0, "daddr": 1, "proto-src": 2, "proto-dst": 3}.get(key.split(" ")[-1])
        if place is not None and way is not None:
            return self._end(key, place, way in ("original", 0))
        kind, read = _ABOUT_CONNECTION.get(key, (_OPAQUE, _no_part))
        return Expression((kind,), lambda packet: None if packet.connection is None else (read(packet, packet.connection),))

    def _end(self, key: str, place: int, is_original: bool) -> Expression:
        """An end of the connection, in one of its directions."""
        wanted = {"ip": 4, "ip6": 6}.get(key.split(" ")[0], self._family)

        def read(packet: Packet) -> Values:
            if packet.connection is None or wanted != packet.family:
                return None
            ends = packet.connection.origin if is_original else packet.connection.reply
            # Connection tracking keeps other things in the place of ports for protocols that have none.
            return _UNKNOWN if place > 1 and not packet.has_ports else (ends[place],)

        return Expression(("port" if place > 1 else "ipv4" if wanted == IPV4 else "ipv6",), read)

    def _mapped(self, item: JsonObject) -> Expression:
        """A map from a value to a number."""
        key = self.of(item.get("key"))
        lookup = self._map_of(item.get("data"), key.kinds)

        def read(packet: Packet) -> Values:
            values = key.read(packet)
            found = None if values is None else lookup.find(values)
            if found is None or found.holds is False:
                return None
            try:
                return (value("number", found.data),) if found.holds else _UNKNOWN
            except Unreadable:
                return _UNKNOWN

        return Expression(("number",), read)

    def _arithmetic(self, name: str, ends: List[object]) -> Expression:
        left = self.of(ends[0])
        kind = left.kinds[0]
        is_fragment = name == "&" and mapping(mapping(ends[0]).get("payload")).get("field") == "frag-off" and ends[1] == 0x1FFF
        right = self.of(ends[1], kind)
        apply = _ARITHMETIC[name]

        def read(packet: Packet) -> Values:
            one, other = left.read(packet), right.read(packet)
            if one is None or other is None:
                return None
            if is_fragment:
                # Packets are no fragments.
                return (0,)
            if not isinstance(one[0], int) or not isinstance(other[0], int) or kind == "status" and _is_open(packet, name, other[0]):
                return _UNKNOWN
            return (apply(one[0], other[0]) & (1 << BITS.get(kind, 32)) - 1,)

        return Expression(("number",) if is_fragment else left.kinds, read)


_ARITHMETIC: Dict[str, Callable[[int, int], int]] = {
    "&": lambda one, other: one & other, "|": lambda one, other: one | other, "^": lambda one, other: one ^ other,
    "<<": lambda one, other: one << min(max(other, 0), 128), ">>": lambda one, other: one >> max(other, 0),
}  # fmt: skip


def _opaque() -> Expression:
    return Expression((_OPAQUE,), lambda packet: _UNKNOWN)


def _constant(kind: str, item: object) -> Expression:
    try:
        found: Part = value(kind, item)
    except Unreadable:
        found = None
    return Expression((kind,), lambda packet: (found,))


def _concatenated(parts: List[Expression]) -> Expression:
    def read(packet: Packet) -> Values:
        found: List[Part] = []
        for part in parts:
            values = part.read(packet)
            if values is None:
                return None
            found += values
        return tuple(found)

    return Expression(tuple(kind for part in parts for kind in part.kinds), read)


def _number_of(protocol: str) -> Part:
    return int(protocol) if protocol.isdigit() else PROTOCOLS.get(protocol)


_PROTOCOL = Expression(("protocol",), lambda packet: (_number_of(packet.protocol),))


def _of_transport(protocol: str, field: str) -> Expression:
    def has(packet: Packet) -> bool:
        return packet.has_ports if protocol == "th" else packet.protocol == protocol

    def port(packet: Packet, found: Optional[int]) -> Values:
        # Other protocols have other things in the place of ports.
        return (found,) if has(packet) else _UNKNOWN if protocol == "th" else None

    if field == "sport":
        return Expression(("port",), lambda packet: port(packet, packet.sport))
    if field == "dport":
        return Expression(("port",), lambda packet: port(packet, packet.dport))
    if (protocol, field) == ("tcp", "flags"):
        return Expression(("flags",), lambda packet: (sum(TCP_FLAGS[name.lower()] for name in packet.flags),) if has(packet) else None)
    return Expression((_OPAQUE,), lambda packet: _UNKNOWN if has(packet) or protocol == "th" else None)


def _extension(item: JsonObject) -> Expression:
    """Packets have no extension headers, and no options of IPv4. Whether there is one is a number."""
    return Expression((_OPAQUE,), lambda packet: None) if item.get("field") or item.get("offset") else Expression(("number",), lambda packet: (0,))


def _owner(packet: Packet) -> Values:
    """What asks for the packet's socket. One that is passed on has none."""
    return None if packet.hook == "FORWARD" else _UNKNOWN


_META: Dict[str, Expression] = {
    "iifname": Expression((NAME,), lambda packet: (packet.iif,)), "oifname": Expression((NAME,), lambda packet: (packet.oif,)),
    "iif": Expression((NAME,), lambda packet: (packet.iif,)), "oif": Expression((NAME,), lambda packet: (packet.oif,)),
    "l4proto": _PROTOCOL, "mark": Expression(("number",), lambda packet: (packet.mark,)),
    "nfproto": Expression(("family",), lambda packet: (FAMILY_NUMBERS[packet.family],)),
    "protocol": Expression(("ethertype",), lambda packet: (0x0800 if packet.family == IPV4 else 0x86DD,)),
    "skuid": Expression((_OPAQUE,), _owner), "skgid": Expression((_OPAQUE,), _owner), "cgroup": Expression((_OPAQUE,), _owner),
}  # fmt: skip


def _state(packet: Packet) -> Values:
    if packet.connection is None:
        return (STATES["untracked" if packet.is_untracked else "invalid"],)
    return (STATES["established" if packet.connection.state == ESTABLISHED else "new"],)


def _status(packet: Packet, connection: Connection) -> Part:
    """Datagrams are assured only after a while: that is asked apart."""
    is_established = connection.state == ESTABLISHED
    found = STATUS["seen-reply"] | STATUS["confirmed"] if is_established else STATUS["confirmed"] if connection.is_confirmed else 0
    if is_established and packet.protocol == "tcp":
        found |= STATUS["assured"]
    origin = connection.origin
    if connection.destination not in (None, (origin.destination, origin.dport)):
        found |= STATUS["dnat"]
    if connection.source not in (None, (origin.source, origin.sport)):
        found |= STATUS["snat"]
    return found


def _is_open(packet: Packet, name: str, bits: int) -> bool:
    """Whether some of these bits of a connection's status are not known: those that are not modelled, and whether datagrams are assured."""
    known = STATUS["seen-reply"] | STATUS["confirmed"] | STATUS["snat"] | STATUS["dnat"] | (STATUS["assured"] if packet.protocol == "tcp" else 0)
    return name != "&" or bool(bits & ~known)


def _labels(_packet: Packet, connection: Connection) -> Part:
    found = 0
    for label in (label.strip('"') for label in connection.labels):
        # A name's number is in a file of the host.
        if not label.isdigit():
            return None
        found |= 1 << min(int(label), 127)
    return found


def _no_part(_packet: Packet, _connection: Connection) -> Part:
    return None


_ABOUT_CONNECTION: Dict[str, Tuple[str, Callable[[Packet, Connection], Part]]] = {
    "direction": ("direction", lambda packet, connection: 0 if connection.direction == ORIGINAL else 1),
    "mark": ("number", lambda packet, connection: connection.mark), "status": ("status", _status), "label": ("label", _labels),
    "protocol": ("protocol", lambda packet, connection: _number_of(packet.protocol)),
    "l3proto": ("family", lambda packet, connection: FAMILY_NUMBERS[packet.family]),
}  # fmt: skip
