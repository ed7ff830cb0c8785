# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Base chains of nftables beside iptables' own, from ``nft -j list ruleset``: which hook each is on, and what its rules may do. Pure.

Their rules are not walked. What they may do to a packet is told, so that a verdict is open where one of them may decide.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterator, List, NamedTuple, Set, Tuple

from ....host.system.json_values import JsonObject, mapping, text

_FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6), "bridge": (4, 6), "netdev": (4, 6)}
_IPTABLES = ("raw", "mangle", "nat", "filter", "security")
_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
STOPS, TRANSLATES, MARKS, CHANGES = "drop", "translate", "mark", "change"
_DOES = {
    "drop": STOPS, "reject": STOPS, "queue": STOPS, "synproxy": STOPS, "tproxy": CHANGES, "dnat": TRANSLATES, "redirect": TRANSLATES, "snat": TRANSLATES,
    "masquerade": TRANSLATES, "notrack": CHANGES, "fwd": CHANGES, "mangle": CHANGES,
}  # fmt: skip


class ForeignChain(NamedTuple):
    """A base chain. hook: as iptables' built-in chains are called. does: what its rules, or those that they jump to, may do."""

    family: str
    table: str
    name: str
    hook: str
    priority: int
    does: FrozenSet[str]
    device: str = ""

    def __str__(self) -> str:
        return "nftables' table %s %s, chain %s" % (self.family, self.table, self.name)

    def is_for(self, family: int) -> bool:
        return family in _FAMILIES[self.family]


def foreign_chains(ruleset: List[JsonObject]) -> List[ForeignChain]:
    """Return the base chains that may do anything to a packet. Those that only count, log or accept are left out."""
    chains = [mapping(item["chain"]) for item in ruleset if "chain" in item]
    rules: Dict[Tuple[str, str, str], List[object]] = {}
    for item in ruleset:
        if "rule" in item:
            rule = mapping(item["rule"])
            rules.setdefault(_key(rule, "chain"), []).append(rule.get("expr"))
    found = []
    for chain in chains:
        hook = text(chain.get("hook"))
        if not hook or text(chain.get("family")) not in _FAMILIES or _is_iptables(chain):
            continue
        does = frozenset(_doings(_key(chain, "name"), rules, set()))
        if text(chain.get("policy")) == "drop":
            does |= {STOPS}
        if does:
            priority, device = chain.get("prio"), chain.get("dev")
            place = priority if isinstance(priority, int) else _PRIORITIES.get(text(priority), 0)
            found.append(ForeignChain(*_key(chain, "name"), hook.upper(), place, does, device if isinstance(device, str) else ""))
    return found


def _key(item: JsonObject, name: str) -> Tuple[str, str, str]:
    return text(item.get("family")), text(item.get("table")), text(item.get(name))


def _is_iptables(chain: JsonObject) -> bool:
    family, table, name = _key(chain, "name")
    return family in ("ip", "ip6") and table in _IPTABLES and name == name.upper() and name.isalpha()


def _doings(chain: Tuple[str, str, str], rules: Dict[Tuple[str, str, str], List[object]], seen: Set[Tuple[str, str, str]]) -> Iterator[str]:
    """Yield what a chain's rules may do, and the chains that they jump to."""
    if chain in seen:
        return
    seen.add(chain)
    for expression in rules.get(chain, ()):
        for key, value in _pairs(expression):
            if key == "mangle" and not _only_traces(value):
                yield MARKS if _sets_mark(value) else CHANGES
            elif key in _DOES:
                yield _DOES[key]
            elif key in ("jump", "goto"):
                yield from _doings((chain[0], chain[1], text(mapping(value).get("target"))), rules, seen)


def _only_traces(value: object) -> bool:
    """Tell whether a statement has the kernel tell of a packet, which changes nothing in it."""
    return mapping(mapping(mapping(value).get("key")).get("meta")).get("key") == "nftrace"


def _sets_mark(value: object) -> bool:
    """Tell whether a statement sets a mark or a label of the connection, and nothing that decides about a packet's way."""
    key = mapping(mapping(value).get("key"))
    return bool(mapping(key.get("meta")) or mapping(key.get("ct")))


def _pairs(value: object) -> Iterator[Tuple[str, object]]:
    """Yield every key of nested JSON. Verdicts may be inside maps."""
    if isinstance(value, list):
        for item in value:
            yield from _pairs(item)
    for key, inner in mapping(value).items():
        yield key, inner
        if key not in ("jump", "goto"):
            yield from _pairs(inner)


def chains_on(chains: List[ForeignChain], family: int, hook: str) -> List[ForeignChain]:
    """Return the chains of IP families on a hook, in the order of their priorities."""
    fitting = [chain for chain in chains if chain.hook == hook and chain.is_for(family) and chain.family not in ("bridge", "netdev")]
    return sorted(fitting, key=lambda chain: chain.priority)


def below_ip(chains: List[ForeignChain], devices: Tuple[str, ...], is_bridged: bool) -> List[ForeignChain]:
    """Return the chains that judge frames: those of a device, and those of bridges for a frame that comes by one."""
    return [chain for chain in chains if chain.family == "netdev" and chain.device in ("", *devices) or chain.family == "bridge" and is_bridged]
