# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What fragments say about the ways out of containers, egress and masquerade, as one."""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterable, List, NamedTuple, Optional, Tuple

from .egress import Access, Block, Egress, Selector
from .entries import together, union
from .masquerade import Masquerade, Treatment, treatment_data
from .model import Entry, Sources
from .weights import Stated, agreed, by_key, heaviest


def merge_masquerade(sections: List[Stated]) -> Optional[Masquerade]:
    """Each network, each subnet, and all: what the heaviest say, who have to agree."""
    if not sections:
        return None
    found: Dict[Tuple[str, Any], Treatment] = {}
    for key, items in _grouped(sections, _treatments):
        agreed([Stated(item.fragment, treatment_data(item.value), item.value.path) for item in items])
        found[key] = heaviest(items)[0].value
    return Masquerade(
        sections[-1].value.path,
        found.get(("all", None)),
        {name: said for (kind, name), said in found.items() if kind == "network"},
        {subnet: said for (kind, subnet), said in found.items() if kind == "subnet"},
    )


def _treatments(masquerade: Masquerade) -> Iterable[Tuple[Hashable, Treatment]]:
    if masquerade.everything is not None:
        yield ("all", None), masquerade.everything
    for name, treatment in masquerade.networks.items():
        yield ("network", name), treatment
    for subnet, treatment in masquerade.subnets.items():
        yield ("subnet", subnet), treatment


def merge_egress(sections: List[Stated]) -> Optional[Egress]:
    """Block by block. Containers' blocks come in the order in which the fragments, the heaviest first, have them."""
    if not sections:
        return None
    networks: Dict[str, Block] = {}
    for name, items in _grouped(sections, lambda egress: egress.networks.items()):
        networks[name] = _block(items)
    containers: Dict[Selector, Block] = {}
    by_weight = sorted(sections, key=lambda section: -section.fragment.weight)
    for selector, items in _grouped(by_weight, lambda egress: egress.containers.items()):
        containers[selector] = _block(items)
    general = _block([Stated(section.fragment, section.value.general) for section in sections])
    return Egress(general, networks, containers)


class _Group(NamedTuple):
    key: Any
    items: List[Stated]


def _grouped(sections: List[Stated], parts: Any) -> List[_Group]:
    """All that the sections say about each key."""
    found: Dict[Any, List[Stated]] = {}
    for section in sections:
        for key, value in parts(section.value):
            found.setdefault(key, []).append(Stated(section.fragment, value))
    return [_Group(key, items) for key, items in found.items()]


def _block(items: List[Stated]) -> Block:
    defaults = [
        Stated(item.fragment, item.value.default, item.value.path + ".default")
        for item in items
        if item.value.default is not None
    ]
    return Block(
        heaviest(items)[-1].value.path,
        default=agreed(defaults) if defaults else None,
        deny=_entries(items, "deny"),
        allow=_entries(items, "allow"),
        dns=_dns(items),
        host=_access(items, "host"),
        peers=_access(items, "peers"),
    )


def _entries(items: List[Stated], key: str) -> Tuple[Entry, ...]:
    stated = [(entry.target, Stated(item.fragment, entry)) for item in items for entry in getattr(item.value, key)]
    return tuple(together([item.value for item in same]) for _target, same in by_key(stated))


def _dns(items: List[Stated]) -> Optional[Sources]:
    stated = [item for item in items if item.value.dns is not None]
    return union(item.value.dns for item in heaviest(stated)) if stated else None


def _access(items: List[Stated], key: str) -> Optional[Access]:
    said = [Stated(item.fragment, getattr(item.value, key)) for item in items if getattr(item.value, key) is not None]
    if not said:
        return None
    verdict = agreed([Stated(item.fragment, item.value.verdict, item.value.path) for item in said])
    first = heaviest(said)
    entries = [(entry.target, Stated(item.fragment, entry)) for item in first for entry in item.value.entries]
    merged = tuple(together([item.value for item in same]) for _target, same in by_key(entries))
    return Access(verdict, merged, first[0].value.path)
