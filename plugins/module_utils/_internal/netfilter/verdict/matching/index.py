# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""An index of a chain's rules: those that cannot match a packet are not looked at, so they cost nothing. Pure."""

from __future__ import annotations

from itertools import chain
from typing import Callable, Dict, Generic, Iterable, List, Sequence, Tuple, TypeVar

from .packet import Packet

# What a rule asks that a packet can be looked up by: kind, a prefix length for addresses, and the value.
Key = Tuple[str, int, object]
PORT, IIF, OIF, SOURCE, DESTINATION = "port", "-i", "-o", "-s", "-d"
# A rule for more ports than these is looked at for every packet.
MOST_PORTS = 64
R = TypeVar("R")


class Index(Generic[R]):
    """rules: in order. keys: for each rule, and for each of its matches that a packet can be looked up by, the keys that it is found under."""

    def __init__(self, rules: List[R], keys: Iterable[Iterable[Sequence[Key]]]) -> None:
        self._rules = rules
        self._buckets: Dict[Key, List[int]] = {}
        self._always: List[int] = []
        self._fill([list(choices) for choices in keys])
        self._lengths = {kind: sorted({length for found, length, _value in self._buckets if found == kind}) for kind in (SOURCE, DESTINATION)}
        self._asks_port = any(kind == PORT for kind, _length, _value in self._buckets)

    def candidates(self, packet: Packet) -> Iterable[R]:
        """Return the rules that may match a packet, in order."""
        if self._asks_port and packet.dport is None and packet.has_ports:
            return self._rules
        found = [bucket for bucket in map(self._buckets.get, self._keys(packet)) if bucket]
        places = sorted(chain(self._always, *found)) if found else self._always
        return map(self._rules.__getitem__, places)

    def _keys(self, packet: Packet) -> List[Key]:
        keys: List[Key] = [(PORT, 0, packet.dport), (IIF, 0, packet.iif), (OIF, 0, packet.oif)]
        keys += [(SOURCE, length, packet.source >> (packet.bits - length)) for length in self._lengths[SOURCE]]
        keys += [(DESTINATION, length, packet.destination >> (packet.bits - length)) for length in self._lengths[DESTINATION]]
        return keys

    def _fill(self, choices: List[List[Sequence[Key]]]) -> None:
        """Put each rule into the smallest bucket that it can be in, so that a packet meets few."""
        sizes: Dict[Key, int] = {}
        for keys in choices:
            for key in chain.from_iterable(keys):
                sizes[key] = sizes.get(key, 0) + 1
        weight: Callable[[Sequence[Key]], int] = lambda alternative: sum(sizes[key] for key in alternative)  # noqa: E731
        for place, keys in enumerate(choices):
            if not keys:
                self._always.append(place)
                continue
            for key in min(keys, key=weight):
                self._buckets.setdefault(key, []).append(place)
