# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Zones of a host: who sends packets to it, each with addresses that stand for all of it. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Set, Tuple

from ...address import FAMILIES, IPV4, quoted
from ...engine.api.answers import Network
from ...errors import DrawbridgeError
from ...netfilter.rules.ownership import called, is_our_set
from ...netfilter.rules.saved_rule import set_names
from ...netfilter.verdict.matching.packet import spelt
from ...netfilter.verdict.snapshot.interfaces import Address, Interface, Interfaces
from ...netfilter.verdict.snapshot.routes import Lookup
from ...netfilter.verdict.snapshot.sets import SavedSet
from ...netfilter.verdict.walk.world import World
from ...policy.values import reserved_names
from .prefixes import Mentioned, Prefix, parse_prefix, prefixes_of

INTERNET, LINK, GIVEN, SET, NETWORK = "internet", "link", "given", "set", "network"
_KEYS = ("sources", "interface")
# How the names of other zones begin.
_TAKEN = ("internet", "neighbours by ", "containers of ", "list of ", "set ", "@")
# So many addresses stand for a zone of several prefixes: the first, the one in the middle, the last.
_MOST_SAMPLES = 3
# Interfaces that no packet comes in by.
_NO_ENTRANCES = ("dummy", "ifb")
# So many addresses of a network are tried before a mentioned one is taken.
_TRIED = 64
_FIRST_OCTETS = (45, 62, 77, 81, 91, 103, 134, 146, 151, 163, 177, 185, 193, 200, 212, 24, 37, 54, 66, 73, 84, 98, 109, 113, 121, 138, 144, 156, 161, 179)


class Zone(NamedTuple):
    """interface: by which its packets come; empty where the way back to the source tells it. addresses: by family, those that stand for it."""

    name: str
    kind: str
    interface: str
    addresses: Mapping[int, Sequence[str]]


class Given(NamedTuple):
    """A zone that the user named."""

    name: str
    sources: List[Prefix]
    interface: str


def parse_zones(given: Mapping[object, object], path: str = "zones") -> List[Given]:
    """Return the user's zones. Raises DrawbridgeError with the place."""
    return [_given(str(name), value, "%s.%s" % (path, name)) for name, value in given.items()]


def _given(name: str, value: object, path: str) -> Given:
    if not name or name.startswith(_TAKEN):
        raise DrawbridgeError("%s is a name of other zones" % quoted(name), path, "choose another one")
    item = value if isinstance(value, Mapping) else {"sources": value}
    for key in item:
        if key not in _KEYS:
            raise DrawbridgeError("no such key", "%s.%s" % (path, key), "keys are %s" % ", ".join(_KEYS))
    listed, interface = item.get("sources"), item.get("interface", "")
    if not isinstance(listed, list) or not listed:
        raise DrawbridgeError("a zone is a list of addresses and networks", path, "office: [203.0.113.0/24]")
    if not isinstance(interface, str):
        raise DrawbridgeError("%s is no interface" % quoted(interface), "%s.interface" % path)
    found = []
    for place, text in enumerate(listed):
        prefix = parse_prefix(str(text).strip())
        if prefix is None:
            raise DrawbridgeError("%s is no address or network" % quoted(text), "%s[%d]" % (path, place), "write 203.0.113.0/24")
        found.append(prefix)
    return Given(name, found, interface)


class Surroundings(NamedTuple):
    """A host's side of its zones. mentioned: by family. bridges: of Docker's networks. containers: the addresses that containers have.
    rules: of all tables, as texts."""

    worlds: Mapping[int, World]
    mentioned: Mapping[int, Mentioned]
    sets: Mapping[str, SavedSet]
    networks: Sequence[Network]
    containers: Set[str]
    rules: Sequence[str]

    @property
    def bridges(self) -> Set[str]:
        return {network.bridge for network in self.networks if network.bridge is not None}


def zones_of(host: Surroundings, given: Iterable[Given]) -> List[Zone]:
    """Return the zones: the internet, neighbours by each interface, the user's, those of sets that rules name, and Docker's networks."""
    return [
        _internet(host),
        *_links(host),
        *(Zone(item.name, GIVEN, item.interface, _samples(host, item.sources)) for item in given),
        *_of_sets(host),
        *_of_networks(host),
    ]


def _internet(host: Surroundings) -> Zone:
    return Zone("internet", INTERNET, "", {family: found for family, found in ((family, _far(host, family)) for family in host.worlds) if found})


def _far(host: Surroundings, family: int) -> List[str]:
    """Return a public address that the default route leads to, and that no rule and no set means. Empty if the host has no such route."""
    world, mentioned = host.worlds[family], host.mentioned[family]
    reached = [value for value in _candidates(family) if _is_far(host, world, value)]
    chosen = next((value for value in reached if not mentioned.holds(value)), next(iter(reached), None))
    return [] if chosen is None else [spelt(family, chosen)]


def _candidates(family: int) -> List[int]:
    if family == IPV4:
        return [octet << 24 | 99 << 16 | 88 << 8 | 77 for octet in _FIRST_OCTETS]
    return [(0x2A000000 + (number << 16) << 96) + 0x77 for number in range(1, 31)]


def _is_far(host: Surroundings, world: World, value: int) -> bool:
    route = world.routes.find(Lookup(value), _no)
    if route is None or route.kind != "unicast" or not route.device or route.leads_nowhere:
        return False
    return route.device not in host.bridges and not world.interfaces.is_on_link(route.device, world.family, value)


def _interfaces(host: Surroundings) -> Interfaces:
    """Return the host's interfaces, which are the same in both families."""
    return next(iter(host.worlds.values())).interfaces


def _links(host: Surroundings) -> Iterator[Zone]:
    interfaces = _interfaces(host)
    for item in interfaces.by_name.values():
        if item.is_loopback or not item.is_up or item.name in host.bridges or item.kind in _NO_ENTRANCES:
            continue
        found = {family: near for family, near in ((family, _near(host, item, family)) for family in host.worlds) if near}
        if found:
            yield Zone("neighbours by %s" % item.name, LINK, item.name, found)


def _of_networks(host: Surroundings) -> Iterator[Zone]:
    interfaces = _interfaces(host)
    for network in host.networks:
        item = interfaces.by_name.get(network.bridge or "")
        if item is not None:
            found = {family: near for family, near in ((family, _near(host, item, family)) for family in host.worlds) if near}
            if found:
                yield Zone("containers of %s" % network.name, NETWORK, item.name, found)


def _near(host: Surroundings, item: Interface, family: int) -> List[str]:
    """Return an address in the interface's network that is neither the host's nor a known container's; by preference one that nothing mentions."""
    for address in item.addresses:
        if address.family == family and address.scope in ("global", "site"):
            free = [value for value in _free(address) if not host.worlds[family].interfaces.holds(item.name, family, value)]
            free = [value for value in free if spelt(family, value) not in host.containers]
            chosen = next((value for value in free if not host.mentioned[family].holds(value)), next(iter(free), None))
            if chosen is not None:
                return [spelt(family, chosen)]
    return []


def _free(address: Address) -> Iterator[int]:
    """Yield addresses of a network from its end, without the broadcast's and the network's own."""
    first = address.value & address.mask
    bits = 32 if address.family == IPV4 else 128
    last = first | ~address.mask & (1 << bits) - 1
    spare = 0 if last - first < 2 else 1
    return iter([value for value in range(last - spare, max(first + spare, last - _TRIED) - 1, -1) if value != address.value])


def _of_sets(host: Surroundings) -> Iterator[Zone]:
    """Yield a zone for each name: both families' sets, and both generations, are one zone."""
    named: Dict[str, List[Prefix]] = {}
    for name in dict.fromkeys(name for rule in host.rules for name in set_names(rule)):
        saved = host.sets.get(name)
        if saved is not None and _is_of_users(name) and saved.kind in ("hash:ip", "hash:net"):
            named.setdefault(_shared(name), []).extend(prefixes_of(saved))
    for name, prefixes in named.items():
        # A set of everybody is no zone of its own.
        if prefixes and not any(prefix.is_everybody for prefix in prefixes):
            yield Zone(_shown(name, prefixes), SET, "", _samples(host, prefixes))


def _is_of_users(name: str) -> bool:
    """Whether a set is a user's, and none that the compiler uses by itself."""
    return not is_our_set(name) or not reserved_names.is_reserved(called(name)) or called(name).startswith(reserved_names.ANONYMOUS)


def _shared(name: str) -> str:
    """Return the name that a set's families and generations share. A set of others keeps its own, as ``set crowdsec``."""
    return called(name) if is_our_set(name) else "set %s" % name


def _shown(name: str, prefixes: Sequence[Prefix]) -> str:
    """Return a set's name as a policy writes it. A list without a name is called by its first entry."""
    if name.startswith("set "):
        return name
    if not name.startswith(reserved_names.ANONYMOUS):
        return "@%s" % name
    more = " and %d more" % (len(prefixes) - 1) if len(prefixes) > 1 else ""
    return "list of %s/%d%s" % (spelt(prefixes[0].family, prefixes[0].value), prefixes[0].length, more)


def _samples(host: Surroundings, prefixes: Iterable[Prefix]) -> Dict[int, Sequence[str]]:
    found: Dict[int, Sequence[str]] = {}
    by_family: Dict[int, List[int]] = {}
    for prefix in prefixes:
        by_family.setdefault(prefix.family, []).append(prefix.some_address)
    for family in FAMILIES:
        world = host.worlds.get(family)
        values = [value for value in by_family.get(family, ()) if world is not None and world.routes.local_type(value) == "unicast"]
        places: Tuple[int, ...] = (0, len(values) // 2, len(values) - 1)[:_MOST_SAMPLES]
        if values:
            found[family] = [spelt(family, value) for value in dict.fromkeys(values[place] for place in places)]
    return found


def _no(_words_of_it: str) -> bool:
    return False
