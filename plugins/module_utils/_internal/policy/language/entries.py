# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The entries of ``allow``: a port and the sources that may reach it."""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ...address import FAMILIES, parse_network, quoted
from ...errors import DrawbridgeError
from . import check
from .addresses import parse_addresses, refuse
from .reserved_names import set_name
from .values import ICMP, MODES, HostAddress, Ports, SetReference, Sources, Target

WITH_PORTS = ("tcp", "udp", "sctp")
ENTRY_KEYS: check.Keys = {"port": "port", "protocol": "protocol", "address": "host_address", "sources": "sources", "comment": "comment"}
MODE: check.Keys = {"mode": "mode"}
# Long enough for a sentence. Short enough for a rule that has the comments of several fragments.
MAX_COMMENT = 80
PORTS = re.compile(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?\Z")
_UNSPECIFIED = ("0.0.0.0", "::")


class Entry(NamedTuple):
    """A target and the sources that may reach it. comments: the user's comments, each quoted as in a rule. mode: whether others are denied, or
    only told of; None for what the section says."""

    target: Target
    sources: Sources
    path: str
    comments: Tuple[str, ...] = ()
    mode: Optional[str] = None


def parse_entries(value: object, path: str, protocols: Sequence[str], has_mode: bool = False) -> Tuple[Entry, ...]:
    """Parse the list under ``allow``. Entries with the same target are merged: their sources add up. has_mode: whether an entry may have a mode."""
    found: Dict[Target, Entry] = {}
    for index, item in enumerate(check.sequence(value, path)):
        entry = _entry(item, "%s[%d]" % (path, index), protocols, {**ENTRY_KEYS, **MODE} if has_mode else ENTRY_KEYS)
        known = found.get(entry.target)
        found[entry.target] = entry if known is None else together([known, entry])
    return tuple(found.values())


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


def _entry(item: object, path: str, protocols: Sequence[str], keys: check.Keys) -> Entry:
    given = check.mapping(item, path, keys)
    protocol = given.get("protocol", "tcp")
    protocol = check.choice(protocol.lower() if isinstance(protocol, str) else protocol, path + ".protocol", protocols)
    if "sources" not in given:
        raise DrawbridgeError("an entry needs sources", path, "sources: [any] lets everybody in")
    address = parse_host_address(given["address"], path + ".address") if "address" in given else None
    target = Target(protocol, _entry_ports(given, protocol, path), address)
    sources = parse_sources(given["sources"], path + ".sources")
    if address is not None and any(sources.addresses.values()) and not _may_be(address.family, sources):
        raise DrawbridgeError("none of these is IPv%d, which the address is" % address.family, path + ".sources")
    return Entry(target, sources, path, _comments(given, path), parse_mode(given, path))


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
