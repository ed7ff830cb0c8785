# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A table of nftables made ready to be asked of many packets of one family. Chains and rules are made ready when a packet comes to them. Pure."""

from __future__ import annotations

import re
from typing import Callable, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ....address import IPV4
from ....host.system.json_values import JsonObject, mapping, text
from ..snapshot.nft_tables import NftRule, NftTable, listed
from .address_types import AddressTypes
from .conditions import Condition
from .index import DESTINATION, IIF, MOST_PORTS, OIF, PORT, SOURCE, Index, Key
from .nft_constants import BITS, EXACT, NAME, STATUS, Block, Unreadable, blocks, value
from .nft_sets import OPEN, Found, Lookup, plain
from .nft_values import Expression, Expressions, Values
from .nft_words import rule_words, statement_words
from .packet import ESTABLISHED, WITH_PORTS, Packet
from .tracking_conditions import Maybe, Predicate

# Who has the socket that a packet is for: the engine, another process, nobody; None if it is not known.
ENGINE, OTHER, NOBODY = "engine", "other", "nobody"
OwnerOf = Callable[[Packet], Optional[str]]
_CONDITIONS = ("match", "limit", "quota", "ct count", "connlimit")
_BITWISE = ("flags", "state", "status", "label")
_COMPARISONS: Dict[str, Callable[[int, int], bool]] = {
    "<": lambda one, other: one < other, ">": lambda one, other: one > other, "<=": lambda one, other: one <= other, ">=": lambda one, other: one >= other,
}  # fmt: skip
_OUR_ENGINE_TABLE = "drawbridge-engine"
_ENGINES_UNIT = re.compile(r"(?:.*/)?[^/]*docker[^/]*\.service")


class Part(NamedTuple):
    """What a rule asks, and what it does where that holds. statement: its name and what it says; no name at a rule's end."""

    conditions: List[Condition]
    name: str
    statement: object


class ReadyRule:
    """number: its place in the chain, from 1."""

    def __init__(self, rule: NftRule, table: ReadyTable) -> None:
        self.number = rule.number
        self._rule = rule
        self._table = table
        self._parts: Optional[List[Part]] = None
        self._text = ""

    @property
    def parts(self) -> List[Part]:
        if self._parts is None:
            self._parts = list(self._table.parts(self._rule.statements))
        return self._parts

    @property
    def text(self) -> str:
        if not self._text:
            self._text = rule_words(self._rule.statements, self._rule.comment)
        return self._text


class ReadyChain:
    """A chain, and the index of its rules."""

    def __init__(self, name: str, rules: List[NftRule], table: ReadyTable) -> None:
        self.name = name
        self._index = Index([ReadyRule(rule, table) for rule in rules], (_keys_of(rule, table.family) for rule in rules))

    def candidates(self, packet: Packet) -> Iterable[ReadyRule]:
        """Return the rules that may match a packet, in order."""
        return self._index.candidates(packet)


class ReadyTable:
    """family: of the packets. words: the table's family and name."""

    def __init__(self, table: NftTable, family: int, types: AddressTypes, owner_of: OwnerOf) -> None:
        self.words = str(table)
        self.family = family
        self._table = table
        self._owner_of = owner_of
        self._changed: FrozenSet[str] = frozenset(table.changed_sets)
        self._chains: Dict[str, ReadyChain] = {}
        self._lookups: Dict[Tuple[str, Tuple[str, ...]], Lookup] = {}
        self._anonymous: Dict[Tuple[str, Tuple[str, ...]], Lookup] = {}
        self.expressions = Expressions(family, types, self.map_of)

    def chain(self, name: str) -> Optional[ReadyChain]:
        if name not in self._chains:
            if name not in self._table.chains:
                return None
            self._chains[name] = ReadyChain(name, self._table.chains[name], self)
        return self._chains[name]

    def map_of(self, data: object, kinds: Sequence[str]) -> Lookup:
        """Return a map, named or not, made ready for keys of some kinds."""
        if isinstance(data, str):
            return self._named(data.lstrip("@"), kinds)
        # The table's own data: it stays where it is.
        key = ("%d" % id(data), tuple(kinds))
        if key not in self._anonymous:
            self._anonymous[key] = Lookup(kinds, _pairs(mapping(data).get("set")))
        return self._anonymous[key]

    def set_key(self, name: str) -> str:
        return "%s %s" % (self.words, name)

    def parts(self, statements: List[JsonObject]) -> Iterable[Part]:
        """Yield a rule's parts in order, the last one without a statement."""
        conditions: List[Condition] = []
        for statement in statements:
            name = next(iter(statement), "")
            inner = statement.get(name)
            is_match = mapping(inner).get("type") == "match" or not mapping(inner)
            if name in _CONDITIONS or name == "xt" and is_match:
                conditions.append(self._condition(name, statement))
                continue
            yield Part(conditions, name, inner)
            conditions = []
            if name in ("set", "map"):
                # What stands behind an element decides whether the rule goes on.
                for item in listed(mapping(inner).get("stmt", [])):
                    inside = mapping(item)
                    conditions += [self._condition(word, inside) for word in inside if word in _CONDITIONS]
        yield Part(conditions, "", None)

    def _condition(self, name: str, statement: JsonObject) -> Condition:
        found = mapping(statement.get(name))
        if name == "match":
            words = statement_words({"match": {**found, "op": "=="}})
            negation = "! " if found.get("op") == "!=" else ""
            is_plain = found.get("op") in ("==", "!=") and ("payload" in mapping(found.get("left")) and not str(found.get("right")).startswith("@"))
            return Condition(self._match(found), negation + words, "nft " + words if is_plain else "")
        if name == "limit":
            named = statement.get(name)
            is_over = self._table.limits.get(named.lstrip("@"), False) if isinstance(named, str) else found.get("inv") is True
            # Limits are taken for not reached.
            return Condition(lambda packet: not is_over, statement_words(statement), "")
        return Condition(lambda packet: None, statement_words(statement), "")

    def _match(self, item: JsonObject) -> Predicate:
        operator, right = text(item.get("op")), item.get("right")
        if "socket" in mapping(item.get("left")):
            return self._socket(mapping(mapping(item.get("left")).get("socket")), right, operator == "!=")
        left = self.expressions.of(item.get("left"))
        kind = left.kinds[0]
        asks_none = mapping(mapping(item.get("left")).get("meta")).get("key") in ("iif", "oif") and right in (0, "0")
        if kind == "way" or asks_none:
            return _of_interfaces(left, right, operator == "!=")
        if kind == "status" and "ct" in mapping(item.get("left")) and operator in ("==", "!="):
            # The whole of it has bits that are not modelled.
            left = Expression(("opaque",), left.read)
        if operator in _COMPARISONS or operator == "!" or operator == "in" and kind in _BITWISE:
            return _compared(left, operator, right)
        return self._held(left, right, operator == "!=")

    def _held(self, left: Expression, right: object, is_negated: bool) -> Predicate:
        """A match against a value, or a set."""
        name = right.lstrip("@") if isinstance(right, str) and right.startswith("@") else ""
        elements = mapping(right).get("set")
        lookup = self._named(name, left.kinds) if name else Lookup(left.kinds, ((item, None) for item in (listed(elements) if elements else [right])))

        def holds(packet: Packet) -> Maybe:
            values = left.read(packet)
            if values is None:
                return False
            found = self._changed_by_packet(name, packet, values, lookup) if name else lookup.find(values)
            return None if found.holds is None else found.holds != is_negated

        return holds

    def _changed_by_packet(self, name: str, packet: Packet, values: Values, lookup: Lookup) -> Found:
        """A lookup in a named set, which rules may change while packets pass."""
        changes = packet.set_changes.get(self.set_key(name), {})
        if values in changes:
            return Found(changes[values])
        if name in self._changed and packet.connection is not None and packet.connection.state == ESTABLISHED:
            return OPEN
        return lookup.find(values or ())

    def _named(self, name: str, kinds: Sequence[str]) -> Lookup:
        key = (name, tuple(kinds))
        if key not in self._lookups:
            found = self._table.sets.get(name)
            # A set that is not there is one whose only element cannot be read.
            elements: List[Tuple[object, object]] = [({}, None)]
            if found is not None:
                elements = _pairs(found.elements) if found.is_map else [(item, None) for item in found.elements]
            self._lookups[key] = Lookup(kinds, elements)
        return self._lookups[key]

    def _socket(self, item: JsonObject, right: object, is_negated: bool) -> Predicate:
        """``socket cgroupv2``: whether the engine has the socket. Other owners cannot be told from each other."""
        is_engines = self._names_engine(right) if item.get("key") == "cgroupv2" else None

        def holds(packet: Packet) -> Maybe:
            owner = self._owner_of(packet)
            if owner == NOBODY:
                # Without a socket no rule about it matches.
                return False
            if is_engines is None or owner is None:
                return None
            return (is_engines and owner == ENGINE) != is_negated

        return holds

    def _names_engine(self, right: object) -> Optional[bool]:
        """Tell whether the cgroups that a rule asks for are the engine's; False for none at all, None if it is not known."""
        named = self._table.sets.get(right.lstrip("@")) if isinstance(right, str) and right.startswith("@") else None
        elements = [plain(item) for item in named.elements] if named is not None else [right]
        if self._table.name == _OUR_ENGINE_TABLE or not elements:
            return bool(elements)
        return True if all(_ENGINES_UNIT.fullmatch(str(item)) for item in elements) else None


def _of_interfaces(left: Expression, right: object, is_negated: bool) -> Predicate:
    """``fib ... oif``: whether there is a way, or by which interface. ``iif 0``: no interface at all."""
    wanted = "" if right in (False, 0, "0") else right

    def holds(packet: Packet) -> Maybe:
        values = left.read(packet)
        found = values[0] if values is not None else ""
        if found is None:
            return None
        return (bool(found) if wanted is True else found == wanted) != is_negated

    return holds


def _compared(left: Expression, operator: str, right: object) -> Predicate:
    """Less and more, and bits of which one is set, or none."""
    kind = left.kinds[0]
    try:
        wanted = value(kind, right) if kind in BITS else None
    except Unreadable:
        wanted = None
    compare = _COMPARISONS.get(operator)

    def holds(packet: Packet) -> Maybe:
        values = left.read(packet)
        if values is None:
            return False
        found = values[0]
        if wanted is None or not isinstance(found, int):
            return None
        if compare is not None:
            return compare(found, wanted)
        if kind == "status" and not found & wanted and wanted & STATUS["assured"] and found & STATUS["seen-reply"]:
            # Datagrams are assured only after a while.
            return None if packet.protocol != "tcp" else operator == "!"
        return bool(found & wanted) != (operator == "!")

    return holds


def _pairs(elements: object) -> List[Tuple[object, object]]:
    """A map's elements, and what each stands for."""
    return [(item[0], item[1]) for item in listed(elements) if isinstance(item, list) and len(item) == 2] if elements else []


def _keys_of(rule: NftRule, family: int) -> Iterable[Sequence[Key]]:
    """Yield for each match that a packet can be looked up by the keys that it is found under. Statements ahead of a match count more packets."""
    for statement in rule.statements:
        if "counter" in statement:
            continue
        item = mapping(statement.get("match"))
        if not item:
            return
        right = item.get("right")
        elements = mapping(right).get("set")
        if item.get("op") == "==" and not (isinstance(right, str) and right.startswith("@")):
            keys = _keys(mapping(item.get("left")), [plain(part) for part in listed(elements)] if elements else [right], family)
            if keys:
                yield keys


def _keys(left: JsonObject, elements: List[object], family: int) -> List[Key]:
    """The keys of a match; none for one that a packet cannot be looked up by."""
    meta, payload = text(mapping(left.get("meta")).get("key")), mapping(left.get("payload"))
    protocol, field = text(payload.get("protocol")), text(payload.get("field"))
    if meta in ("iif", "iifname", "oif", "oifname"):
        kind, found = IIF if meta.startswith("iif") else OIF, NAME
    elif protocol in ("ip", "ip6") and field in ("saddr", "daddr"):
        kind, found = SOURCE if field == "saddr" else DESTINATION, "ipv4" if protocol == "ip" else "ipv6"
    elif protocol in WITH_PORTS and field == "dport":
        kind, found = PORT, "port"
    else:
        return []
    try:
        each = [block for element in elements for block in blocks(found, element)] if len(elements) <= MOST_PORTS else []
    except Unreadable:
        return []
    return _found_under(kind, found, each, family)


def _found_under(kind: str, found: str, each: List[Block], family: int) -> List[Key]:
    if found == NAME:
        is_exact = all(length == EXACT and name not in ("0", "") for length, name in each)
        return [(kind, 0, name) for _length, name in each] if is_exact else []
    if found == "port":
        count = sum(1 << BITS[found] - length for length, _value in each)
        spread = [(length, first) for length, first in each if isinstance(first, int)]
        return [(kind, 0, port) for length, first in spread for port in _ports(length, first)] if count <= MOST_PORTS else []
    if (found == "ipv4") != (family == IPV4):
        # No packet of this family is found there.
        return [("none", 0, None)]
    return [(kind, length, first) for length, first in each] if all(length for length, _first in each) else []


def _ports(length: int, first: int) -> range:
    rest = BITS["port"] - length
    return range(first << rest, (first + 1) << rest)
