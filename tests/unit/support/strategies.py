# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What hypothesis makes examples of. A strategy that stands twice in a choice is chosen twice as often."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Json = SearchStrategy[object]
T = TypeVar("T")


def several(each: SearchStrategy[T]) -> SearchStrategy[list[T]]:
    """Up to 30: as values in a list they cost a third of what as many examples do."""
    return st.integers(1, 30).flatmap(lambda size: st.lists(each, min_size=size, max_size=size))


def json_values(keys: Sequence[object], scalars: Sequence[object], depth: int) -> Json:
    """Whatever JSON or YAML can hold, with known keys and scalars in it, in so many levels of lists and mappings."""
    scalar: Json = st.sampled_from(scalars)
    found = scalar
    for _level in range(depth):
        mapping: Json = st.dictionaries(st.sampled_from(keys), found, max_size=4)
        found = st.one_of(scalar, st.lists(found, max_size=3), mapping, mapping)
    return found


def networks(bits: int) -> SearchStrategy[tuple[int, int]]:
    """Number and length of a prefix in a family of so many bits."""
    number = st.integers(0, (1 << bits) - 1)
    return st.tuples(number, st.integers(0, bits))


# Policies about a few ports, as anybody may write them.
PORTS: Sequence[object] = (80, 81, 82, "80-81", "79-90", 83)
ADDRESSES = (None, None, "192.0.2.7", "2001:db8::8", "0.0.0.0")


def published_ports(sources: Sequence[str], listed: Sequence[str]) -> SearchStrategy[dict[str, object]]:
    """The key, with entries that have some of the sources. listed: sources that an entry has all of, or none."""
    targets = st.tuples(st.sampled_from(PORTS), st.sampled_from(["tcp", "tcp", "udp"]), st.sampled_from(ADDRESSES))
    chosen = st.builds(lambda some, all_of: some + all_of, st.lists(st.sampled_from(sources), unique=True, max_size=3),
                       st.sampled_from([[], [], [], list(listed)]))
    entries = st.lists(st.builds(_entry, targets, chosen), max_size=6, unique_by=lambda entry: str((entry["port"], entry["protocol"], entry.get("address"))))
    return st.fixed_dictionaries({"default": st.sampled_from(["deny", "allow"]), "allow": entries})


def _entry(target: tuple[object, str, str | None], sources: Sequence[str]) -> dict[str, object]:
    """An entry; one about an address has sources of the address's family only."""
    port, protocol, address = target
    fitting = [source for source in sources if source[0] in "a@" or address is None or (":" in source) == (":" in address)]
    return dict({"port": port, "protocol": protocol, "sources": fitting}, **({} if address is None else {"address": address}))
