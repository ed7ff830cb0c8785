# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Chains made ready to be asked of many packets: rules that cannot match are not looked at, so they cost nothing. Pure."""

from __future__ import annotations

from typing import Callable, Iterable, List, Optional, Sequence

from ...rules.matches import AddressMatch, InterfaceMatch, PortMatch
from ...rules.saved_rule import SavedRule, parse
from ...rules.saved_ruleset import SavedChain
from .conditions import Condition
from .index import MOST_PORTS, PORT, Index, Key
from .packet import Packet

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
        self._index = Index(self.rules, (_keys_of(rule.read) for rule in self.rules))

    def candidates(self, packet: Packet) -> Iterable[Rule]:
        """Return the rules that may match a packet, in order."""
        return self._index.candidates(packet)


def _keys_of(rule: SavedRule) -> Iterable[Sequence[Key]]:
    """Yield for each match that a packet can be looked up by the keys that it is found under."""
    for match in rule.matches:
        if match.negated:
            continue
        if isinstance(match, PortMatch) and match.option in ("--dport", "--dports"):
            ports = match.ranges
            if ports is not None and sum(last - first + 1 for first, last in ports) <= MOST_PORTS:
                yield [(PORT, 0, port) for port in {port for first, last in ports for port in range(first, last + 1)}]
        elif isinstance(match, AddressMatch) and match.option in ("-s", "-d"):
            value, mask, bits = match.masked
            length = bin(mask).count("1")
            if length and mask == (1 << bits) - (1 << bits - length):
                yield [(match.option, length, value >> (bits - length))]
        elif isinstance(match, InterfaceMatch) and match.option in ("-i", "-o") and not match.name.endswith("+"):
            yield [(match.option, 0, match.name)]
