# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whom the policy on a host lets in, as its rules say it, for a comparison with who gets in. Pure."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Tuple

from ...address import number
from ...host.system.json_values import objects
from ...netfilter.rules.ownership import called
from ...netfilter.verdict.snapshot.sets import SavedSet
from ...policy.readback.limit_words import unlimited
from ...policy.readback.rules_to_policy import BY, EVERYWHERE, UNTIL
from ...policy.values.values import ANY
from ..report import Value, said_by
from ..survey import Survey
from .prefixes import Prefix, parse_prefix, prefixes_of
from .reach import Cell
from .targets import FAMILY_NAME, Target

# Family, address, port, protocol.
_Place = Tuple[object, object, object, object]


class Policy:
    """The policy on published ports. facts: what docker_firewall_info returns. sets: of the snapshot."""

    def __init__(self, found: Survey, facts: Value, sets: Mapping[str, SavedSet]) -> None:
        self._sources: Dict[_Place, Optional[List[str]]] = {_place(item): _texts(item.get("sources")) for item in objects(facts["published_ports"])}
        self._denied: Dict[_Place, List[str]] = {_place(item): _texts(item.get("denied_sources")) or [] for item in objects(facts["published_ports"])}
        self._outside = {family: said.outside for family, said in said_by(found.rulesets, {}).items()}
        self._sets: Dict[str, List[Prefix]] = {}
        for name, saved in sets.items():
            self._sets.setdefault("@" + called(name), []).extend(prefixes_of(saved))

    def judges(self, cell: Cell) -> bool:
        """Whether the guard judges the cell's published port."""
        return self._of(cell.target) is not None

    def allows(self, cell: Cell) -> bool:
        """Whether the policy lets the cell's packet in, or says nothing about it."""
        sources = self._of(cell.target)
        outside = self._outside.get(cell.target.family, ())
        interface = str(cell.asked.get("interface", ""))
        if sources is None or outside and EVERYWHERE not in outside and not any(_is_named(interface, name) for name in outside):
            return True
        value, bits = number(str(cell.asked["from"]))
        family = 4 if bits == 32 else 6
        if self._holds(self._denied.get(_place_of(cell.target), []), family, value):
            return False
        ways = (unlimited(source).partition(UNTIL)[0].partition(BY) for source in sources)
        named = [name for name, by, way in ways if not by or _is_named(interface, way)]
        return ANY in named or self._holds(named, family, value)

    def _holds(self, sources: List[str], family: int, value: int) -> bool:
        return any(prefix.family == family and prefix.holds(value) for source in sources for prefix in self._prefixes(source))

    def _of(self, target: Target) -> Optional[List[str]]:
        return self._sources.get(_place_of(target))

    def _prefixes(self, source: str) -> List[Prefix]:
        if source in self._sets:
            return self._sets[source]
        prefix = parse_prefix(source)
        return [] if prefix is None else [prefix]


def _place_of(target: Target) -> _Place:
    return FAMILY_NAME[target.family], target.address, target.port, target.protocol


def _place(item: Mapping[str, object]) -> _Place:
    return item.get("family"), item.get("address"), item.get("port"), item.get("protocol")


def _texts(value: object) -> Optional[List[str]]:
    return [str(item) for item in value] if isinstance(value, list) else None


def _is_named(interface: str, name: str) -> bool:
    return interface.startswith(name[:-1]) if name.endswith("+") else interface == name
