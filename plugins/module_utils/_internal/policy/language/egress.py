# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy's ``egress`` and ``host_egress``: where containers may connect to, for all, per Docker network, per container; and where the host itself may."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from ...address import in_a_set, parse_network, quoted
from ...errors import DrawbridgeError
from ..values import check
from ..values.entries import WITH_PORTS, Entry, parse_mode, parse_ports, parse_sources, together
from ..values.named_containers import LABEL
from ..values.values import ALLOW, ANY, DENY, EVERYBODY, ICMP, OBSERVE, Sources, Target
from .masquerade import network_name

PROTOCOLS = (*WITH_PORTS, ICMP, ANY)
BLOCK_KEYS: check.Keys = {
    "default": "verdict", "deny": "egress_entries", "allow": "egress_entries", "dns": "dns", "host": "egress_host", "peers": "egress_peers",
}
EGRESS_KEYS: check.Keys = {**BLOCK_KEYS, "networks": "egress_networks", "containers": "egress_containers", "mode": "mode"}
HOST_EGRESS_KEYS: check.Keys = {**{key: BLOCK_KEYS[key] for key in ("default", "deny", "allow", "dns")}, "mode": "mode"}
SELECTORS: check.Keys = {"name": "egress_selector", "label": "egress_selector", "address": "network"}
ENTRY_KEYS: check.Keys = {"destination": "destinations", "port": "port", "protocol": "egress_protocol"}
HOST_ENTRY_KEYS: check.Keys = {key: kind for key, kind in ENTRY_KEYS.items() if key != "destination"}
NOBODY = Sources(False, {4: frozenset(), 6: frozenset()})


class Access(NamedTuple):
    """Access to something. Verdict allow permits all of it; verdict deny permits the entries only."""

    verdict: str
    entries: Tuple[Entry, ...]
    path: str


class Block(NamedTuple):
    """The destinations that some containers may reach. An entry's target holds protocol and ports; its sources are the destinations.

    None means not stated. deny is checked before allow, allow before the default. dns: the servers whose port 53 is allowed.
    host: services of the host itself. peers: containers on the same network.
    """

    path: str
    default: Optional[str] = None
    deny: Tuple[Entry, ...] = ()
    allow: Tuple[Entry, ...] = ()
    dns: Optional[Sources] = None
    host: Optional[Access] = None
    peers: Optional[Access] = None


class Selector(NamedTuple):
    """Selects containers. kind: name, label (``key`` or ``key=value``) or address."""

    kind: str
    value: str


class Egress(NamedTuple):
    """The narrowest block decides: a container's (the first that matches), then a network's, then the general block.

    A block takes the values that it does not state from the general block, but not its lists.
    """

    general: Block
    networks: Dict[str, Block] = {}
    containers: Dict[Selector, Block] = {}
    mode: Optional[str] = None

    @property
    def observes(self) -> bool:
        """Whether nothing is denied, but what would be is told."""
        return self.mode == OBSERVE

    @property
    def path(self) -> str:
        return self.general.path

    def blocks(self) -> List[Block]:
        """Return all blocks, completed from the general block."""
        return [self.general, *map(self.completed, [*self.networks.values(), *self.containers.values()])]

    def completed(self, block: Block) -> Block:
        whole = self.general
        return block._replace(
            default=block.default or whole.default,
            dns=whole.dns if block.dns is None else block.dns,
            host=block.host or whole.host,
            peers=block.peers or whole.peers,
        )


class HostEgress(NamedTuple):
    """What the host itself may reach. The block has no ``host`` and no ``peers``."""

    block: Block
    mode: Optional[str] = None

    @property
    def observes(self) -> bool:
        """Whether nothing is denied, but what would be is told."""
        return self.mode == OBSERVE


def parse_host_egress(value: object, path: str) -> HostEgress:
    """Parse the keys of a block that the host has, and ``mode``. Raises DrawbridgeError with the path of what is wrong."""
    given = check.mapping(value, path, HOST_EGRESS_KEYS)
    return HostEgress(_block(given, path), parse_mode(given, path))


def parse_egress(value: object, path: str) -> Egress:
    """Parse a mapping of the general block's keys, ``networks`` and ``containers``. Raises DrawbridgeError with the path of what is wrong."""
    given = check.mapping(value, path, EGRESS_KEYS)
    networks = check.any_mapping(given.get("networks", {}), path + ".networks")
    containers: Dict[Selector, Block] = {}
    for index, item in enumerate(check.sequence(given.get("containers", []), path + ".containers")):
        place = "%s.containers[%d]" % (path, index)
        mapping = check.mapping(item, place, {**SELECTORS, **BLOCK_KEYS})
        selector = _selector(mapping, place)
        if selector in containers:
            raise DrawbridgeError("the same containers as in %s" % containers[selector].path, place)
        containers[selector] = _block(mapping, place)
    return Egress(
        _block(given, path),
        {
            network_name(name, path + ".networks"): _named_block(item, "%s.networks.%s" % (path, name))
            for name, item in networks.items()
        },
        containers,
        parse_mode(given, path),
    )


def _named_block(value: object, path: str) -> Block:
    return _block(check.mapping(value, path, BLOCK_KEYS), path)


def _block(given: Dict[str, object], path: str) -> Block:
    return Block(
        path,
        default=check.choice(given["default"], path + ".default", (ALLOW, DENY)) if "default" in given else None,
        deny=_entries(given.get("deny", []), path + ".deny", ENTRY_KEYS),
        allow=_entries(given.get("allow", []), path + ".allow", ENTRY_KEYS),
        dns=_dns(given["dns"], path + ".dns") if "dns" in given else None,
        host=_access(given["host"], path + ".host", HOST_ENTRY_KEYS) if "host" in given else None,
        peers=_access(given["peers"], path + ".peers", ENTRY_KEYS) if "peers" in given else None,
    )


def _entries(value: object, path: str, keys: check.Keys) -> Tuple[Entry, ...]:
    """Return the list's entries. Entries with the same protocol and ports are merged: their destinations add up."""
    found: Dict[Target, Entry] = {}
    for index, item in enumerate(check.sequence(value, path)):
        entry = _entry(item, "%s[%d]" % (path, index), keys)
        known = found.get(entry.target)
        found[entry.target] = entry if known is None else together([known, entry])
    return tuple(found.values())


def _entry(item: object, path: str, keys: check.Keys) -> Entry:
    given = check.mapping(item, path, keys)
    if not given:
        raise DrawbridgeError("an entry needs one of %s" % ", ".join(keys), path)
    protocol = given.get("protocol", "tcp" if "port" in given else ANY)
    protocol = check.choice(protocol.lower() if isinstance(protocol, str) else protocol, path + ".protocol", PROTOCOLS)
    if "port" in given and protocol not in WITH_PORTS:
        raise DrawbridgeError("a port needs the protocol tcp, udp or sctp", path + ".port")
    ports = parse_ports(given["port"], path + ".port") if "port" in given else None
    return Entry(Target(protocol, ports), _destinations(given.get("destination", ANY), path + ".destination"), path)


def _destinations(value: object, path: str) -> Sources:
    if not isinstance(value, list):
        return parse_sources([value], path) if isinstance(value, str) else parse_sources(value, path)
    return parse_sources(value, path)


def _dns(value: object, path: str) -> Sources:
    if isinstance(value, bool):
        return EVERYBODY if value else NOBODY
    return _destinations(value, path)


def _access(value: object, path: str, keys: check.Keys) -> Access:
    if isinstance(value, list):
        return Access(DENY, _entries(value, path, keys), path)
    return Access(check.choice(value, path, (ALLOW, DENY)), (), path)


def _selector(given: Dict[str, object], path: str) -> Selector:
    named = [key for key in SELECTORS if key in given]
    if len(named) != 1:
        raise DrawbridgeError("exactly one of %s says which containers" % ", ".join(SELECTORS), path)
    value = given[named[0]]
    if named[0] == "address":
        sources = parse_sources([value], path + ".address") if isinstance(value, str) else EVERYBODY
        if not isinstance(value, str) or sources.everybody or sources.sets:
            raise DrawbridgeError("expected an address or a network of containers", path + ".address")
        return Selector("address", in_a_set(parse_network(value)))
    if not isinstance(value, str) or not LABEL.match(value):
        raise DrawbridgeError("%s is not a container's %s" % (quoted(value), named[0]), "%s.%s" % (path, named[0]))
    return Selector(named[0], value)
