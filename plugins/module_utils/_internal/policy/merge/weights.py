# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Decide between fragments: the heaviest win. Fragments of equal weight have to agree, or add up."""

from __future__ import annotations

from typing import Dict, Generic, Hashable, Iterable, List, Protocol, Tuple, TypeVar

from ...address import quoted
from ...errors import DrawbridgeError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Weighted(Protocol):
    """The properties of a fragment that this module uses."""

    @property
    def name(self) -> str:
        """The fragment's name."""

    @property
    def weight(self) -> int:
        """The fragment's weight."""


class Statement(Generic[V]):
    """A value that a fragment states, with its path in ``place`` if errors need it."""

    def __init__(self, fragment: Weighted, value: V, place: str = "") -> None:
        self.fragment = fragment
        self.value = value
        self.place = place


def heaviest(stated: List[Statement[V]]) -> List[Statement[V]]:
    top = max((item.fragment.weight for item in stated), default=0)
    return [item for item in stated if item.fragment.weight == top]


def agreed(stated: List[Statement[V]]) -> V:
    """Return the value of the heaviest fragments. Raises DrawbridgeError if they do not agree."""
    first, *others = heaviest(stated)
    for item in others:
        if item.value != first.value:
            raise DrawbridgeError(
                "%s here, but %s in %s, which has the same weight %d"
                % (_shown(item.value), _shown(first.value), first.fragment.name, first.fragment.weight),
                item.place,
                "give the one that decides a higher weight",
            )
    return first.value


def _shown(value: object) -> str:
    return value if isinstance(value, str) else quoted(value)


def by_key(stated: Iterable[Tuple[K, Statement[V]]]) -> List[Tuple[K, List[Statement[V]]]]:
    """Return the statements of the heaviest fragments for each key. Keys stay in order of first appearance."""
    grouped: Dict[K, List[Statement[V]]] = {}
    for key, item in stated:
        grouped.setdefault(key, []).append(item)
    return [(key, heaviest(items)) for key, items in grouped.items()]
