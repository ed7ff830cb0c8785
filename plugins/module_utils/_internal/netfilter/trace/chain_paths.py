# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Puts packets' paths together from what the probes of chains log. Pure."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..verdict.walk.path import ACCEPTED, DROPPED, NOWHERE, UNKNOWN, EndPoint, Step
from .chain_probes import Place
from .headers import Header
from .hits import CHAINS, SeenPacket
from .steps import arrives, leaves, translated


class Logged(NamedTuple):
    """A packet at a probe. number: the probe's place in the list."""

    number: int
    header: Header
    iif: str
    oif: str


class _Growing:
    """places: the chains that it came to."""

    def __init__(self, logged: Logged) -> None:
        self.first = self.last = logged.header
        self.iif = logged.iif
        self.places: List[Place] = []
        self.path: List[Step] = []
        self.oif = ""
        self.is_other = False


class ChainPaths:
    """places: of the probes. is_named: whether steps tell the variant. packets: those that were seen, in the order that they came."""

    def __init__(self, places: Sequence[Place], protocol: str, is_named: bool, is_new: bool) -> None:
        self._places, self._protocol, self._is_named, self._is_new = places, protocol, is_named, is_new
        self._packets: List[_Growing] = []
        self._latest: Dict[bytes, _Growing] = {}

    def add(self, logged: Logged) -> None:
        place = self._places[logged.number]
        found = self._latest.get(logged.header.key)
        if found is None or place.is_builtin and place._replace(is_other=False) in found.places:
            found = self._latest[logged.header.key] = _Growing(logged)
            self._packets.append(found)
        found.is_other = found.is_other or place.is_other
        found.places.append(place._replace(is_other=False))
        translated(found.path, found.last, logged.header)
        found.last = logged.header
        found.oif = logged.oif or found.oif
        variant = place.variant if self._is_named else ""
        found.path.append(Step(place.table, place.chain, None, "comes to the chain", variant=variant))

    @property
    def count(self) -> int:
        return len(self._whole())

    def packets(self) -> List[SeenPacket]:
        """Return the packets of the state that was asked for."""
        return [self._packet(packet) for packet in self._whole()]

    def _whole(self) -> List[_Growing]:
        """Those that were seen from their first hook on: others were on their way while probes were put."""
        return [packet for packet in self._packets if not packet.is_other and self._began(packet)]

    def _began(self, packet: _Growing) -> bool:
        first = "PREROUTING" if packet.iif else "OUTPUT"
        return packet.places[0].chain == first or not self._probed(first)

    def _packet(self, found: _Growing) -> SeenPacket:
        verdict, reason, end = self._end(found)
        chains = [[place.variant, place.table, place.chain] for place in found.places if not place.is_builtin]
        return SeenPacket(found.first, found.last, found.iif, verdict, reason, end, found.path, CHAINS, chains)

    def _end(self, found: _Growing) -> Tuple[str, str, EndPoint]:
        """How it ended, as far as chains tell."""
        seen = {place.chain for place in found.places if place.is_builtin}
        step = found.path[-1]
        last = "chain %s of table %s" % (step.chain, step.table)
        gone = "nothing was seen of it after %s: a rule behind that, or routing, took it" % last
        if "INPUT" in seen:
            return self._at_last(found, "INPUT", gone) or (ACCEPTED, "comes to the host", arrives(found.last, self._protocol))
        if "POSTROUTING" in seen:
            return self._at_last(found, "POSTROUTING", gone) or (ACCEPTED, "leaves by %s" % found.oif, leaves(found.last, found.oif))
        return (DROPPED, gone, NOWHERE) if self._probed("INPUT") and self._probed("POSTROUTING") else (UNKNOWN, gone, NOWHERE)

    def _at_last(self, found: _Growing, hook: str, gone: str) -> Optional[Tuple[str, str, EndPoint]]:
        """What became of a packet in a hook's chains, None if it passed them. What the last of them did is not seen, unless nothing is dropped there."""
        seen = {_asked_by(place) for place in found.places}
        if any(_asked_by(place) not in seen for place in self._probed(hook)):
            return DROPPED, gone, NOWHERE
        if hook == "POSTROUTING" or found.places[-1].table in ("nat", "security"):
            return None
        return UNKNOWN, "what its last chain did is not seen; %s" % gone, NOWHERE

    def _probed(self, hook: str) -> List[Place]:
        """The built-in chains of a hook that packets of this state come to. The table nat sees first packets only."""
        places = {place._replace(is_other=False): None for place in self._places if place.chain == hook and place.is_builtin}
        return [place for place in places if self._is_new or place.table != "nat"]


def _asked_by(place: Place) -> Tuple[str, str, str]:
    """Of both variants' tables nat only one is asked, if it translates."""
    return ("" if place.table == "nat" else place.variant), place.table, place.chain
