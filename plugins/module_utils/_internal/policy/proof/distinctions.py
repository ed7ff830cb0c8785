# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the rules and routes of a host can tell addresses apart by. Pure."""

from __future__ import annotations

from typing import Dict, FrozenSet, Hashable, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from ...address import IPV4, number
from ...errors import DrawbridgeError
from ...host.system.json_values import mapping
from ...netfilter.rules.matches import AddressMatch, PortMatch, ProtocolMatch, RangeMatch, SetMatch, Translation
from ...netfilter.rules.saved_rule import SavedRule
from ...netfilter.verdict.matching.nft_constants import Unreadable, blocks
from ...netfilter.verdict.matching.nft_sets import plain
from ...netfilter.verdict.snapshot.nft_tables import NftTable, pairs
from ...netfilter.verdict.snapshot.sets import SavedSet
from ...netfilter.verdict.walk.world import World
from .classes import Span, Spans, joined, span

_SOURCE, _DESTINATION = "src", "dst"
_SIDES = {"-s": _SOURCE, "--ctorigsrc": _SOURCE, "--ctrepldst": _SOURCE, "--src-range": _SOURCE,
          "-d": _DESTINATION, "--ctorigdst": _DESTINATION, "--ctreplsrc": _DESTINATION, "--dst-range": _DESTINATION}  # fmt: skip
_NFTABLES = "nftables"
_PORTS = ("--dport", "--dports", "--ctorigdstport")
_ADDRESSES = ("ip", "net")
# The part of addresses that are nobody's, in packets that come from elsewhere.
NOBODYS = "nobody's"
_NOBODYS = {4: ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255"), 6: ("::/127", "fe80::/10", "ff00::/8")}
# What addresses are told apart by: its name, and its spans.
Parts = Dict[Hashable, Spans]
# None stands for every port.
PortSet = Optional[FrozenSet[int]]
_Asking = Union[AddressMatch, RangeMatch, SetMatch]


class _Rule(NamedTuple):
    """The part of a rule that matters here. ports: each match's ranges, and whether it is negated. sources, destinations: matches that ask for
    one side's address."""

    protocols: List[ProtocolMatch]
    ports: List[Tuple[Tuple[Tuple[int, int], ...], bool]]
    sources: List[_Asking]
    destinations: List[_Asking]
    new_ports: PortSet

    def may_see(self, protocol: str, ports: PortSet) -> bool:
        """Whether packets of a protocol, to one of the ports, may meet the rule."""
        if ports is not None:
            for ranges, negated in self.ports:
                if not any(any(first <= port <= last for first, last in ranges) != negated for port in ports):
                    return False
        return all(match.holds(protocol) for match in self.protocols)


class Distinctions:
    """Those of one family. Each answer is worked out once."""

    def __init__(self, world: World, sets: Dict[str, SavedSet]) -> None:
        self._bits = 32 if world.family == IPV4 else 128
        self._sets = sets
        self._rules = [_rule(rule.read) for variant in world.variants for table in variant.tables.values() for rule in table.rules()]
        self._translating = [rule for rule in self._rules if rule.new_ports is None or rule.new_ports]
        self._spans: Dict[Hashable, Parts] = {}
        self._ports: Dict[Tuple[str, Optional[int]], PortSet] = {}
        self._seen: Dict[Tuple[str, PortSet], List[_Rule]] = {}
        self._parts: Dict[Hashable, Parts] = {}
        self._routes: Parts = {("route", network): [_network(network, self._bits)] for network in world.routes.networks()}
        for table in world.nft_tables:
            self._routes.update(_of_nft_table(table, self._bits))
            if any(key in ("dnat", "redirect") for key, _value in pairs(_statements(table))):
                # To any port.
                self._translating.append(_Rule([], [], [], [], None))
        self._routes[NOBODYS] = spans_of(_NOBODYS[world.family], self._bits)

    def ports_on_the_way(self, protocol: str, port: Optional[int]) -> PortSet:
        """Return the ports that a packet to this one may be to: those that it is translated to as well."""
        key = (protocol, port)
        if key not in self._ports:
            self._ports[key] = self._follow(protocol, port)
        return self._ports[key]

    def _follow(self, protocol: str, port: Optional[int]) -> PortSet:
        found: Set[int] = set() if port is None else {port}
        waiting = list(found)
        while waiting:
            now = frozenset((waiting.pop(),))
            for rule in self._translating:
                if rule.may_see(protocol, now):
                    if rule.new_ports is None:
                        return None
                    waiting += rule.new_ports - found
                    found |= rule.new_ports
        return frozenset(found)

    def of_sources(self, protocol: str, ports: PortSet, both_ways: bool) -> Parts:
        """Return what the sources of packets are told apart by. both_ways: with what those of their answers meet, whose destinations they are."""
        key = (_SOURCE, protocol, ports, both_ways)
        if key not in self._parts:
            parts = self._parts[key] = {**self._routes, **(self._of_all_destinations() if both_ways else {})}
            for rule in self._that_see(protocol, ports):
                self._add(parts, rule.sources, _SOURCE)
        return self._parts[key]

    def of_destinations(self, protocol: str, ports: PortSet) -> Parts:
        """Return what the destinations of packets are told apart by."""
        key = (_DESTINATION, protocol, ports)
        if key not in self._parts:
            parts = self._parts[key] = {name: spans for name, spans in self._routes.items() if isinstance(name, tuple) and name[0] == _NFTABLES}
            for rule in self._that_see(protocol, ports):
                self._add(parts, rule.destinations, _DESTINATION)
        return self._parts[key]

    def _of_all_destinations(self) -> Parts:
        if _DESTINATION not in self._parts:
            parts = self._parts[_DESTINATION] = {}
            for rule in self._rules:
                self._add(parts, rule.destinations, _DESTINATION)
        return self._parts[_DESTINATION]

    def _that_see(self, protocol: str, ports: PortSet) -> List[_Rule]:
        key = (protocol, ports)
        if key not in self._seen:
            self._seen[key] = [rule for rule in self._rules if (rule.sources or rule.destinations) and rule.may_see(protocol, ports)]
        return self._seen[key]

    def _add(self, parts: Parts, matches: List[_Asking], side: str) -> None:
        for match in matches:
            key = (match.name, match.sides, side) if isinstance(match, SetMatch) else match._replace(negated=False).words
            if key not in self._spans:
                made = self._of_set(match.name, match.sides.split(","), side) if isinstance(match, SetMatch) else {key: _of_match(match, self._bits)}
                self._spans[key] = {name: spans for name, spans in made.items() if spans}
            parts.update(self._spans[key])

    def _of_set(self, name: str, sides: List[str], side: str) -> Parts:
        saved = self._sets.get(name)
        if saved is None:
            return {}
        if saved.kind == "list:set":
            members = (entry.split(" ")[0] for entry in saved.entries)
            return {key: spans for member in members if member != name for key, spans in self._of_set(member, sides, side).items()}
        if (saved.option("family") == "inet6") != (self._bits == 128):
            return {}
        found: Dict[Hashable, List[Span]] = {}
        for place, (kind, of) in enumerate(zip(saved.kind.partition(":")[2].split(","), sides)):
            if kind in _ADDRESSES and of == side:
                for key, one in _entries(saved, place, self._bits):
                    found.setdefault((name, place, key), []).append(one)
        return {key: joined(spans) for key, spans in found.items()}


def _of_nft_table(table: NftTable, bits: int) -> Parts:
    """Return the addresses that a table of nftables names, wherever in it. A set's are one part, those of a map and of a rule are told apart."""
    found: Dict[Hashable, List[Span]] = {}

    def add(name: str, place: Hashable, item: object) -> None:
        found.setdefault((_NFTABLES, str(table), name, place), []).extend(_named(item, bits))

    for name, named in table.sets.items():
        for place, element in enumerate(named.elements):
            add(name, place if named.is_map or "concat" in mapping(plain(element)) else None, element)
    for place, (_key, value) in enumerate(pairs(_statements(table))):
        for part, item in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(value, dict) or "prefix" in value or "range" in value:
                add("", (place, part), item)
    return {key: joined(spans) for key, spans in found.items() if spans}


def _statements(table: NftTable) -> List[object]:
    return [rule.statements for rules in table.chains.values() for rule in rules]


def _named(value: object, bits: int) -> Iterator[Span]:
    """Yield the addresses and networks of one family in nested JSON."""
    inner = plain(value)
    if isinstance(inner, list):
        for item in inner:
            yield from _named(item, bits)
        return
    try:
        for length, first in blocks("ipv4" if bits == 32 else "ipv6", inner) if isinstance(inner, (str, dict)) else ():
            if isinstance(first, int):
                yield span(first << (bits - length), length, bits)
    except Unreadable:
        yield from _named(list(mapping(inner).values()), bits)


def _rule(rule: SavedRule) -> _Rule:
    return _Rule(
        [match for match in rule.matches if isinstance(match, ProtocolMatch)],
        [(match.ranges, match.negated) for match in rule.matches if isinstance(match, PortMatch) and match.option in _PORTS and match.ranges is not None],
        _asking(rule, _SOURCE),
        _asking(rule, _DESTINATION),
        _new_ports(rule.target) if isinstance(rule.target, Translation) else frozenset(),
    )


def _asking(rule: SavedRule, side: str) -> List[_Asking]:
    found: List[_Asking] = []
    for match in rule.matches:
        if isinstance(match, SetMatch) and side in match.sides or isinstance(match, (AddressMatch, RangeMatch)) and _SIDES.get(match.option) == side:
            found.append(match)
    return found


def _new_ports(target: Translation) -> PortSet:
    """Return the port that a rule translates to, none if it leaves the port as it is. A range stands for every port."""
    if target.name not in ("DNAT", "REDIRECT") or target.to is None:
        return frozenset()
    bracket, colons = "]:" in target.to, target.to.count(":")
    # An address of IPv6 without brackets has no port behind it.
    ports = target.to if target.name == "REDIRECT" else target.to.rpartition(":")[2] if bracket or colons == 1 else ""
    return frozenset((int(ports),)) if ports.isdigit() else None if ports else frozenset()


def _of_match(match: _Asking, bits: int) -> Spans:
    if isinstance(match, RangeMatch):
        first, _dash, last = match.ends.partition("-")
        (low, length), high = number(first), number(last or first)[0]
        return [(low, high)] if length == bits else []
    if not isinstance(match, AddressMatch):
        return []
    value, mask, length = match.masked
    if length != bits:
        return []
    size = (1 << bits) - mask
    if size & size - 1:
        raise DrawbridgeError("the mask of %s has gaps: nobody can tell whom it stands for" % match.network, None, "write it as networks with prefix lengths")
    return [(value, value + size - 1)]


def _entries(saved: SavedSet, place: int, bits: int) -> Iterator[Tuple[Hashable, Span]]:
    """Yield the addresses in one dimension. Entries that differ in anything else are told apart."""
    netmask = saved.option("netmask")
    has_exceptions = any("nomatch" in entry for entry in saved.entries)
    for entry in saved.entries:
        words, _space, options = entry.partition(" ")
        values = words.split(",")
        address, _slash, length = values[place].partition("/")
        value, found = number(address)
        if found != bits:
            continue
        prefix = int(length or netmask or bits)
        rest = (*values[:place], *values[place + 1:])
        yield (rest, prefix, "nomatch" in options.split()) if has_exceptions else rest, span(value, prefix, bits)


def _network(network: str, bits: int) -> Span:
    if network == "default":
        return 0, (1 << bits) - 1
    address, _slash, length = network.partition("/")
    return span(number(address)[0], int(length or bits), bits)


def spans_of(addresses: Iterable[str], bits: int) -> Spans:
    """Return the spans of addresses and networks of one family."""
    return joined(_network(address, bits) for address in addresses)
