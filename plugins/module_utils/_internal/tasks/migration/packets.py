# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The packets that are compared: to each target, from one address of each class that the host tells apart. Pure."""

from __future__ import annotations

from bisect import bisect_right
from typing import Dict, FrozenSet, Hashable, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ...address import IPV4, number
from ...inspect.audit.targets import DIRECT, Target
from ...netfilter.verdict.matching.packet import spelt
from ...netfilter.verdict.snapshot.routes import Lookup
from ...netfilter.verdict.snapshot.sets import SavedSet
from ...netfilter.verdict.walk.asked import Asked
from ...netfilter.verdict.walk.world import World
from ...policy.proof.classes import Spans, spread
from ...policy.proof.distinctions import NOBODYS, Distinctions, Parts, spans_of
from .goals import PING

# Packets' own port. Rules that ask for the sender's port are told of, see untranslated.py.
_SOURCE_PORT = 50000
_ECHO: Mapping[int, Tuple[str, Tuple[int, int]]] = {4: ("icmp", (8, 0)), 6: ("ipv6-icmp", (128, 0))}


class Sender(NamedTuple):
    """One address of a class. spans: all of its addresses. is_inside: whether they are containers'. is_forged: whether the host answers them by another
    interface, or not at all."""

    address: int
    interface: str
    spans: Spans
    is_inside: bool
    is_forged: bool = False


class _Found(NamedTuple):
    """neutral: the addresses that nobody outside has. They may be named among sources: the shorter list means the same."""

    senders: List[Sender]
    forged: List[Sender]
    neutral: Spans


class Side(NamedTuple):
    """A host at one moment, of one family: what packets meet, and the sets."""

    world: World
    sets: Dict[str, SavedSet]


class Packets:
    """The packets of one family. sides: the host as it is, and as it will be, once that is known; what either tells apart is told apart."""

    def __init__(self, sides: Sequence[Side], bridges: Set[str], subnets: Iterable[str]) -> None:
        """bridges, subnets: of the engine's networks."""
        self._world = sides[0].world
        self._family = self._world.family
        self._bits = 32 if self._family == IPV4 else 128
        self._bridges = bridges
        self._subnets = spans_of((subnet for subnet in subnets if (":" in subnet) == (self._family != IPV4)), self._bits)
        self._told_apart = [Distinctions(side.world, side.sets) for side in sides]
        self._senders: Dict[Tuple[str, Optional[int]], _Found] = {}
        self._known: Dict[FrozenSet[Hashable], _Found] = {}

    def senders(self, target: Target) -> List[Sender]:
        """Return a sender of each class that packets to a target can come from."""
        return self._found(target).senders

    def has_outside(self, target: Target) -> bool:
        """Whether anybody outside can send packets to a target."""
        return any(not sender.is_inside for sender in self.senders(target))

    def forged(self, target: Target) -> List[Sender]:
        """Return the same addresses, and those that nobody has, by outer interfaces that they cannot come by."""
        return self._found(target).forged

    def neutral(self, target: Target) -> Spans:
        """Return the addresses that nobody outside has: the host's own, broadcasts, loopbacks, containers'."""
        return self._found(target).neutral

    def _found(self, target: Target) -> _Found:
        protocol, port = self._asks_for(target)
        if (protocol, port) not in self._senders:
            parts: Parts = {}
            for place, found in enumerate(self._told_apart):
                ports = found.ports_on_the_way(protocol, port)
                own = found.of_sources(protocol, ports, False)
                # Rules about packets to containers say nothing about senders, and an engine has several of each container.
                of_answers = {name: spans for name, spans in found.of_sources(protocol, ports, True).items() if not self._are_containers(spans)}
                parts.update({(place, name): spans for name, spans in {**of_answers, **own}.items()})
            names = frozenset(parts)
            if names not in self._known:
                self._known[names] = self._of(parts)
            self._senders[protocol, port] = self._known[names]
        return self._senders[protocol, port]

    def _are_containers(self, spans: Spans) -> bool:
        return all(_holds(self._subnets, first) and _holds(self._subnets, last) for first, last in spans)

    def _asks_for(self, target: Target) -> Tuple[str, Optional[int]]:
        return (_ECHO[self._family][0], None) if target.kind == PING else (target.protocol, target.port)

    def _of(self, parts: Parts) -> _Found:
        senders: List[Sender] = []
        neutral: Spans = []
        others: List[Tuple[int, str, Spans]] = []
        for found, spans in spread(parts, self._bits):
            device = "" if (0, NOBODYS) in found.within else self._way_back(found.address)
            if device:
                senders.append(Sender(found.address, device, spans, device in self._bridges))
            else:
                others.append((found.address, "", spans))
            if device in self._bridges or (0, NOBODYS) in found.within or self._world.routes.local_type(found.address) != "unicast":
                neutral += spans
        outer = dict.fromkeys(sender.interface for sender in senders if not sender.is_inside)
        others += [(sender.address, sender.interface, sender.spans) for sender in senders]
        forged = [Sender(address, name, spans, False, True) for address, device, spans in others for name in outer if name != device]
        return _Found(senders, forged, neutral)

    def _way_back(self, address: int) -> str:
        """Return the interface that leads to an address of others; empty if none does."""
        route = self._world.routes.find(Lookup(address), _no) if self._world.routes.local_type(address) == "unicast" else None
        return "" if route is None or route.kind != "unicast" or route.leads_nowhere or route.device == "lo" else route.device

    def to(self, target: Target, sender: Sender) -> List[Asked]:
        """Return the first packets from a sender to a target: one to each address of the host that the rules tell apart."""
        protocol, port = self._asks_for(target)
        icmp = _ECHO[self._family][1] if target.kind == PING else None
        flags = frozenset(("SYN",) if protocol == "tcp" else ())
        from_port = None if target.kind == PING else _SOURCE_PORT
        return [
            Asked(self._family, protocol, sender.address, address, from_port, port, icmp, flags, sender.interface, "new", 0, False)
            for address in self._dialled(target, protocol, port, sender)
        ]

    def _dialled(self, target: Target, protocol: str, port: Optional[int], sender: Sender) -> Iterable[int]:
        if target.kind == DIRECT and sender.is_inside:
            # Containers among themselves are no affair of a policy's published ports.
            return []
        if target.address is not None:
            return [number(target.address)[0]]
        found: Dict[Hashable, int] = {}
        listeners = self._world.listeners
        for device, value in self._own():
            # Who is outside dials addresses outside. Containers dial their own gateway as well.
            if device in self._bridges and device != sender.interface:
                continue
            within = [self._parts_of(side, protocol, port, value) for side in self._told_apart]
            listener = listeners.answering(self._family, protocol, value, port or 0, device) if listeners is not None else None
            found.setdefault((tuple(within), listener and listener.words, device in self._bridges), value)
        return found.values()

    @staticmethod
    def _parts_of(told_apart: Distinctions, protocol: str, port: Optional[int], address: int) -> FrozenSet[Hashable]:
        parts = told_apart.of_destinations(protocol, told_apart.ports_on_the_way(protocol, port))
        return frozenset(name for name, spans in parts.items() if _holds(spans, address))

    def _own(self) -> Iterator[Tuple[str, int]]:
        for name, interface in self._world.interfaces.by_name.items():
            for address in interface.addresses:
                if address.family == self._family and interface.is_up and not interface.is_loopback and address.scope not in ("link", "host"):
                    yield name, address.value


def networks_of(spans: Spans, family: int) -> List[str]:
    """Return the spans as addresses and networks, in as few as there can be."""
    bits = 32 if family == IPV4 else 128
    found = []
    for first, last in spans:
        while first <= last:
            size = min((first & -first).bit_length() - 1 if first else bits, (last - first + 1).bit_length() - 1)
            found.append(spelt(family, first) + ("" if size == 0 else "/%d" % (bits - size)))
            first += 1 << size
    return found


def _holds(spans: Spans, address: int) -> bool:
    place = bisect_right(spans, (address, 1 << 128)) - 1
    return place >= 0 and spans[place][1] >= address


def _no(_words: str) -> bool:
    return False
