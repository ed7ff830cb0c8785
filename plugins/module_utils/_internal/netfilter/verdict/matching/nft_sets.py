# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sets and maps of nftables, made ready for lookups whose cost does not grow with the elements: intervals and concatenations too. Pure."""

from __future__ import annotations

from itertools import product
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from ....host.system.json_values import mapping
from .nft_constants import Unreadable, blocks, cut

Part = Optional[Union[int, str]]
# An element of more blocks than these is not made ready.
_MOST_BLOCKS = 4096


class Found(NamedTuple):
    """holds: None if it is not known. data: a map's, as printed."""

    holds: Optional[bool]
    data: object = None


NO, OPEN = Found(False), Found(None)
_Lengths = Tuple[int, ...]
_Key = Tuple[Union[int, str], ...]


class Lookup:
    """kinds: of each dimension. elements: pairs of a set's element and a map's data, None for sets. is_whole: whether all elements can be read.

    Elements that cannot be read leave it open whether a packet that no other element holds is in the set.
    """

    def __init__(self, kinds: Sequence[str], elements: Iterable[Tuple[object, object]]) -> None:
        self._kinds = kinds
        self.is_whole = True
        tables: Dict[_Lengths, Dict[_Key, object]] = {}
        for element, data in elements:
            for lengths, key in self._blocks(plain(element)):
                tables.setdefault(lengths, {})[key] = data
        # The longest prefixes decide. A catch-all is last.
        self._tables: List[Tuple[_Lengths, Dict[_Key, object]]] = sorted(tables.items(), key=lambda item: item[0], reverse=True)

    @property
    def data(self) -> List[object]:
        """All data of a map, each once."""
        found: List[object] = []
        for _lengths, table in self._tables:
            found += [item for item in table.values() if item not in found]
        return found

    def find(self, values: Sequence[Part]) -> Found:
        """values: the packet's, None for one that is not known."""
        if not self._tables and self.is_whole:
            return NO
        known = [item for item in values if item is not None]
        if len(known) < len(values):
            return OPEN
        for lengths, table in self._tables:
            key = tuple([cut(kind, value, length) for kind, value, length in zip(self._kinds, known, lengths)])
            if key in table:
                return Found(True, table[key])
        return NO if self.is_whole else OPEN

    def _blocks(self, element: object) -> Iterable[Tuple[_Lengths, _Key]]:
        listed = mapping(element).get("concat")
        parts = listed if isinstance(listed, list) else [element]
        if element == "*":
            parts = ["*"] * len(self._kinds)
        try:
            found = [blocks(kind, plain(part)) for kind, part in zip(self._kinds, parts)]
        except Unreadable:
            found = []
        count = 1
        for choices in found:
            count *= len(choices)
        if len(found) != len(self._kinds) or len(parts) != len(self._kinds) or count > _MOST_BLOCKS:
            self.is_whole = False
            return []
        return [(tuple(length for length, _value in chosen), tuple(value for _length, value in chosen)) for chosen in product(*found)]


def plain(element: object) -> object:
    """Return an element without its timeout, counter and comment."""
    inner = mapping(mapping(element).get("elem"))
    return plain(inner["val"]) if "val" in inner else element


def exact(values: Sequence[Part]) -> bool:
    """Tell whether every value is known."""
    return None not in values
