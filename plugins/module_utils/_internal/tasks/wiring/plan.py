# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to be done to get from what the kernel has to what is asked for. Pure."""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .live import Live, LiveLink, LiveSpace
from .made import Made
from .model import HOST, Interface, Key, Route, Wiring, said

_WORDS = {4: "-4", 6: "-6"}


class Change(NamedTuple):
    """One step. before, after: what is there, in words; empty for nothing.

    command: the words for ip, empty where an earlier step does it. place: the namespace that it runs in. forwarding: the value to set there
    instead of a command. path: where the user wrote it. cuts: the interface that carries less after it. is_removal: what it removes may be
    gone by then.
    """

    before: str
    after: str
    place: str = HOST
    command: Tuple[str, ...] = ()
    forwarding: Optional[bool] = None
    path: Optional[str] = None
    cuts: Optional[Key] = None
    is_removal: bool = False


def plan(wiring: Wiring, live: Live, made: Made) -> List[Change]:
    """Return the steps, in order. What is in the way and was not made by the task has been refused before."""
    gone = _gone(wiring, live, made)
    left = {
        place: space._replace(links={name: link for name, link in space.links.items() if (place, name) not in gone})
        for place, space in live.items()
    }
    steps = list(_without(wiring, live, made, gone))
    for space in wiring.forwarding:
        steps += _space(wiring, space, left.get(space))
    for interface in wiring.interfaces.values():
        found = _found(left, interface.key)
        if found is None:
            steps += _new(interface)
        steps += _interface(interface, found or _as_made(interface))
    steps += _routes(wiring, left, made, gone)
    return steps


def _found(live: Live, key: Key) -> Optional[LiveLink]:
    return live[key[0]].links.get(key[1]) if key[0] in live else None


def _gone(wiring: Wiring, live: Live, made: Made) -> Set[Key]:
    """Return the task's interfaces that are to be removed: not asked for any more, or of another kind, or with another end."""
    found = set()
    for key in made.links:
        if made.has_link(live, key) and (key not in wiring.interfaces or not _is_as_asked(wiring.interfaces[key], live, made)):
            found.add(key)
    return found


def _is_as_asked(interface: Interface, live: Live, made: Made) -> bool:
    link = _found(live, interface.key)
    if link is None or interface.peer is None:
        return link is not None and link.kind == "bridge"
    if made.peers.get(interface.key, interface.peer) != interface.peer:
        return False
    other = _found(live, interface.peer)
    return other is not None and link.kind == other.kind == "veth" and (link.peer, other.peer) == (other.number, link.number)


def _without(wiring: Wiring, live: Live, made: Made, gone: Set[Key]) -> Iterator[Change]:
    for place, name in sorted(gone):
        link = live[place].links[name]
        for route in live[place].routes:
            if route.dev == name:
                yield Change(_route_said(place, route), "", place)
        for address in link.addresses:
            yield Change(_address_said((place, name), address), "", place)
        yield Change(_made_said((place, name), link.kind == "bridge"), "", place, ("link", "delete", "dev", name), cuts=(place, name), is_removal=True)
    for space in sorted(made.spaces):
        if space not in wiring.forwarding and made.has_space(live, space):
            yield Change("namespace %s" % space, "", HOST, ("netns", "delete", space), is_removal=True)


def _space(wiring: Wiring, name: str, found: Optional[LiveSpace]) -> Iterator[Change]:
    path = wiring.paths[name]
    if found is None:
        yield Change("", "namespace %s" % name, HOST, ("netns", "add", name), path=path)
    loopback = None if found is None else found.links.get("lo")
    if loopback is None or not loopback.is_up:
        yield Change("", "lo in %s is up" % name, name, ("link", "set", "dev", "lo", "up"), path=path)
    forwards = wiring.forwarding[name]
    if found is None:
        if forwards:
            yield Change("", _forwards_said(name, True), name, forwarding=True, path=path)
    elif any(value != forwards for value in found.forwarding.values()):
        yield Change(_forwards_said(name, not forwards), _forwards_said(name, forwards), name, forwarding=forwards, path=path)


def _new(interface: Interface) -> Iterator[Change]:
    """Yield the step that makes an interface. The second end of a pair is made by the first's."""
    line = _made_said(interface.key, interface.peer is None)
    if interface.peer is None:
        words: Tuple[str, ...] = ("link", "add", "name", interface.name, "type", "bridge", "stp_state", str(int(interface.stp)))
    elif interface.path.endswith(".peer"):
        words = ()
    else:
        (far, peer), near = interface.peer, interface.place
        words = ("link", "add", "name", interface.name, "netns", near, "type", "veth", "peer", "name", peer, *(("netns", far) if far != HOST else ()))
    yield Change("", line, HOST, words, path=interface.path)


def _as_made(interface: Interface) -> LiveLink:
    return LiveLink(0, "bridge" if interface.peer is None else "veth", False, 1500, "", interface.stp, 0, ())


def _interface(wanted: Interface, found: LiveLink) -> Iterator[Change]:
    place, name, path = wanted.place, wanted.name, wanted.path
    what = said(wanted.key)

    def setting(before: str, after: str, *words: str, cuts: bool = False) -> Change:
        return Change(before, after, place, ("link", "set", "dev", name, *words), path=path, cuts=wanted.key if cuts else None)

    if wanted.mtu is not None and found.mtu != wanted.mtu:
        yield setting("%s has the mtu %d" % (what, found.mtu), "%s has the mtu %d" % (what, wanted.mtu), "mtu", str(wanted.mtu))
    if wanted.peer is None and found.stp != wanted.stp:
        # A bridge that begins to speak it carries nothing for half a minute.
        yield setting(_stp_said(what, found.stp), _stp_said(what, wanted.stp), "type", "bridge", "stp_state", str(int(wanted.stp)), cuts=wanted.stp)
    if found.bridge != wanted.bridge:
        words = ("master", wanted.bridge) if wanted.bridge else ("nomaster",)
        yield setting(_port_said(what, found.bridge), _port_said(what, wanted.bridge), *words, cuts=found.number != 0)
    for address in found.addresses:
        if address not in wanted.addresses:
            yield Change(_address_said(wanted.key, address), "", place, ("address", "delete", address, "dev", name),
                         path=path, cuts=wanted.key, is_removal=True)
    for address in wanted.addresses:
        if address not in found.addresses:
            yield Change("", _address_said(wanted.key, address), place, ("address", "add", address, "dev", name), path=path)
    if found.is_up != wanted.is_up:
        # A new interface is down: nothing is said about that.
        before = "" if found.number == 0 else _up_said(what, found.is_up)
        yield setting(before, _up_said(what, wanted.is_up), "up" if wanted.is_up else "down", cuts=found.is_up)


def _routes(wiring: Wiring, left: Live, made: Made, gone: Set[Key]) -> Iterator[Change]:
    """Yield the steps for routes by the task's interfaces, in each place. Routes by others' interfaces are others'."""
    adding: List[Change] = []
    for place in [HOST, *wiring.forwarding]:
        wanted: Dict[Route, str] = wiring.routes.get(place, {})
        there = left[place].routes if place in left else []
        own = {name for where, name in wiring.interfaces if where == place}
        there = [route for route in there if (place, route.dev) not in gone and route.dev in own]
        for route in there:
            if route not in wanted:
                yield _route(place, route, "delete", None)
        adding += [_route(place, route, "add", path) for route, path in wanted.items() if route not in there]
    yield from adding


def _route(place: str, route: Route, verb: str, path: Optional[str]) -> Change:
    words = (_WORDS[route.family], "route", verb, route.to, *(("via", route.via) if route.via else ()), "dev", route.dev, "metric", str(route.metric))
    line = _route_said(place, route)
    if verb == "add":
        return Change("", line, place, words, path=path)
    return Change(line, "", place, words, path=path, cuts=(place, route.dev), is_removal=True)


def _made_said(key: Key, is_bridge: bool) -> str:
    return "%s %s" % ("bridge" if is_bridge else "interface", said(key))


def _address_said(key: Key, address: str) -> str:
    return "address %s of %s" % (address, said(key))


def _route_said(place: str, route: Route) -> str:
    to = "default (IPv%d)" % route.family if route.to in ("0.0.0.0/0", "::/0") else route.to
    via = " via %s" % route.via if route.via else ""
    metric = " metric %d" % route.metric if route.metric != {4: 0, 6: 1024}[route.family] else ""
    return "route to %s%s by %s%s" % (to, via, said((place, route.dev)), metric)


def _forwards_said(name: str, value: bool) -> str:
    return "%s %s" % (name, "forwards" if value else "does not forward")


def _stp_said(what: str, value: bool) -> str:
    return "%s %s STP" % (what, "speaks" if value else "does not speak")


def _port_said(what: str, bridge: str) -> str:
    return "%s is a port of %s" % (what, bridge) if bridge else ""


def _up_said(what: str, value: bool) -> str:
    return "%s is %s" % (what, "up" if value else "down")
