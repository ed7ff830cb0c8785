# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host's routing: rules and routes of one family, as ``ip -j`` prints them, and which of them a packet takes. Pure."""

from __future__ import annotations

from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from ....address import IPV4, number
from ....host.system.json_values import JsonObject, objects, text

# Answers an open question: words of what is not known.
Ask = Callable[[str], bool]
_BITS = {4: 32, 6: 128}
_NO_WAY = ("unreachable", "blackhole", "prohibit")
# What a rule may ask beside these is not modelled.
_RULE_KEYS = frozenset((
    "priority", "src", "srclen", "dst", "dstlen", "iif", "iif_detached", "oif", "oif_detached", "fwmark", "fwmask", "table", "not", "action", "protocol",
    "suppress_prefixlen", "suppress_prefixlength", "flags", "l3mdev",
))  # fmt: skip
_TABLES = {"255": "local", "254": "main", "253": "default"}


class Lookup(NamedTuple):
    """A question to the routing. iif: empty for packets of the host itself. mark: None if unknown."""

    destination: int
    source: Optional[int] = None
    iif: str = ""
    oif: str = ""
    mark: Optional[int] = 0


class Route(NamedTuple):
    """kind: local, unicast, broadcast, unreachable, ... source: the address that the host takes by this route, None if the route does not say.
    is_hop: whether the kernel chooses between this and others."""

    kind: str
    network: str
    device: str
    table: str
    gateway: str = ""
    source: Optional[int] = None
    metric: int = 0
    is_hop: bool = False

    def __str__(self) -> str:
        named = [("via", self.gateway), ("dev", self.device)]
        words = ["" if self.kind == "unicast" else self.kind, self.network, *("%s %s" % item for item in named if item[1])]
        return " ".join([word for word in words if word] + ["table", self.table])

    @property
    def leads_nowhere(self) -> bool:
        return self.kind in _NO_WAY


# Routes of one table, by prefix length and network. The longest prefix is first.
_Table = List[Tuple[int, Dict[int, List[Route]]]]


class Routes:
    """One family's routing."""

    def __init__(self, family: int, rules: List[JsonObject], routes: List[JsonObject]) -> None:
        self.family = family
        self._bits = _BITS[family]
        self._tables: Dict[str, _Table] = self._by_table(routes)
        usual = [{"priority": 0, "table": "local"}, {"priority": 32766, "table": "main"}, {"priority": 32767, "table": "default"}]
        listed: List[JsonObject] = rules or [dict(rule) for rule in usual]
        self._rules = sorted(listed, key=_priority)

    def find(self, asked: Lookup, ask: Ask) -> Optional[Route]:
        """Return the route of a packet; None without any."""
        for rule in self._rules:
            if not self._applies(rule, asked, ask):
                continue
            if text(rule.get("action")) in _NO_WAY:
                return Route(text(rule.get("action")), "default", "", "rule %s" % rule.get("priority"))
            found = next(self._in_table(_table_name(rule), asked, ask), None)
            if found is None or found.kind == "throw" or _is_suppressed(rule, found):
                continue
            return found
        return None

    def local_type(self, address: int, device: str = "") -> str:
        """Return an address's type by the table local: local, broadcast, multicast or unicast. device: only by routes of this one."""
        if self.family == IPV4:
            if address >> 24 == 0 or address == 0xFFFFFFFF:
                return "broadcast"
            if address >> 28 == 0xE:
                return "multicast"
        asked = Lookup(address, oif=device)
        return next((route.kind for route in self._in_table("local", asked, lambda words: False)), "unicast")

    def networks(self) -> Set[str]:
        """Return the networks that routes lead to, and those that rules ask for, as ``ip`` prints them."""
        found = {route.network for table in self._tables.values() for _length, networks in table for same in networks.values() for route in same}
        for rule in self._rules:
            for key in ("src", "dst"):
                network, length = text(rule.get(key)) or "all", rule.get(key + "len")
                if network != "all":
                    found.add("%s/%d" % (network, length) if isinstance(length, int) else network)
        return found

    def _by_table(self, routes: List[JsonObject]) -> Dict[str, _Table]:
        found: Dict[str, Dict[int, Dict[int, List[Route]]]] = {}
        for item in routes:
            for route, value, length in self._routes(item):
                found.setdefault(route.table, {}).setdefault(length, {}).setdefault(value, []).append(route)
        for lengths in found.values():
            for networks in lengths.values():
                for same in networks.values():
                    same.sort(key=lambda route: route.metric)
        return {table: sorted(lengths.items(), reverse=True) for table, lengths in found.items()}

    def _routes(self, item: JsonObject) -> Iterator[Tuple[Route, int, int]]:
        flags = item.get("flags")
        if isinstance(flags, list) and "dead" in flags:
            return
        network = text(item.get("dst")) or "default"
        address, _slash, length = network.partition("/")
        value, prefix = (0, 0) if network == "default" else (number(address)[0], int(length) if length else self._bits)
        source, metric = text(item.get("prefsrc")), item.get("metric")
        table = str(item.get("table", "main"))
        hops = objects(item.get("nexthops"))
        for hop in hops or [item]:
            route = Route(
                text(item.get("type")) or "unicast", network, text(hop.get("dev")), _TABLES.get(table, table), text(hop.get("gateway")),
                number(source)[0] if source else None, metric if isinstance(metric, int) else 0, bool(hops),
            )  # fmt: skip
            yield route, value >> (self._bits - prefix), prefix

    def _in_table(self, table: str, asked: Lookup, ask: Ask) -> Iterator[Route]:
        """Yield the routes that fit, best first."""
        for length, networks in self._tables.get(table, ()):
            fitting = [route for route in networks.get(asked.destination >> (self._bits - length), ()) if not asked.oif or route.device == asked.oif]
            if fitting:
                yield _chosen(fitting, ask)

    def _applies(self, rule: JsonObject, asked: Lookup, ask: Ask) -> bool:
        if "l3mdev" in rule:
            # VRFs are told before any routing.
            return False
        strange = sorted(set(rule) - _RULE_KEYS)
        held = [self._is_in(rule, "src", asked.source), self._is_in(rule, "dst", asked.destination), _is_from(rule, asked), _is_marked(rule, asked.mark)]
        if False in held:
            return "not" in rule
        if strange or None in held:
            return ask("routing rule %s (%s)" % (rule.get("priority"), ", ".join(strange) or "what is not known of the packet"))
        return "not" not in rule

    def _is_in(self, rule: JsonObject, key: str, value: Optional[int]) -> Optional[bool]:
        network = text(rule.get(key)) or "all"
        if network == "all":
            return True
        if value is None:
            # A packet of the host has no source yet.
            return False
        length = rule.get(key + "len")
        shift = self._bits - (length if isinstance(length, int) else self._bits)
        return value >> shift == number(network)[0] >> shift


def _chosen(fitting: List[Route], ask: Ask) -> Route:
    """Return the best route. The kernel chooses between next hops by a hash: each of them may be it."""
    best = fitting[0]
    if best.is_hop:
        hops = [route for route in fitting if route.is_hop and route.metric == best.metric]
        return next((route for route in hops[:-1] if ask("the next hop is %s" % str(route))), hops[-1])
    return best


def _priority(rule: JsonObject) -> int:
    priority = rule.get("priority")
    return priority if isinstance(priority, int) else 0


def _table_name(rule: JsonObject) -> str:
    table = str(rule.get("table", "main"))
    return _TABLES.get(table, table)


def _is_suppressed(rule: JsonObject, route: Route) -> bool:
    most = rule.get("suppress_prefixlen", rule.get("suppress_prefixlength"))
    length = 0 if route.network == "default" else int(route.network.partition("/")[2] or 128)
    return isinstance(most, int) and length <= most


def _is_from(rule: JsonObject, asked: Lookup) -> bool:
    iif, oif = text(rule.get("iif")), text(rule.get("oif"))
    return (not iif or iif == (asked.iif or "lo")) and (not oif or oif == asked.oif)


def _is_marked(rule: JsonObject, mark: Optional[int]) -> Optional[bool]:
    if "fwmark" not in rule:
        return True
    if mark is None:
        return None
    wanted = int(str(rule["fwmark"]), 0)
    mask = int(str(rule["fwmask"]), 0) if "fwmask" in rule else 0xFFFFFFFF
    return mark & mask == wanted & mask
