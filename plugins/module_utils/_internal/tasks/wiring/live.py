# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the kernel has: interfaces, addresses and routes of the host and of named namespaces, from iproute2's JSON."""

from __future__ import annotations

import json
import os
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple, TypeVar

from ...address import FAMILIES, IPV4, IPV6
from ...errors import DrawbridgeError
from ...host.boot.sysctl import value_now
from ...host.system.json_values import JsonObject, mapping, objects, text
from ...host.system.netns import in_netns
from ...host.system.system import System
from ...netfilter.kernel.iptables import words_of
from .model import HOST, Route

# Where iproute2 keeps namespaces by name.
NETNS = "/var/run/netns"
FORWARDING = {IPV4: "net/ipv4/ip_forward", IPV6: "net/ipv6/conf/all/forwarding"}
_BITS = {IPV4: 32, IPV6: 128}
# What the kernel or a router's advertisements made.
_NOT_SET_BY_HAND = ("kernel", "ra", "redirect")
_NO_TABLE = "FIB table does not exist"

T = TypeVar("T")


class LiveLink(NamedTuple):
    """number: the kernel's, unique in its namespace. kind: the kernel's name for it, empty for hardware. bridge: the bridge whose port it is, or
    empty. peer: the number of a pair's other end.

    addresses: those that somebody set, with prefix lengths; not those that the kernel makes by itself.
    """

    number: int
    kind: str
    is_up: bool
    mtu: int
    bridge: str
    stp: bool
    peer: int
    addresses: Tuple[str, ...]


class LiveSpace(NamedTuple):
    """identity: tells the namespace from a later one of the same name. routes: those of the main table that somebody set."""

    identity: str
    links: Dict[str, LiveLink]
    routes: List[Route]
    forwarding: Dict[int, bool]


Live = Dict[str, LiveSpace]


def read(system: System, places: Iterable[str]) -> Live:
    """Return the host's own namespace and those of these names that exist."""
    found = {HOST: _space(system, HOST, "")}
    for place in places:
        identity = identity_of(place)
        if identity is not None:
            found[place] = _space(system, place, identity)
    return found


def identity_of(space: str) -> Optional[str]:
    """Return a text that tells this namespace from others, None if there is none of this name."""
    try:
        found = os.stat(os.path.join(NETNS, space))
    except OSError:
        return None
    if found.st_dev != os.stat("/proc/thread-self/ns/net").st_dev:
        raise DrawbridgeError("%s is not a namespace" % os.path.join(NETNS, space), None, "ip netns delete %s removes what is left of one" % space)
    return "%d:%d" % (found.st_dev, found.st_ino)


def within(space: str, work: Callable[[], T]) -> T:
    """Run ``work`` in a named namespace."""
    try:
        handle = os.open(os.path.join(NETNS, space), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DrawbridgeError("cannot open the namespace %s: %s" % (space, error.strerror)) from None
    try:
        return in_netns(handle, work)
    finally:
        os.close(handle)


def command(system: System, place: str, *words: str) -> List[str]:
    """Return the words of an ip command in a place."""
    return [system.require("ip", "iproute2"), *(("-n", place) if place != HOST else ()), *words]


def _space(system: System, place: str, identity: str) -> LiveSpace:
    links = {text(item.get("ifname")): _link(item) for item in _json(system, place, "-d", "address", "show")}
    routes: List[Route] = []
    families = [family for family in FAMILIES if family == IPV4 or os.path.exists("/proc/sys/net/ipv6")]
    for family in families:
        for item in _json(system, place, "-%d" % family, "route", "show", "table", "main"):
            routes += _routes(family, item)
    return LiveSpace(identity, links, routes, _forwarding(system, place))


def _forwarding(system: System, place: str) -> Dict[int, bool]:
    def work() -> Dict[int, bool]:
        found = {family: value_now(system, name) for family, name in FORWARDING.items()}
        return {family: value != "0" for family, value in found.items() if value is not None}

    return work() if place == HOST else within(place, work)


def _json(system: System, place: str, *words: str) -> List[JsonObject]:
    argv = command(system, place, "-j", *words)
    output = system.run(argv)
    if output.rc != 0:
        if _NO_TABLE in output.stderr:
            return []
        raise DrawbridgeError("%s failed: %s" % (" ".join(argv[1:]), words_of(output)))
    try:
        return objects(json.loads(output.stdout or "[]"))
    except ValueError:
        raise DrawbridgeError("%s answers no JSON" % " ".join(argv[1:]), None, "it needs iproute2 4.18 or newer") from None


def _link(item: JsonObject) -> LiveLink:
    info = mapping(item.get("linkinfo"))
    flags = item.get("flags")
    return LiveLink(
        _number(item.get("ifindex")),
        text(info.get("info_kind")),
        isinstance(flags, list) and "UP" in flags,
        _number(item.get("mtu")),
        text(item.get("master")),
        _number(mapping(info.get("info_data")).get("stp_state")) != 0,
        _number(item.get("link_index")),
        tuple("%s/%d" % (text(one.get("local")), _number(one.get("prefixlen"))) for one in objects(item.get("addr_info")) if _is_set_by_hand(one)),
    )


def _is_set_by_hand(address: JsonObject) -> bool:
    if not text(address.get("local")) or address.get("dynamic") or address.get("temporary"):
        return False
    return address.get("family") == "inet" or (address.get("family") == "inet6" and address.get("scope") != "link")


def _routes(family: int, item: JsonObject) -> List[Route]:
    """Return one route, or one for each way of a route that has several."""
    if item.get("protocol") in _NOT_SET_BY_HAND or text(item.get("type")) not in ("", "unicast"):
        return []
    to = text(item.get("dst"))
    if to == "default":
        to = "0.0.0.0/0" if family == IPV4 else "::/0"
    if "/" not in to:
        to = "%s/%d" % (to, _BITS[family])
    return [
        Route(family, to, text(way.get("gateway")) or text(mapping(way.get("via")).get("host")), text(way.get("dev")), _number(item.get("metric")))
        for way in objects(item.get("nexthops")) or [item]
    ]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
