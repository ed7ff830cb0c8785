# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sets as ``ipset save`` prints them, made ready for lookups whose cost does not grow with the entries. Pure."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ....address import number

Maybe = Optional[bool]
# The value of a packet for a dimension of a set and a side (src or dst); None if it is not known.
Side = Callable[[str, str], object]
# Set names, then the sides of a rule's match, as in a rule.
_BITS = {"inet": 32, "inet6": 128}
_ADDRESSES = ("ip", "net")
_KNOWN = frozenset(("ip", "net", "port", "iface", "mark", "set"))
# Options of a set that change what it matches, beside netmask.
_STRANGE = frozenset(("bitmask",))
# A key: each dimension's value, addresses cut to their prefix.
_Key = Tuple[object, ...]


class SavedSet(NamedTuple):
    """kind: ``hash:net,port``. options: the words behind it. entries: as printed."""

    kind: str
    options: List[str]
    entries: List[str]

    def option(self, name: str) -> str:
        return next((after for before, after in zip(self.options, self.options[1:]) if before == name), "")


def parse(text: str) -> Dict[str, SavedSet]:
    """Parse the output of ``ipset save``."""
    found: Dict[str, SavedSet] = {}
    for line in text.split("\n"):
        verb, _space, rest = line.partition(" ")
        name, _space, words = rest.partition(" ")
        if verb == "add" and name in found:
            found[name].entries.append(words)
        elif verb == "create":
            kind, *options = words.split()
            found[name] = SavedSet(kind, options, [])
    return found


class Found(NamedTuple):
    """is_nomatch: whether the entry that holds the packet is one of nomatch."""

    holds: Maybe
    is_nomatch: bool = False


_NO, _OPEN = Found(False), Found(None)


class Sets:
    """All sets of a host. Each is made ready at its first lookup."""

    def __init__(self, text: str) -> None:
        self._saved = parse(text)
        self._ready: Dict[str, _Lookup] = {}

    def find(self, name: str, family: int, sides: Sequence[str], side: Side) -> Found:
        """Look a packet up. An unknown set, or a part of the packet that is unknown, leaves it open."""
        saved = self._saved.get(name)
        if saved is None:
            return _OPEN
        if saved.kind == "list:set":
            return self._in_list(saved, family, sides, side)
        if name not in self._ready:
            self._ready[name] = _Lookup(saved)
        return self._ready[name].find(family, sides, side)

    def _in_list(self, saved: SavedSet, family: int, sides: Sequence[str], side: Side) -> Found:
        found = [self.find(entry.split(" ")[0], family, sides, side) for entry in saved.entries]
        return next((item for item in found if item.holds), next((item for item in found if item.holds is None), _NO))


class _Lookup:
    """One set's entries by prefix lengths: for each combination of lengths a mapping from keys to whether the entry is one of nomatch."""

    def __init__(self, saved: SavedSet) -> None:
        self._names = saved.kind.partition(":")[2].split(",")
        self._bits = _BITS.get(saved.option("family") or "inet", 32)
        self._has_family = any(name in _ADDRESSES for name in self._names)
        self._is_bitmap = saved.kind == "bitmap:port"
        netmask = saved.option("netmask")
        self._netmask = int(netmask) if netmask.isdigit() else self._bits
        self._is_known = _KNOWN.issuperset(self._names) and _STRANGE.isdisjoint(saved.options)
        self._tables: List[Tuple[Tuple[int, ...], Dict[_Key, bool]]] = self._read(saved.entries) if self._is_known else []

    def find(self, family: int, sides: Sequence[str], side: Side) -> Found:
        """sides: the rule's, at least one for each dimension."""
        if not self._is_known:
            return _OPEN
        if len(sides) < len(self._names) or self._has_family and self._bits != (32 if family == 4 else 128):
            return _NO
        values = [side("bitmap" if self._is_bitmap else name, which) for name, which in zip(self._names, sides)]
        if "" in values:
            return _NO
        if not self._tables:
            return _NO
        if None in values:
            return _OPEN
        for lengths, entries in self._tables:
            is_nomatch = entries.get(tuple(value >> (self._bits - length) if isinstance(value, int) else value for value, length in zip(values, lengths)))
            if is_nomatch is not None:
                return Found(not is_nomatch, is_nomatch)
        return _NO

    def _read(self, entries: List[str]) -> List[Tuple[Tuple[int, ...], Dict[_Key, bool]]]:
        tables: Dict[Tuple[int, ...], Dict[_Key, bool]] = {}
        for entry in entries:
            words, _space, options = entry.partition(" ")
            parts = words.split(",") if len(self._names) > 1 else [words]
            if "wildcard" in options.split() or any(part.startswith("physdev:") for part in parts):
                self._is_known = False
                return []
            key, lengths = [], []
            for name, part in zip(self._names, parts):
                value, length = self._part(name, part)
                key.append(value)
                lengths.append(length)
            tables.setdefault(tuple(lengths), {})[tuple(key)] = "nomatch" in options.split()
        # The kernel tries the longest prefixes first, and the first entry that holds decides.
        return sorted(tables.items(), key=lambda item: item[0], reverse=True)

    def _part(self, name: str, part: str) -> Tuple[object, int]:
        """Return an entry's value in one dimension, and its prefix length. A value that is no address has none, and is text."""
        if name not in _ADDRESSES:
            return "%d" % int(part, 16) if name == "mark" else part, self._bits
        address, _slash, length = part.partition("/")
        prefix = int(length) if length else self._netmask if name == "ip" else self._bits
        return number(address)[0] >> (self._bits - prefix), prefix
