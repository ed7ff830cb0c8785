# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The packets that a policy's tests are about: destinations, and a sender of each class that the host tells apart. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import Dict, Hashable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ...address import IPV4, number
from ...engine.api.answers import PublishedPort
from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...netfilter.rules.ownership import taken_for_empty, user_set
from ...netfilter.verdict.snapshot.routes import Lookup
from ...netfilter.verdict.snapshot.sets import SavedSet
from ...netfilter.verdict.walk.asked import Asked
from ...netfilter.verdict.walk.world import World
from ..language.model import Policy
from ..language.policy_tests import PolicyTest
from ..values.check import names_interface
from ..values.values import ICMP, Sources
from .classes import Class, Spans, classes, joined
from .distinctions import NOBODYS, Distinctions, Parts, spans_of

_ECHO = {4: ("icmp", (8, 0)), 6: ("ipv6-icmp", (128, 0))}
_BRIDGES = ("br-", "docker_gwbridge")
_FROM, _SPARED, _PLAIN = "from", "except", "plain"


class Place(NamedTuple):
    """A destination. device: the interface that has the address; None if it is not the host's."""

    address: int
    port: Optional[int]
    device: Optional[str]


class Sender(NamedTuple):
    """address: None for the host itself. interface: empty where the way back tells it."""

    address: Optional[int]
    interface: str = ""


class Packets:
    """The packets of one family. warnings: of check mode, about sets that are not there yet."""

    def __init__(self, policy: Policy, facts: HostFacts, published: Sequence[PublishedPort], world: World, sets: Dict[str, SavedSet], is_check: bool) -> None:
        self._policy = policy
        self._facts = facts
        self._published = published
        self._world = world
        self._family = world.family
        self._bits = 32 if world.family == IPV4 else 128
        self._sets = sets
        self._is_check = is_check
        self._told_apart = Distinctions(world, sets)
        self._named: Dict[str, Spans] = {}
        self._classes: Dict[Hashable, List[Class]] = {}
        self.warnings: Dict[str, None] = {}

    def of(self, test: PolicyTest) -> Iterator[Asked]:
        """Yield the first packets that a test is about."""
        protocol, icmp = _ECHO[self._family] if test.to.protocol == ICMP else (test.to.protocol, None)
        for place in self._places(test, protocol):
            for sender in self._senders(test, protocol, place):
                yield Asked(
                    self._family, protocol, sender.address, place.address, None, place.port, icmp, frozenset(("SYN",) if protocol == "tcp" else ()),
                    sender.interface, "new", 0, sender.address is None,
                )  # fmt: skip

    # Destinations.

    def _places(self, test: PolicyTest, protocol: str) -> List[Place]:
        """Return the destinations that the host tells apart."""
        port = test.to.port
        if test.to.address is not None:
            return [Place(number(test.to.address.address)[0], port, None)]
        if test.to.container is not None:
            return [Place(address, port, None) for address in self._addresses_of(test.to.container)]
        own = [Place(value, port, device) for device, value in self._own_addresses() if not test.allows or self._is_outside(device)]
        if not test.allows:
            own += self._behind(protocol, port)
        return self._one_of_each(own, protocol, by_device=test.allows)

    def _own_addresses(self) -> Iterator[Tuple[str, int]]:
        for name, interface in self._world.interfaces.by_name.items():
            for address in interface.addresses:
                if address.family == self._family and interface.is_up and address.scope not in ("link", "host"):
                    yield name, address.value

    def _behind(self, protocol: str, port: Optional[int]) -> Iterator[Place]:
        """Yield the containers' own ends of a published port: a way in that needs no published port."""
        for item in self._published:
            if item.protocol == protocol and item.port == port:
                for address in self._addresses_of(item.container_name):
                    yield Place(address, item.container_port, None)

    def _one_of_each(self, places: List[Place], protocol: str, by_device: bool) -> List[Place]:
        found: Dict[Hashable, Place] = {}
        for place in places:
            if place.device is None:
                found.setdefault(place, place)
                continue
            parts = self._told_apart.of_destinations(protocol, self._told_apart.ports_on_the_way(protocol, place.port))
            within = frozenset(name for name, spans in parts.items() if _holds(spans, place.address))
            listener = self._world.listeners and self._world.listeners.answering(self._family, protocol, place.address, place.port or 0, place.device)
            found.setdefault((within, listener and listener.words, by_device and place.device), place)
        return list(found.values())

    def _addresses_of(self, container: str) -> List[int]:
        ends = [address for item in self._facts.containers if item.name == container for _bridge, address in item.ends]
        return [value for value, bits in map(number, ends) if bits == self._bits]

    # Senders.

    def _senders(self, test: PolicyTest, protocol: str, place: Place) -> Iterator[Sender]:
        if test.is_host:
            yield Sender(None)
        elif test.container is not None:
            yield from map(Sender, self._addresses_of(test.container))
        else:
            for sender in self._outsiders(test, protocol, place):
                # Whoever is outside and is to reach the host dials its address on their side.
                if not test.allows or place.device in (None, sender.interface) or not self._is_outside(sender.interface):
                    yield sender

    def _outsiders(self, test: PolicyTest, protocol: str, place: Place) -> Iterator[Sender]:
        for found in self._classes_of(test, protocol, place):
            if _FROM not in found.within or _SPARED in found.within or NOBODYS in found.within and _PLAIN not in found.within:
                continue
            route = self._world.routes.find(Lookup(found.address), _no)
            is_far = route is not None and route.kind == "unicast" and bool(route.device)
            if test.interface is not None:
                yield Sender(found.address, test.interface)
            elif route is not None and is_far and (self._is_outside(route.device) or _PLAIN in found.within):
                yield Sender(found.address, route.device)

    def _classes_of(self, test: PolicyTest, protocol: str, place: Place) -> List[Class]:
        parts = self._told_apart.of_sources(protocol, self._told_apart.ports_on_the_way(protocol, place.port), test.allows)
        key = (frozenset(parts), _hashable(test.sources), _hashable(test.spared))
        if key not in self._classes:
            self._classes[key] = classes({**parts, **self._stated(test)}, self._bits)
        return self._classes[key]

    def _stated(self, test: PolicyTest) -> Parts:
        plain = [address for address in test.sources.addresses[self._family] if "/" not in address]
        whole = [(0, (1 << self._bits) - 1)]
        return {
            _FROM: whole if test.sources.everybody else self._spans(test.sources),
            _SPARED: whole if test.spared.everybody else self._spans(test.spared),
            _PLAIN: spans_of(plain, self._bits),
        }

    def _spans(self, sources: Sources) -> Spans:
        found = spans_of(sources.addresses[self._family], self._bits)
        for reference in sources.sets:
            found = found + self._of_set(reference.name, reference.path)
        return joined(found)

    def _of_set(self, name: str, path: str) -> Spans:
        if name not in self._named:
            self._named[name] = self._read_set(name, path)
        return self._named[name]

    def _read_set(self, name: str, path: str) -> Spans:
        own = self._policy.address_sets.get(name)
        if own is not None:
            return spans_of(own.addresses[self._family], self._bits)
        saved = self._sets.get(user_set(name, self._family))
        if saved is not None:
            return spans_of((entry.partition(" ")[0] for entry in saved.entries), self._bits)
        if not self._is_check:
            raise DrawbridgeError("unknown address set %s" % ascii("@" + name), path, "define it, or keep it with the module address_set")
        self.warnings[taken_for_empty(name, path)] = None
        return []

    def _is_outside(self, device: str) -> bool:
        if self._policy.external_interfaces:
            return any(names_interface(pattern, device) for pattern in self._policy.external_interfaces)
        found = self._world.interfaces.by_name.get(device)
        if found is None or found.is_loopback:
            return False
        if not self._facts.known:
            return found.kind != "bridge"
        # What is named like Docker's bridges counts as one of them, as it does in the rules.
        return device not in self._facts.bridges and (not device.startswith(_BRIDGES) or device in self._facts.foreign_bridges)


def _holds(spans: Spans, address: int) -> bool:
    place = bisect_right(spans, (address, 1 << 128)) - 1
    return place >= 0 and spans[place][1] >= address


def _hashable(sources: Sources) -> Hashable:
    return sources.everybody, *(tuple(sorted(found)) for found in sources.addresses.values()), tuple(reference.name for reference in sources.sets)


def _no(_words: str) -> bool:
    return False
