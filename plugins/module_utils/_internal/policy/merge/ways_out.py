# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Merge the fragments' egress, host_egress and masquerade sections."""

from __future__ import annotations

from typing import Callable, Dict, Hashable, Iterable, List, Optional, Tuple, TypeVar

from ..language.egress import Access, Block, Egress, HostEgress, Selector
from ..language.masquerade import Masquerade, MasqueradeMode, treatment_data
from ..values.entries import Entry, joined, union
from ..values.values import Sources
from .weights import Statement, Weighted, agreed, by_key, heaviest

K = TypeVar("K", bound=Hashable)
S = TypeVar("S")
V = TypeVar("V")


def merge_masquerade(sections: List[Statement[Masquerade]]) -> Optional[Masquerade]:
    """Merge per network, per subnet, and ``all``. The heaviest fragments decide, and have to agree."""
    if not sections:
        return None
    return Masquerade(
        sections[-1].value.path,
        _treatments(sections, lambda said: [] if said.everything is None else [("all", said.everything)]).get("all"),
        _treatments(sections, lambda said: said.networks.items()),
        _treatments(sections, lambda said: said.subnets.items()),
    )


def _treatments(sections: List[Statement[Masquerade]], parts: Callable[[Masquerade], Iterable[Tuple[K, MasqueradeMode]]]) -> Dict[K, MasqueradeMode]:
    found: Dict[K, MasqueradeMode] = {}
    for key, items in _grouped(sections, parts):
        agreed([Statement(item.fragment, treatment_data(item.value), item.value.path) for item in items])
        found[key] = heaviest(items)[0].value
    return found


def merge_egress(sections: List[Statement[Egress]]) -> Optional[Egress]:
    """Merge block by block. Containers' blocks keep the order of the fragments, the heaviest fragment first."""
    if not sections:
        return None
    networks: Dict[str, Block] = {}
    for name, items in _grouped(sections, lambda egress: egress.networks.items()):
        networks[name] = _block(items)
    containers: Dict[Selector, Block] = {}
    by_weight = sorted(sections, key=lambda section: -section.fragment.weight)
    for selector, items in _grouped(by_weight, lambda egress: egress.containers.items()):
        containers[selector] = _block(items)
    general = _block([Statement(section.fragment, section.value.general) for section in sections])
    return Egress(general, networks, containers, _mode((item.fragment, item.value.path, item.value.mode) for item in sections))


def merge_host_egress(sections: List[Statement[HostEgress]]) -> Optional[HostEgress]:
    """Merge as a block of ``egress``."""
    if not sections:
        return None
    block = _block([Statement(item.fragment, item.value.block) for item in sections])
    return HostEgress(block, _mode((item.fragment, item.value.block.path, item.value.mode) for item in sections))


def _mode(said: Iterable[Tuple[Weighted, str, Optional[str]]]) -> Optional[str]:
    """Return the mode that the heaviest fragments state. said: each fragment, its section's path, and the mode."""
    modes = [Statement(fragment, mode, path + ".mode") for fragment, path, mode in said if mode is not None]
    return agreed(modes) if modes else None


def _grouped(sections: List[Statement[S]], parts: Callable[[S], Iterable[Tuple[K, V]]]) -> List[Tuple[K, List[Statement[V]]]]:
    """Group the sections' values by key."""
    found: Dict[K, List[Statement[V]]] = {}
    for section in sections:
        for key, value in parts(section.value):
            found.setdefault(key, []).append(Statement(section.fragment, value))
    return list(found.items())


def _block(items: List[Statement[Block]]) -> Block:
    defaults = [
        Statement(item.fragment, item.value.default, item.value.path + ".default")
        for item in items
        if item.value.default is not None
    ]
    return Block(
        heaviest(items)[-1].value.path,
        default=agreed(defaults) if defaults else None,
        deny=merged_entries(items, lambda block: block.deny),
        allow=merged_entries(items, lambda block: block.allow),
        dns=_dns(items),
        host=_access(items, lambda block: block.host),
        peers=_access(items, lambda block: block.peers),
    )


def merged_entries(items: List[Statement[S]], of: Callable[[S], Iterable[Entry]]) -> Tuple[Entry, ...]:
    """Merge entries per target. The heaviest fragments decide; what theirs let in adds up."""
    stated = [(entry.target, Statement(item.fragment, entry)) for item in items for entry in of(item.value)]
    return joined(item.value for _target, same in by_key(stated) for item in same)


def given(items: Iterable[Statement[S]], of: Callable[[S], Optional[V]]) -> List[Statement[V]]:
    """Return one part of the fragments' values, for the fragments that state it."""
    return [Statement(item.fragment, value) for item in items for value in [of(item.value)] if value is not None]


def _dns(items: List[Statement[Block]]) -> Optional[Sources]:
    stated = given(items, lambda block: block.dns)
    return union(item.value for item in heaviest(stated)) if stated else None


def _access(items: List[Statement[Block]], of: Callable[[Block], Optional[Access]]) -> Optional[Access]:
    said = given(items, of)
    if not said:
        return None
    verdict = agreed([Statement(item.fragment, item.value.verdict, item.value.path) for item in said])
    first = heaviest(said)
    return Access(verdict, merged_entries(first, lambda access: access.entries), first[0].value.path)
