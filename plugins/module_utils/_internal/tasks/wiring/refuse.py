# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a task must not do: change what others made, take networks that are in use, or cut its own connection. Pure."""

from __future__ import annotations

from typing import Iterable, Iterator, List, Optional, Set, Tuple

from ...address import Network, contains, is_link_local, parse_network, quoted
from ...errors import DrawbridgeError
from .live import Live
from .made import Made
from .model import HOST, Key, Wiring, said
from .plan import Change

# The kernel makes these by itself in each new namespace, where their modules are loaded.
_FALLBACKS = ("lo", "tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0")


def refuse_what_others_made(wiring: Wiring, live: Live, made: Made) -> None:
    """Raises DrawbridgeError if a namespace or an interface of that name was made by others, or if one to remove has something of theirs in it."""
    for space, path in wiring.paths.items():
        if space in live and not made.has_space(live, space):
            raise DrawbridgeError("there is a namespace %s already, which this task did not make" % quoted(space), path + ".name", "choose another name")
    for (place, name), interface in wiring.interfaces.items():
        if place in live and name in live[place].links and not made.has_link(live, interface.key):
            raise DrawbridgeError("there is an interface %s already, which this task did not make" % said((place, quoted(name))), interface.path,
                                  "choose another name")
    for space in made.spaces:
        if space not in wiring.forwarding and made.has_space(live, space):
            foreign = [name for name in sorted(live[space].links) if name not in _FALLBACKS and not made.has_link(live, (space, name))]
            if foreign:
                raise DrawbridgeError("the namespace %s has an interface in it that this task did not make: %s" % (quoted(space), quoted(foreign[0])),
                                      None, "take it out first")


def refuse_networks_in_use(wiring: Wiring, live: Live, made: Made) -> None:
    """Raises DrawbridgeError if a network that the host is to have, or a masqueraded one, is another interface's."""
    taken = list(_networks_of_others(wiring, live, made))
    for network, path, _dev in _new_on_the_host(wiring, live):
        _refuse_taken(network, path, taken)
    for entry in wiring.masquerade:
        _refuse_taken(entry.source, entry.path + ".source", taken)


def _refuse_taken(network: Network, path: str, taken: Iterable[Tuple[Network, str, bool]]) -> None:
    for other, dev, is_on_link in taken:
        if contains(network, other) or (is_on_link and contains(other, network)):
            raise DrawbridgeError("%s is in use: %s is at %s" % (network, other, quoted(dev)), path, "choose another network")


def _new_on_the_host(wiring: Wiring, live: Live) -> Iterator[Tuple[Network, str, str]]:
    """Yield each network that the host reaches by the task's interfaces after it, and not yet: with its place and interface."""
    for interface in wiring.interfaces.values():
        held = live[HOST].links.get(interface.name) if interface.place == HOST else None
        for address in interface.addresses if interface.place == HOST else ():
            network = parse_network(address)
            if (held is None or address not in held.addresses) and not is_link_local(network):
                yield network, interface.path, interface.name
    for route, path in wiring.routes.get(HOST, {}).items():
        if route not in live[HOST].routes:
            yield parse_network(route.to), path + ".to", route.dev


def _networks_of_others(wiring: Wiring, live: Live, made: Made) -> Iterator[Tuple[Network, str, bool]]:
    """Yield the networks of the host's other interfaces: those on the link, and those behind a gateway. Default routes and their halves are none."""
    def is_own(name: str) -> bool:
        return (HOST, name) in wiring.interfaces or made.has_link(live, (HOST, name))

    for name, link in live[HOST].links.items():
        for address in link.addresses if not is_own(name) else ():
            yield parse_network(address), name, True
    for route in live[HOST].routes:
        network = parse_network(route.to)
        if network.prefix > 1 and not is_own(route.dev):
            yield network, route.dev, not route.via


def refuse_own_way(wiring: Wiring, live: Live, changes: Iterable[Change], local: str, remote: str, by: Optional[str]) -> None:
    """Raises DrawbridgeError if a step would cut the task's own connection.

    local, remote: its two addresses. by: the interface that the host's answers leave by, None if unknown.
    """
    # Nothing tells by which link a link-local address comes: it may be any.
    anywhere = is_link_local(parse_network(local))
    first = {
        name for name, link in live[HOST].links.items()
        if anywhere or name == by or local in [address.partition("/")[0] for address in link.addresses]
    }
    guarded = _all_of_the_way(live, first)
    for change in changes:
        if change.cuts in guarded:
            what = change.before or change.after
            raise DrawbridgeError("the task's own connection from %s comes by %s, and this would change: %s" % (remote, said(change.cuts), what),
                                  change.path, "connect another way, or leave it as it is")
    client = parse_network(remote)
    for network, path, dev in _new_on_the_host(wiring, live):
        if contains(network, client) and dev != by:
            raise DrawbridgeError("the task's own connection comes from %s, and %s would lead there by %s" % (remote, network, dev), path,
                                  "choose another network")


def _all_of_the_way(live: Live, names: Set[str]) -> Set[Key]:
    """Return these interfaces of the host, the ports of those that are bridges, and the other ends of pairs."""
    host = live[HOST].links
    ways = names | {name for name, link in host.items() if link.bridge in names}
    found: Set[Key] = {(HOST, name) for name in ways}
    ends: List[Tuple[int, int]] = [(host[name].number, host[name].peer) for name in ways if name in host and host[name].kind == "veth"]
    for place, space in live.items():
        found.update((place, name) for name, link in space.links.items() if place != HOST and link.kind == "veth" and (link.peer, link.number) in ends)
    return found
