# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The entries of ``allow``: a port, the sources that may reach it, and the interfaces by which they have to come. Zones name both together."""

from __future__ import annotations

import re
from typing import Dict, Hashable, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...address import FAMILIES, parse_network, quoted
from ...errors import DrawbridgeError, did_you_mean
from . import check, named_containers
from .addresses import parse_addresses, refuse
from .limits import Limit, parse_limit
from .members import parse_time
from .reserved_names import set_name, zone_name
from .values import EVERYBODY, ICMP, MODES, HostAddress, NamedInterface, Ports, SetReference, Sources, Target, ZoneReference

WITH_PORTS = ("tcp", "udp", "sctp")
ENTRY_KEYS: check.Keys = {"port": "port", "protocol": "protocol", "address": "host_address", "sources": "sources", "comment": "comment"}
MODE: check.Keys = {"mode": "mode"}
UNTIL: check.Keys = {"until": "time"}
WAYS: check.Keys = {"interfaces": "some_interfaces", "zones": "zone_names"}
ZONE_KEYS: check.Keys = {"interfaces": "some_interfaces", "sources": "sources"}
# Long enough for a sentence. Short enough for a rule that has the comments of several fragments.
MAX_COMMENT = 80
PORTS = re.compile(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?\Z")
_UNSPECIFIED = ("0.0.0.0", "::")


class Entry(NamedTuple):
    """A target and the sources that may reach it. comments: the user's comments, each quoted as in a rule. mode: whether others are denied, or
    only told of; None for what the section says. interfaces: by one of these the packet has to come in; none means by any. zone: names
    interfaces and sources together, and is looked up once all zones are known. until: the time at which the entry ends, if it does. limit: of each
    source's connections; None for any number."""

    target: Target
    sources: Sources
    path: str
    comments: Tuple[str, ...] = ()
    mode: Optional[str] = None
    interfaces: Tuple[NamedInterface, ...] = ()
    zone: Optional[ZoneReference] = None
    until: Optional[str] = None
    limit: Optional[Limit] = None

    @property
    def lets_everybody_in(self) -> bool:
        """Whether everybody reaches the target by every interface, for good, as often as they like."""
        return self.sources.everybody and not self.interfaces and self.until is None and self.limit is None


class Zone(NamedTuple):
    """Who comes in by one of the interfaces, or by any if there are none, and is one of the sources."""

    name: str
    interfaces: Tuple[NamedInterface, ...]
    sources: Sources
    path: str

    @property
    def meaning(self) -> Hashable:
        """What two zones have in common that are the same but for their places."""
        addresses = tuple(self.sources.addresses[family] for family in FAMILIES)
        return _names(self.interfaces), self.sources.everybody, addresses, tuple(reference.name for reference in self.sources.sets)


def parse_entries(value: object, path: str, protocols: Sequence[str], more: Optional[check.Keys] = None) -> Tuple[Entry, ...]:
    """Parse the list under ``allow``. Entries with the same target, way in, end and limit are merged: their sources add up. more: the keys that an entry may
    have besides."""
    keys = {**ENTRY_KEYS, **(more or {})}
    listed = enumerate(check.sequence(value, path))
    return joined(entry for index, item in listed for entry in _entries(item, "%s[%d]" % (path, index), protocols, keys))


def joined(entries: Iterable[Entry]) -> Tuple[Entry, ...]:
    """Merge entries with the same target, way in, end and limit. Entries with the same target get one mode."""
    found: Dict[Target, List[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.target, []).append(entry)
    return tuple(entry for same in found.values() for entry in (same if len(same) == 1 else _joined(same)))


def _joined(entries: List[Entry]) -> List[Entry]:
    mode = _common_mode(entries)
    found: Dict[Hashable, List[Entry]] = {}
    for entry in entries:
        found.setdefault((_names(entry.interfaces), entry.zone and entry.zone.name, entry.until, entry.limit), []).append(entry)
    return [together(same)._replace(mode=mode) for same in found.values()]


def _names(interfaces: Iterable[NamedInterface]) -> Tuple[str, ...]:
    return tuple(interface.name for interface in interfaces)


def together(entries: List[Entry]) -> Entry:
    """Merge entries with one target: all their sources and comments. The path is that of the first."""
    first = entries[0]
    if len(entries) == 1:
        return first
    comments = dict.fromkeys(comment for entry in entries for comment in entry.comments)
    return first._replace(sources=union(entry.sources for entry in entries), comments=tuple(comments), mode=_common_mode(entries))


def _common_mode(entries: List[Entry]) -> Optional[str]:
    stated = [entry for entry in entries if entry.mode is not None]
    for entry in stated[1:]:
        if entry.mode != stated[0].mode:
            raise DrawbridgeError("%s here, but %s in %s, about the same port" % (entry.mode, stated[0].mode, stated[0].path), entry.path + ".mode")
    return stated[0].mode if stated else None


def union(parts: Iterable[Sources]) -> Sources:
    """Return the sources of all parts together."""
    listed = list(parts)
    sets = {reference.name: reference for part in reversed(listed) for reference in reversed(part.sets)}
    return Sources(
        everybody=any(part.everybody for part in listed),
        addresses={family: frozenset().union(*(part.addresses[family] for part in listed)) for family in FAMILIES},
        sets=tuple(sorted(sets.values())),
    )


def _entries(item: object, path: str, protocols: Sequence[str], keys: check.Keys) -> List[Entry]:
    """Return one entry, or one for each zone that it names."""
    given = check.mapping(item, path, keys)
    protocol = given.get("protocol", "tcp")
    protocol = check.choice(protocol.lower() if isinstance(protocol, str) else protocol, path + ".protocol", protocols)
    zones = _zones(given, path) if "zones" in given else []
    if not zones and "sources" not in given and "interfaces" not in given:
        raise DrawbridgeError("an entry needs sources", path, "sources: [any] lets everybody in")
    address = parse_host_address(given["address"], path + ".address") if "address" in given else None
    chosen = named_containers.parse_chosen(given, path) if named_containers.is_by_name(given) else None
    target = Target(protocol, _entry_ports(given, protocol, path) if chosen is None else _container_port(given, protocol, path), address, chosen)
    sources = parse_sources(given["sources"], path + ".sources") if "sources" in given else EVERYBODY
    if address is not None and any(sources.addresses.values()) and not _may_be(address.family, sources):
        raise DrawbridgeError("none of these is IPv%d, which the address is" % address.family, path + ".sources")
    entry = Entry(
        target, sources, path, _comments(given, path), parse_mode(given, path), _interfaces(given, path),
        until=parse_time(given["until"], path + ".until") if "until" in given else None, limit=_limit(given, path))
    return [entry._replace(zone=zone) for zone in zones] or [entry]


def _limit(given: Dict[str, object], path: str) -> Optional[Limit]:
    return parse_limit(given["limit"], path + ".limit") if "limit" in given else None


def _interfaces(given: Dict[str, object], path: str) -> Tuple[NamedInterface, ...]:
    """Return the interfaces by name, each once."""
    if "interfaces" not in given:
        return ()
    place = path + ".interfaces"
    named = {name: NamedInterface(name, "%s[%d]" % (place, index)) for index, name in enumerate(check.interfaces(given["interfaces"], place))}
    if not named:
        # An empty list would read as "by none" and mean "by any".
        raise DrawbridgeError("the list is empty", place, "leave the key out: then packets may come in by any interface; sources: [] lets nobody in")
    return tuple(sorted(named.values()))


def _zones(given: Dict[str, object], path: str) -> List[ZoneReference]:
    for key in ("sources", "interfaces"):
        if key in given:
            raise DrawbridgeError("zones and %s are in one entry" % key, path, "write two entries: what they let in adds up")
    place = path + ".zones"
    found = [
        ZoneReference(zone_name(item, "%s[%d]" % (place, index)), "%s[%d]" % (place, index)) for index, item in enumerate(check.sequence(given["zones"], place))
    ]
    if not found:
        raise DrawbridgeError("the list is empty", place, "sources: [] lets nobody in")
    return found


def parse_zones(value: object, path: str) -> Tuple[Zone, ...]:
    """Parse a policy's ``zones``."""
    found = []
    for key, item in check.any_mapping(value, path).items():
        name = zone_name(key, path)
        place = "%s.%s" % (path, name)
        given = check.mapping(item, place, ZONE_KEYS)
        if not given:
            raise DrawbridgeError("a zone needs interfaces, sources or both", place, "interfaces: [wg0]")
        sources = parse_sources(given["sources"], place + ".sources") if "sources" in given else EVERYBODY
        found.append(Zone(name, _interfaces(given, place), sources, place))
    return tuple(found)


def with_zones(entries: Tuple[Entry, ...], zones: Mapping[str, Zone]) -> Tuple[Entry, ...]:
    """Return entries that say by interfaces and sources what they said by zones. Raises DrawbridgeError for a zone that is not there."""
    if all(entry.zone is None for entry in entries):
        return entries
    return joined(_with_zone(entry, zones) for entry in entries)


def _with_zone(entry: Entry, zones: Mapping[str, Zone]) -> Entry:
    if entry.zone is None:
        return entry
    zone = zones.get(entry.zone.name)
    if zone is None:
        hint = did_you_mean(entry.zone.name, zones) or "define it under zones, with interfaces, sources or both"
        raise DrawbridgeError("unknown zone %s" % quoted(entry.zone.name), entry.zone.path, hint)
    return entry._replace(interfaces=zone.interfaces, sources=zone.sources, zone=None)


def parse_mode(given: Dict[str, object], path: str) -> Optional[str]:
    """Parse ``mode`` of a section or an entry."""
    return check.choice(given["mode"], path + ".mode", MODES) if "mode" in given else None


def _comments(given: Dict[str, object], path: str) -> Tuple[str, ...]:
    if "comment" not in given:
        return ()
    # Most policies have none.
    from ...netfilter.rules.fields import text_value  # pylint: disable=import-outside-toplevel

    return (text_value(given["comment"], path + ".comment", MAX_COMMENT),)


def _may_be(family: int, sources: Sources) -> bool:
    return sources.everybody or bool(sources.sets or sources.addresses[family])


def _entry_ports(given: Dict[str, object], protocol: str, path: str) -> Optional[Ports]:
    if protocol == ICMP:
        if "port" in given:
            raise DrawbridgeError("icmp has no ports", path + ".port")
        return None
    if "port" not in given:
        raise DrawbridgeError("an entry needs a port", path)
    return parse_ports(given["port"], path + ".port")


def _container_port(given: Dict[str, object], protocol: str, path: str) -> Ports:
    if protocol == ICMP:
        raise DrawbridgeError("icmp has no ports", path + ".container_port")
    ports = parse_ports(given["container_port"], path + ".container_port")
    if ports.first != ports.last:
        raise DrawbridgeError("expected one port of the container, got a range", path + ".container_port", "write an entry for each port")
    return ports


def parse_ports(value: object, path: str) -> Ports:
    """Parse a port, or a range like ``8000-8010``."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise DrawbridgeError("expected a port or a range of ports, got %s" % check.kind(value), path)
    match = PORTS.match(str(value))
    if match is None:
        # Docker writes host:container. Read as a range, it would open every port in between.
        alone = "write the port that is dialled alone, 8080, or a range as 8000-8010" if ":" in str(value) else "443 or 8000-8010"
        raise DrawbridgeError("%s is not a port or a range of ports" % quoted(value), path, alone)
    first, last = int(match.group(1)), int(match.group(2) or match.group(1))
    if not 1 <= first <= 65535 or not 1 <= last <= 65535:
        raise DrawbridgeError("%s: ports are from 1 to 65535" % quoted(value), path)
    if first > last:
        raise DrawbridgeError("%s: the range ends before it begins" % quoted(value), path)
    return Ports(first, last)


def parse_host_address(value: object, path: str) -> HostAddress:
    """Parse an address of the host. 0.0.0.0 and :: stand for all addresses of their family."""
    if not isinstance(value, str):
        raise DrawbridgeError("expected an address of the host, got %s" % check.kind(value), path)
    network = parse_network(value, path)
    if not network.is_host or "/" in value:
        raise DrawbridgeError("%s: expected a single address of the host, not a network" % quoted(value), path)
    return HostAddress(network.family, None if network.address in _UNSPECIFIED else network.address)


def parse_denied(value: object, path: str) -> Sources:
    """Parse a list of those who get nothing: addresses, networks and ``@name``. An empty list means nobody."""
    listed = check.sequence(value, path)
    for index, item in enumerate(listed):
        if isinstance(item, str) and item.lower() == "any":
            raise DrawbridgeError("any would deny everybody", "%s[%d]" % (path, index), "default: deny without entries closes every port")
    return parse_sources(listed, path)


def parse_sources(value: object, path: str) -> Sources:
    """Parse a list of addresses, networks, ``@name`` and ``any``."""
    if isinstance(value, str):
        raise DrawbridgeError("expected a list, got %s" % check.kind(value), path, "sources: [any]")
    sets: List[SetReference] = []
    everybody: List[str] = []

    def other(item: object, place: str) -> None:
        if isinstance(item, str) and item.startswith("@"):
            sets.append(SetReference(set_name(item[1:], place), place))
        elif isinstance(item, str) and item.lower() == "any":
            everybody.append(place)
        else:
            refuse(item, place)

    addresses = parse_addresses(check.sequence(value, path), path, other)
    return union([Sources(bool(everybody), addresses, tuple(sets))])
