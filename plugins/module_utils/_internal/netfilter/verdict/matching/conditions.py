# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The matches of a rule, made ready to be asked of many packets: each becomes a function that says yes, no, or that it is not known. Pure."""

from __future__ import annotations

from functools import singledispatch
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple

from ....address import IPV4, number
from ...rules.matches import (
    AddressMatch,
    FlagMatch,
    InterfaceMatch,
    MarkMatch,
    Match,
    Module,
    OneOfMatch,
    PortMatch,
    ProtocolMatch,
    RangeMatch,
    SetMatch,
    TcpFlagsMatch,
    Unknown,
    ValueMatch,
    holds_below_limit,
)
from ...rules.saved_rule import SavedRule
from ..snapshot.sets import Sets
from .address_types import AddressTypes
from .packet import Packet
from .tracking_conditions import Maybe, Predicate, tracking_condition

_ALL_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
# Options that change another one, which looks for them itself.
_MODIFIERS = ("--return-nomatch", "--limit-iface-in", "--limit-iface-out", "--loose", "--validmark", "--accept-local", "--invert", "--limit", "--limit-burst")
# Matches that ask for no more than the packet itself: the same question has the same answer in every rule.
_ABOUT_PACKET = (AddressMatch, InterfaceMatch, MarkMatch, OneOfMatch, PortMatch, ProtocolMatch, RangeMatch, SetMatch, ValueMatch)
_ICMP_NAMES: Dict[int, Dict[str, Tuple[int, Optional[int]]]] = {
    4: {"echo-reply": (0, None), "destination-unreachable": (3, None), "redirect": (5, None), "echo-request": (8, None), "time-exceeded": (11, None),
        "parameter-problem": (12, None), "timestamp-request": (13, None), "timestamp-reply": (14, None), "any": (255, None),
        "fragmentation-needed": (3, 4), "port-unreachable": (3, 3), "host-unreachable": (3, 1), "network-unreachable": (3, 0)},
    6: {"destination-unreachable": (1, None), "packet-too-big": (2, None), "time-exceeded": (3, None), "parameter-problem": (4, None),
        "echo-request": (128, None), "echo-reply": (129, None), "router-solicitation": (133, None), "router-advertisement": (134, None),
        "neighbour-solicitation": (135, None), "neighbour-advertisement": (136, None), "neighbor-solicitation": (135, None),
        "neighbor-advertisement": (136, None), "redirect": (137, None)},
}  # fmt: skip


class Condition(NamedTuple):
    """key: questions about conditions of the same key have one answer; empty if each rule is a question of its own."""

    holds: Predicate
    words: str
    key: str


class Conditions:
    """Makes the conditions of one family's rules."""

    def __init__(self, sets: Sets, types: AddressTypes) -> None:
        self._sets = sets
        self._types = types

    def of(self, rule: SavedRule) -> List[Condition]:
        """Return the conditions in the order in which they cost least."""
        found = []
        with_state = _with_state(rule)
        for place, match in enumerate(rule.asks):
            if isinstance(match, (FlagMatch, ValueMatch)) and match.option in _MODIFIERS:
                continue
            following = rule.asks[place + 1: place + 2]
            holds = tracking_condition(match, id(match) in with_state) or self._condition(match, following, rule)
            positive = " ".join(word for word in match.words if word != "!")
            found.append(Condition(holds, " ".join(match.words), positive if isinstance(match, _ABOUT_PACKET) else ""))
        return sorted(found, key=lambda condition: condition.words.startswith(("--match-set", "! --match-set", "-m")))

    def _condition(self, match: Match, following: Sequence[Match], rule: SavedRule) -> Predicate:
        made = _by_type(match)
        if made is not None:
            return made
        if isinstance(match, SetMatch):
            return self._in_set(match, FlagMatch("--return-nomatch") in following)
        if isinstance(match, OneOfMatch) and match.option in ("--src-type", "--dst-type"):
            return self._types.condition(match, [item.option for item in rule.asks if isinstance(item, FlagMatch)])
        if isinstance(match, FlagMatch) and match.option == "--set" or isinstance(match, ValueMatch) and match.option == "--label":
            return _label(match, FlagMatch("--set") in following)
        if isinstance(match, Module) and match.name == "rpfilter":
            return self._types.reverse_path([item.option for item in rule.asks if isinstance(item, FlagMatch)])
        return _rest(match)

    def _in_set(self, match: SetMatch, nomatch_counts: bool) -> Predicate:
        sides, sets = match.sides.split(","), self._sets

        def holds(packet: Packet) -> Maybe:
            found = sets.find(match.name, packet.family, sides, lambda name, side: _side(packet, name, side == "src"))
            if found.holds is None:
                return None
            return (found.is_nomatch if nomatch_counts else found.holds) != match.negated

        return holds


def _with_state(rule: SavedRule) -> Set[int]:
    """The options of each ``-m conntrack`` that asks ``--ctstate``, too. A rule may have several of these modules, which are asked apart."""
    groups: List[List[Match]] = [[]]
    for match in rule.matches:
        if isinstance(match, Module):
            groups.append([])
        groups[-1].append(match)
    return {id(match) for group in groups if any(item.option == "--ctstate" for item in group) for match in group}


def _side(packet: Packet, name: str, is_source: bool) -> object:
    """Return a packet's value for a dimension of a set; None if it is unknown, empty if it has none."""
    if name in ("ip", "net"):
        return packet.source if is_source else packet.destination
    if name in ("port", "bitmap"):
        return _side_port(packet, name == "bitmap", packet.sport if is_source else packet.dport)
    if name == "iface":
        return packet.iif if is_source else packet.oif
    return None if packet.mark is None else "%d" % packet.mark


def _side_port(packet: Packet, is_bitmap: bool, port: Optional[int]) -> Optional[str]:
    if is_bitmap:
        return "" if packet.protocol not in ("tcp", "udp") else None if port is None else "%d" % port
    if packet.icmp is not None:
        return "%s:%d/%d" % ("icmp" if packet.family == IPV4 else "icmpv6", *packet.icmp)
    if packet.has_ports:
        return None if port is None else "%s:%d" % (packet.protocol, port)
    return "%s:0" % packet.protocol


@singledispatch
def _by_type(_match: object) -> Optional[Predicate]:
    """Return the condition of a match that needs nothing but the packet; None for other types of matches."""
    return None


@_by_type.register(AddressMatch)
def _address(match: AddressMatch) -> Predicate:
    value, mask, bits = match.masked
    negated = match.negated
    if match.option == "-s":
        return lambda packet: (packet.bits == bits and packet.source & mask == value) != negated
    if match.option == "-d":
        return lambda packet: (packet.bits == bits and packet.destination & mask == value) != negated
    return _open


@_by_type.register(RangeMatch)
def _range(match: RangeMatch) -> Predicate:
    first, _dash, last = match.ends.partition("-")
    low, high = number(first)[0], number(last or first)[0]
    if match.option == "--src-range":
        return lambda packet: (low <= packet.source <= high) != match.negated
    return lambda packet: (low <= packet.destination <= high) != match.negated


@_by_type.register(InterfaceMatch)
def _interface(match: InterfaceMatch) -> Predicate:
    if match.option == "-i":
        return lambda packet: match.holds(packet.iif)
    if match.option == "-o":
        return lambda packet: match.holds(packet.oif)
    return _physdev_name(match)


def _physdev_name(match: InterfaceMatch) -> Predicate:
    def holds(packet: Packet) -> Maybe:
        ports = packet.ports_in if match.option == "--physdev-in" else packet.ports_out
        held = {match.holds(port) for port in ports}
        if len(held) > 1:
            return None
        # Without a bridge port the kernel matches only negated options.
        return held.pop() if held else match.negated

    return holds


@_by_type.register(ProtocolMatch)
def _protocol(match: ProtocolMatch) -> Predicate:
    return lambda packet: match.holds(packet.protocol)


@_by_type.register(PortMatch)
def _port(match: PortMatch) -> Predicate:
    ranges, option, negated = match.ranges, match.option, match.negated
    if ranges is None:
        return _open

    def within(port: Optional[int]) -> Maybe:
        return None if port is None else any(first <= port <= last for first, last in ranges)

    def holds(packet: Packet) -> Maybe:
        if not packet.has_ports:
            return False
        ends = [packet.sport] if option.startswith("--s") else [packet.dport] if option.startswith("--d") else [packet.sport, packet.dport]
        found = [within(port) for port in ends]
        result = True if True in found else None if None in found else False
        return None if result is None else result != negated

    return holds


@_by_type.register(TcpFlagsMatch)
def _flags(match: TcpFlagsMatch) -> Predicate:
    mask, wanted = _flag_names(match.mask), _flag_names(match.flags)
    return lambda packet: (packet.flags & mask == wanted) != match.negated


def _flag_names(words: str) -> FrozenSet[str]:
    return frozenset(_ALL_FLAGS if words == "ALL" else () if words == "NONE" else words.split(","))


@_by_type.register(MarkMatch)
def _mark(match: MarkMatch) -> Predicate:
    word, _slash, mask_word = match.value.partition("/")
    value, mask = int(word, 0), int(mask_word or "0xffffffff", 0)

    def holds(packet: Packet) -> Maybe:
        if match.module == "mark":
            mark = packet.mark
        elif packet.connection is None:
            return False
        else:
            mark = packet.connection.mark
        return None if mark is None else (mark & mask == value) != match.negated

    return holds


def _label(match: Match, sets_it: bool) -> Predicate:
    if not isinstance(match, ValueMatch):
        # --set itself: the label before it has done it.
        return _true

    def holds(packet: Packet) -> Maybe:
        if packet.connection is None:
            return match.negated
        if sets_it:
            packet.connection.labels.add(match.value)
        return (match.value in packet.connection.labels) != match.negated

    return holds


def _rest(match: Match) -> Predicate:
    """Everything that needs neither sets nor routes and is asked less often."""
    option = match.option
    if isinstance(match, Module):
        return _true if match.name == "limit" else _open
    if isinstance(match, Unknown):
        if match.words[:2] == ("-m", "rt"):
            # Packets have no extension headers. Negated or not, it matches none that has no routing header.
            return _never
        # Limits of each source are taken for not yet reached, as are those of a rule.
        below = holds_below_limit(match)
        return _open if below is None else _true if below else _never
    if isinstance(match, ValueMatch) and option in ("--icmp-type", "--icmpv6-type"):
        return _icmp(match)
    if isinstance(match, FlagMatch) and option in _FLAGS:
        asked = _FLAGS[option]
        return lambda packet: _negated(match, asked(packet))
    if option in _OWNER:
        return lambda packet: None if packet.is_local and not packet.iif else match.negated
    return _open


def _negated(match: Match, held: Maybe) -> Maybe:
    return None if held is None else held != match.negated


def _icmp(match: ValueMatch) -> Predicate:
    family = IPV4 if match.option == "--icmp-type" else 6
    kind, _slash, code = match.value.partition("/")
    known = (int(kind), int(code) if code.isdigit() else None) if kind.isdigit() else _ICMP_NAMES[family].get(kind)
    if known is None:
        return _open
    wanted, only = known

    def holds(packet: Packet) -> Maybe:
        if packet.icmp is None:
            return False
        is_any = family == IPV4 and wanted == 255
        return (is_any or packet.icmp[0] == wanted and only in (None, packet.icmp[1])) != match.negated

    return holds


def _true(_packet: Packet) -> Maybe:
    return True


def _never(_packet: Packet) -> Maybe:
    return False


def _open(_packet: Packet) -> Maybe:
    return None


# Packets are not fragments. Bridge ports that are unknown are ports all the same.
_FLAGS: Dict[str, Predicate] = {
    "-f": _never,
    "--syn": lambda packet: packet.flags & {"FIN", "SYN", "RST", "ACK"} == {"SYN"},
    "--physdev-is-in": lambda packet: bool(packet.ports_in),
    "--physdev-is-out": lambda packet: bool(packet.ports_out),
    "--physdev-is-bridged": lambda packet: bool(packet.ports_out),
}
_OWNER = ("--uid-owner", "--gid-owner", "--socket-exists")
