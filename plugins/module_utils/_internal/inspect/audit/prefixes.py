# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Prefixes that rules and sets name, so that an address can be chosen that none of them means. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, Mapping, Optional, Set

from ...address import number
from ...netfilter.verdict.snapshot.sets import SavedSet

_BITS = {4: 32, 6: 128}
# 0.0.0.0/0, and its halves where a set refuses it, mean everybody.
_EVERYBODY = 1


class Prefix:
    """A prefix as numbers. value: its first address."""

    def __init__(self, family: int, value: int, length: int) -> None:
        self.family = family
        self.length = length
        self.value = value >> _BITS[family] - length << _BITS[family] - length

    def holds(self, value: int) -> bool:
        return self.value <= value < self.value + (1 << _BITS[self.family] - self.length)

    @property
    def is_everybody(self) -> bool:
        return self.length <= _EVERYBODY

    @property
    def some_address(self) -> int:
        """An address in it; not the first one, which names the network."""
        return self.value + (1 if _BITS[self.family] - self.length > 1 else 0)


def parse_prefix(text: str) -> Optional[Prefix]:
    """Return a prefix, or an address, as iptables-save and ipset print it; None for anything else."""
    address, slash, length = text.partition("/")
    try:
        value, bits = number(address)
    except (OSError, ValueError):
        return None
    if slash and not (length.isascii() and length.isdigit() and int(length) <= bits):
        return None
    return Prefix(4 if bits == 32 else 6, value, int(length) if slash else bits)


def prefixes_of(saved: SavedSet) -> Iterator[Prefix]:
    """Yield a set's prefixes. Only sets of addresses and networks have any, and what is excepted is none."""
    if saved.kind.partition(":")[2].split(",")[0] in ("ip", "net"):
        for entry in saved.entries:
            words = entry.split(" ")
            found = parse_prefix(words[0].split(",")[0]) if "nomatch" not in words else None
            if found is not None:
                yield found


class Mentioned:
    """What the rules and sets of a host name as an address of one family."""

    def __init__(self, family: int, rules: Iterable[str], sets: Mapping[str, SavedSet]) -> None:
        self._bits = _BITS[family]
        self._by_length: Dict[int, Set[int]] = {}
        in_rules = (parse_prefix(words[words.index("-s") + 1]) for words in (rule.split(" ") for rule in rules if "-s " in rule) if "-s" in words[:-1])
        in_sets = (prefix for saved in sets.values() for prefix in prefixes_of(saved))
        for prefix in (*in_rules, *in_sets):
            if prefix is not None and prefix.family == family and not prefix.is_everybody:
                self._by_length.setdefault(prefix.length, set()).add(prefix.value >> self._bits - prefix.length)

    def holds(self, value: int) -> bool:
        return any(value >> self._bits - length in values for length, values in self._by_length.items())
