# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Addresses that nothing on a host tells apart: one of each class stands for all of it. Pure."""

from __future__ import annotations

from typing import Dict, FrozenSet, Hashable, Iterable, List, Mapping, NamedTuple, Tuple

# The first and the last address, as numbers.
Span = Tuple[int, int]
Spans = List[Span]


class Class(NamedTuple):
    """address: one of the class. within: the names of the parts that hold all of it; no other part holds any of it."""

    address: int
    within: FrozenSet[Hashable]


def span(value: int, length: int, bits: int) -> Span:
    """Return a network's first and last address."""
    first = value >> (bits - length) << (bits - length)
    return first, first + (1 << bits - length) - 1


def joined(spans: Iterable[Span]) -> Spans:
    """Return the spans in order. Those that overlap or touch become one."""
    found: Spans = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            if last > found[-1][1]:
                found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


def classes(parts: Mapping[Hashable, Spans], bits: int) -> List[Class]:
    """Return the classes of all addresses, in the order of their first addresses.

    parts: what addresses can be told apart by. The spans of a part are in order and do not overlap. The time grows with the spans, not with the addresses.
    """
    return [found for found, _spans in spread(parts, bits)]


def spread(parts: Mapping[Hashable, Spans], bits: int) -> List[Tuple[Class, Spans]]:
    """Return the same, each with all of its addresses."""
    names = list(parts)
    turns: Dict[int, int] = {0: 0}
    for place, name in enumerate(names):
        for first, last in parts[name]:
            turns[first] = turns.get(first, 0) ^ 1 << place
            turns[last + 1] = turns.get(last + 1, 0) ^ 1 << place
    points = sorted(turns)
    found: Dict[int, Spans] = {}
    inside = 0
    for point, following in zip(points, [*points[1:], 1 << bits]):
        if point >> bits:
            break
        inside ^= turns[point]
        found.setdefault(inside, []).append((point, following - 1))
    return [
        (Class(_one_of(spans[0]), frozenset(name for place, name in enumerate(names) if inside >> place & 1)), spans) for inside, spans in found.items()
    ]


def _one_of(found: Span) -> int:
    """Return an address of a span. The first address of a network is seldom anybody's."""
    return found[0] + 1 if found[1] - found[0] > 1 else found[0]
