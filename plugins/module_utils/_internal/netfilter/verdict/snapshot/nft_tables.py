# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables of nftables, from ``nft -j list ruleset``: chains, rules, sets and maps as they are printed. Pure."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Tuple

from ....host.system.json_values import JsonObject, mapping, objects, text

# nft prints a priority as a number. Some releases print the name.
_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
# What an active table's flags may be. nft 1.0.6 prints another word for any flag.
_ACTIVE = frozenset(("owner", "persist"))
_OURS = "drawbridge-"


class NftBase(NamedTuple):
    """A chain on a hook. kind: filter, nat or route. hook: as iptables' built-in chains are called. device: of netdev chains."""

    name: str
    kind: str
    hook: str
    priority: int
    drops: bool
    device: str


class NftRule(NamedTuple):
    """number: its place in the chain, from 1. statements: in order. comment: empty without one."""

    number: int
    statements: List[JsonObject]
    comment: str


class NftSet(NamedTuple):
    """A set, or a map. elements: as printed, a map's are pairs."""

    is_map: bool
    elements: List[object]


class NftTable:
    """One table. is_doubtful: nft does not tell whether it is dormant."""

    def __init__(self, family: str, name: str, is_doubtful: bool) -> None:
        self.family = family
        self.name = name
        self.is_doubtful = is_doubtful
        self.bases: List[NftBase] = []
        self.chains: Dict[str, List[NftRule]] = {}
        self.sets: Dict[str, NftSet] = {}
        # Named limits, and whether each matches what is over it.
        self.limits: Dict[str, bool] = {}

    def __str__(self) -> str:
        return "%s %s" % (self.family, self.name)

    @property
    def changed_sets(self) -> List[str]:
        """The names of sets that rules change."""
        found = (mapping(statement.get(word)) for rules in self.chains.values() for rule in rules for statement in rule.statements for word in ("set", "map"))
        return [text(item.get("set") or item.get("map")).lstrip("@") for item in found if "op" in item]


def read_tables(ruleset: List[JsonObject]) -> List[NftTable]:
    """Return the tables that are not dormant."""
    tables: Dict[Tuple[str, str], NftTable] = {}
    dormant = set()
    for item in ruleset:
        if "table" in item:
            table = mapping(item["table"])
            key = text(table.get("family")), text(table.get("name"))
            flags = set(listed(table.get("flags", [])))
            if "dormant" in flags:
                dormant.add(key)
            tables[key] = NftTable(*key, bool(flags - _ACTIVE) and not key[1].startswith(_OURS))
    for item in ruleset:
        for kind, value in item.items():
            found = mapping(value)
            key = text(found.get("family")), text(found.get("table"))
            if key[1]:
                _add(tables.setdefault(key, NftTable(*key, False)), kind, found)
    return [table for key, table in tables.items() if key not in dormant]


def _add(table: NftTable, kind: str, found: JsonObject) -> None:
    name = text(found.get("name"))
    if kind == "chain":
        table.chains.setdefault(name, [])
        if text(found.get("hook")):
            priority, device = found.get("prio"), found.get("dev")
            place = priority if isinstance(priority, int) else _PRIORITIES.get(text(priority), 0)
            drops = text(found.get("policy")) == "drop"
            table.bases.append(NftBase(name, text(found.get("type")), text(found.get("hook")).upper(), place, drops, text(device)))
    elif kind == "rule":
        rules = table.chains.setdefault(text(found.get("chain")), [])
        rules.append(NftRule(len(rules) + 1, objects(found.get("expr")), text(found.get("comment"))))
    elif kind in ("set", "map"):
        table.sets[name] = NftSet(kind == "map", listed(found.get("elem", [])))
    elif kind == "limit":
        table.limits[name] = found.get("inv") is True


def listed(value: object) -> List[object]:
    """Return a list's items. Some releases of nft print a list of one as its item."""
    return value if isinstance(value, list) else [value]


def reachable(table: NftTable, chain: str) -> Iterator[NftRule]:
    """Yield the rules of a chain and of the chains that it leads to."""
    waiting, seen = [chain], {chain}
    while waiting:
        for rule in table.chains.get(waiting.pop(), ()):
            yield rule
            for target in _targets(rule.statements, table):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)


def _targets(value: object, table: NftTable) -> Iterator[str]:
    """Yield the chains that statements name. Verdicts may be inside maps."""
    if isinstance(value, list):
        for item in value:
            yield from _targets(item, table)
    for key, inner in mapping(value).items():
        if key in ("jump", "goto"):
            yield text(mapping(inner).get("target"))
        elif key == "data" and isinstance(inner, str):
            named = table.sets.get(inner.lstrip("@"))
            yield from _targets(named.elements if named is not None else [], table)
        else:
            yield from _targets(inner, table)


def pairs(value: object) -> Iterator[Tuple[str, object]]:
    """Yield every key of nested JSON, with its value."""
    if isinstance(value, list):
        for item in value:
            yield from pairs(item)
    for key, inner in mapping(value).items():
        yield key, inner
        yield from pairs(inner)
