# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Chains made ready to be asked of many packets: rules that cannot match are not looked at, so they cost nothing. Pure."""

from __future__ import annotations

from itertools import chain
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from ...rules.matches import AddressMatch, InterfaceMatch, PortMatch
from ...rules.saved_rule import SavedRule, parse
from ...rules.saved_ruleset import SavedChain
from .conditions import Condition
from .packet import Packet

# What a rule asks that a packet can be looked up by: kind, a prefix length for addresses, and the value.
_Key = Tuple[str, int, object]
# A rule for more ports than these is looked at for every packet.
_MOST_PORTS = 64
MakeConditions = Callable[[SavedRule], List[Condition]]


class Rule:
    """number: its place in the chain, from 1. Its conditions are made when a packet comes to it."""

    def __init__(self, number: int, text: str, make: MakeConditions) -> None:
        self.number = number
        self.text = text
        self.read = parse(text)
        self._make = make
        self._conditions: Optional[List[Condition]] = None

    @property
    def conditions(self) -> List[Condition]:
        if self._conditions is None:
            self._conditions = self._make(self.read)
        return self._conditions


class Chain:
    """A chain and the index of its rules. policy: a built-in chain's, ``-`` for others."""

    def __init__(self, name: str, saved: SavedChain, make: MakeConditions) -> None:
        self.name = name
        self.policy = saved.policy
        self.rules = [Rule(number, text, make) for number, text in enumerate(saved.rules, 1)]
        self._buckets: Dict[_Key, List[Rule]] = {}
        self._always: List[Rule] = []
        self._fill()
        self._lengths = {kind: sorted({length for found, length, _value in self._buckets if found == kind}) for kind in ("-s", "-d")}
        self._asks_port = any(kind == "port" for kind, _length, _value in self._buckets)

    def candidates(self, packet: Packet) -> Iterable[Rule]:
        """Return the rules that may match a packet, in order."""
        if self._asks_port and packet.dport is None and packet.has_ports:
            return self.rules
        found = [bucket for bucket in map(self._buckets.get, self._keys(packet)) if bucket]
        if not found:
            return self._always
        return sorted(chain(self._always, *found), key=_place)

    def _keys(self, packet: Packet) -> List[_Key]:
        keys: List[_Key] = [("port", 0, packet.dport), ("-i", 0, packet.iif), ("-o", 0, packet.oif)]
        keys += [("-s", length, packet.source >> (packet.bits - length)) for length in self._lengths["-s"]]
        keys += [("-d", length, packet.destination >> (packet.bits - length)) for length in self._lengths["-d"]]
        return keys

    def _fill(self) -> None:
        """Put each rule into the smallest bucket that it can be in, so that a packet meets few."""
        choices = [list(_keys_of(rule.read)) for rule in self.rules]
        sizes: Dict[_Key, int] = {}
        for keys in choices:
            for key in chain.from_iterable(keys):
                sizes[key] = sizes.get(key, 0) + 1
        for rule, keys in zip(self.rules, choices):
            if not keys:
                self._always.append(rule)
                continue
            for key in min(keys, key=lambda alternative: sum(sizes[key] for key in alternative)):
                self._buckets.setdefault(key, []).append(rule)


def _place(rule: Rule) -> int:
    return rule.number


def _keys_of(rule: SavedRule) -> Iterable[Sequence[_Key]]:
    """Yield for each match that a packet can be looked up by the keys that it is found under."""
    for match in rule.matches:
        if match.negated:
            continue
        if isinstance(match, PortMatch) and match.option in ("--dport", "--dports"):
            ports = match.ranges
            if ports is not None and sum(last - first + 1 for first, last in ports) <= _MOST_PORTS:
                yield [("port", 0, port) for port in {port for first, last in ports for port in range(first, last + 1)}]
        elif isinstance(match, AddressMatch) and match.option in ("-s", "-d"):
            value, mask, bits = match.masked
            length = bin(mask).count("1")
            if length and mask == (1 << bits) - (1 << bits - length):
                yield [(match.option, length, value >> (bits - length))]
        elif isinstance(match, InterfaceMatch) and match.option in ("-i", "-o") and not match.name.endswith("+"):
            yield [(match.option, 0, match.name)]
