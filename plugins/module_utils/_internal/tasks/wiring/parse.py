# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read the arguments of netns_network. Every error names the place in the task."""

from __future__ import annotations

import hashlib
import re
from typing import Dict, Iterator, List, Mapping, NoReturn, Optional, Tuple

from ...address import Network, contains, parse_network, quoted
from ...errors import DrawbridgeError
from .model import HOST, Interface, Key, Masquerading, Route, Wiring, family_of, said

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,15}\Z")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}\Z")
_RESERVED = ("lo", "all", "default")
# Addresses that no interface can have.
_NO_HOSTS = tuple(parse_network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8"))
_LEAST_MTU = {4: 68, 6: 1280}
_MOST_MTU = 65535
# The kernel's own where a route has none.
_METRIC = {4: 0, 6: 1024}
_MOST_METRIC = 0xFFFFFFFF


def parse_wiring(params: Mapping[str, object]) -> Wiring:
    """Return what the module's arguments ask for. With ``state: absent`` that is nothing but the name."""
    name = params["name"]
    if not isinstance(name, str) or not _NAME.match(name):
        raise DrawbridgeError("%s is not a name of up to 16 letters, digits, - and _" % quoted(name), "name")
    if params["state"] == "absent":
        return Wiring(name)
    return _Reader(name).read(params)


class _Reader:
    """The parts read so far."""

    def __init__(self, name: str) -> None:
        self.wiring = Wiring(name, {}, {}, {}, [], {})

    def read(self, params: Mapping[str, object]) -> Wiring:
        spaces = list(_items(params, "namespaces", "namespaces"))
        for path, item in spaces:
            space = _matched(_NAMESPACE, item["name"], path + ".name", "a namespace")
            if space in self.wiring.forwarding:
                raise DrawbridgeError("the namespace %s is given twice" % quoted(space), path + ".name")
            self.wiring.forwarding[space] = bool(item.get("forwarding"))
            self.wiring.paths[space] = path
        for path, item in _items(params, "bridges", "bridges"):
            self._bridge(path, item)
        for path, item in spaces:
            for inner_path, inner in _items(item, "interfaces", path + ".interfaces"):
                self._pair(str(item["name"]), inner_path, inner)
        for path, item in spaces:
            for inner_path, inner in _items(item, "routes", path + ".routes"):
                self._route(str(item["name"]), inner_path, inner)
        for path, item in _items(params, "routes", "routes"):
            self._route(HOST, path, item)
        for path, item in _items(params, "masquerade", "masquerade"):
            self.wiring.masquerade.append(self._masquerading(path, item))
        return self.wiring

    def _bridge(self, path: str, item: Mapping[str, object]) -> None:
        name = _matched(_INTERFACE, item["name"], path + ".name", "an interface")
        self._add(Interface(HOST, name, _addresses(item.get("addresses"), path + ".addresses"), _is_up(item), None, "", None,
                            bool(item.get("stp")), path))

    def _pair(self, space: str, path: str, item: Mapping[str, object]) -> None:
        name = _matched(_INTERFACE, item["name"], path + ".name", "an interface")
        bridge, far = str(item.get("bridge") or ""), str(item.get("peer_namespace") or HOST)
        if bridge and self._kind(bridge) != "bridge":
            raise DrawbridgeError("%s is none of this task's bridges" % quoted(bridge), path + ".bridge", "give it in bridges")
        if far != HOST and far not in self.wiring.forwarding:
            raise DrawbridgeError("%s is none of this task's namespaces" % quoted(far), path + ".peer_namespace")
        if item.get("peer") is None and not bridge:
            raise DrawbridgeError("the other end of the pair has no name", path, "give peer, or bridge")
        peer = _derived(space, name) if item.get("peer") is None else _matched(_INTERFACE, item["peer"], path + ".peer", "an interface")
        peer_addresses = _addresses(item.get("peer_addresses"), path + ".peer_addresses")
        if bridge and (far != HOST or peer_addresses):
            wrong = "peer_namespace" if far != HOST else "peer_addresses"
            raise DrawbridgeError("the other end is a port of the bridge %s" % bridge, "%s.%s" % (path, wrong), "leave it out")
        addresses = _addresses(item.get("addresses"), path + ".addresses")
        mtu = _number(item.get("mtu", 1500), path + ".mtu", _LEAST_MTU[6 if any(":" in one for one in addresses + peer_addresses) else 4], _MOST_MTU)
        up = _is_up(item)
        self._add(Interface(space, name, addresses, up, mtu, "", (far, peer), False, path))
        self._add(Interface(far, peer, peer_addresses, up, mtu, bridge, (space, name), False, path + ".peer"))

    def _add(self, interface: Interface) -> None:
        if interface.key in self.wiring.interfaces:
            other = self.wiring.interfaces[interface.key]
            raise DrawbridgeError("%s is given twice, in %s as well" % (said(interface.key), other.path), interface.path)
        for address in interface.addresses:
            held = [one for one in self._in(interface.place) if address.partition("/")[0] in [text.partition("/")[0] for text in one.addresses]]
            if held:
                raise DrawbridgeError("%s is an address of %s as well" % (address, said(held[0].key)), interface.path)
        self.wiring.interfaces[interface.key] = interface

    def _in(self, place: str) -> List[Interface]:
        return [one for one in self.wiring.interfaces.values() if one.place == place]

    def _kind(self, name: str) -> str:
        found = self.wiring.interfaces.get((HOST, name))
        return "" if found is None else "bridge" if found.peer is None else "pair"

    def _route(self, place: str, path: str, item: Mapping[str, object]) -> None:
        via = _address(item["via"], path + ".via") if item.get("via") is not None else ""
        to = _destination(item["to"], via, path)
        if via and family_of(via) != to.family:
            raise DrawbridgeError("%s and %s are of two families" % (to, via), path + ".via")
        dev = self._by(place, str(item.get("dev") or ""), via, path)
        if not self.wiring.interfaces[(place, dev)].is_up:
            raise DrawbridgeError("%s is down, and has no routes then" % said((place, dev)), path + ".dev")
        if place == HOST and to.prefix <= 1:
            raise DrawbridgeError("the host's default route is not this module's to change", path + ".to")
        metric = _number(item.get("metric"), path + ".metric", 0, _MOST_METRIC) or _METRIC[to.family]
        route = Route(to.family, str(to), via, dev, metric)
        routes = self.wiring.routes.setdefault(place, {})
        for other, there in routes.items():
            if (other.to, other.metric) == (route.to, route.metric):
                raise DrawbridgeError("%s has the same network and metric" % there, path, "give one of them another metric")
        routes[route] = path

    def _by(self, place: str, dev: str, via: str, path: str) -> str:
        """Return the interface of a route: the given one, or the one with a network that the gateway is in."""
        if dev:
            if (place, dev) not in self.wiring.interfaces:
                raise DrawbridgeError("%s is none of this task's interfaces" % said((place, quoted(dev))), path + ".dev")
            return dev
        if not via:
            raise DrawbridgeError("neither via nor dev is given", path, "say where the route leads")
        gateway = parse_network(via)
        for one in self._in(place):
            if any(contains(parse_network(text), gateway) for text in one.addresses):
                return one.name
        raise DrawbridgeError("no interface of this task has a network with %s in it" % via, path + ".via", "give dev, if this is right")

    def _masquerading(self, path: str, item: Mapping[str, object]) -> Masquerading:
        source = parse_network(str(item["source"]), path + ".source")
        if source.prefix <= 1:
            raise DrawbridgeError("%s is everything, other people's networks as well" % quoted(item["source"]), path + ".source")
        given = item.get("out_interface")
        if given is not None:
            out = str(given)
            name = _matched(_INTERFACE, out.lstrip("!").strip() if out.startswith("!") else out, path + ".out_interface", "an interface")
            return Masquerading(source, "" if out.startswith("!") else name, name if out.startswith("!") else "", path)
        for one in self._in(HOST):
            if any(contains(source, parse_network(text)) or contains(parse_network(text), source) for text in one.addresses):
                return Masquerading(source, "", one.name, path)
        raise DrawbridgeError("no interface of this task on the host has an address in %s" % str(source), path, "give out_interface")


def _items(given: Mapping[str, object], key: str, path: str) -> Iterator[Tuple[str, Mapping[str, object]]]:
    """Yield the mappings of a list with their paths."""
    value = given.get(key) or []
    for index, item in enumerate(value if isinstance(value, list) else []):
        yield "%s[%d]" % (path, index), item


def _matched(pattern: "re.Pattern[str]", value: object, path: str, what: str) -> str:
    if not isinstance(value, str) or not pattern.match(value) or value in _RESERVED:
        raise DrawbridgeError("%s is not a name for %s" % (quoted(value), what), path, "letters, digits, - _ and ., at most %s characters"
                              % ("15" if pattern is _INTERFACE else "64"))
    return value


def _addresses(value: object, path: str) -> Tuple[str, ...]:
    """Return addresses with their prefix lengths, each once."""
    found: Dict[str, None] = {}
    for index, item in enumerate(value if isinstance(value, list) else []):
        text, place = str(item), "%s[%d]" % (path, index)
        address, slash, _prefix = text.partition("/")
        if not slash:
            raise DrawbridgeError("%s has no prefix length" % quoted(text), place, "as in 172.18.0.10/16")
        network = parse_network(text, place)
        own = parse_network(address, place)
        if any(contains(outer, own) for outer in _NO_HOSTS):
            raise DrawbridgeError("%s is no address that an interface can have" % quoted(text), place)
        found["%s/%d" % (own.address, network.prefix)] = None
    return tuple(found)


def _address(value: object, path: str) -> str:
    network = parse_network(str(value), path)
    if not network.is_host or "/" in str(value) or any(contains(outer, network) for outer in _NO_HOSTS):
        raise DrawbridgeError("%s is not the address of a gateway" % quoted(value), path)
    return network.address


def _destination(value: object, via: str, path: str) -> Network:
    if value != "default":
        return parse_network(str(value), path + ".to")
    if not via:
        raise DrawbridgeError("default is of which family?", path + ".to", "give via, or say 0.0.0.0/0 or ::/0")
    return parse_network("::/0" if family_of(via) == 6 else "0.0.0.0/0")


def _number(value: object, path: str, least: int, most: int) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or not least <= value <= most:
        _out_of_range(value, path, least, most)
    return value


def _out_of_range(value: object, path: str, least: int, most: int) -> NoReturn:
    raise DrawbridgeError("%s is not from %d to %d" % (quoted(value), least, most), path)


def _is_up(item: Mapping[str, object]) -> bool:
    return item.get("state") != "down"


def _derived(space: str, name: str) -> str:
    """Return a name for the host's end of a pair that nobody named. It is the same at each run."""
    return "veth" + hashlib.sha256(("%s %s" % (space, name)).encode("ascii")).hexdigest()[:8]


def shared_networks(wiring: Wiring) -> List[str]:
    """Return a warning for each network that two interfaces of the host have: the host asks only one of them."""
    found: Dict[Network, Key] = {}
    warnings: List[str] = []
    for one in wiring.interfaces.values():
        for network in sorted({parse_network(text) for text in one.addresses}) if one.place == HOST else ():
            first: Optional[Key] = found.setdefault(network, one.key)
            if first != one.key:
                warnings.append("%s and %s have the network %s: the host reaches only what is behind one of them; make them ports of a bridge that has"
                                " the address" % (said(found[network]), one.name, network))
    return warnings
