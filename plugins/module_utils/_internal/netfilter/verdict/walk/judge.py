# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Say what happens to packets on a host, and why. Pure."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

from ....errors import DrawbridgeError
from ..matching.packet import ORIGINAL, REPLY, Ends, Packet, spelt
from ..snapshot.routes import Lookup
from ..snapshot.texts import Snapshot
from .asked import Asked
from .choices import Choices, Question, parted_by, runs
from .path import NOWHERE, UNKNOWN, EndPoint, Outcome, Step
from .way import Rehearsal, Way
from .world import Shared, World

_TOO_MANY = Question("", "there are too many open questions on its way", "")


class Judgement(NamedTuple):
    """The answer about a packet.

    packet: in words. verdict: accepted, dropped, rejected or unknown. decided: the questions that leave it unknown. open: further questions, whose
    answers do not matter. arrived: the packet's ends where it ends.
    """

    packet: str
    verdict: str
    reason: str
    end: EndPoint
    path: List[Step]
    decided: List[Question]
    open: List[Question]
    arrived: Ends

    @property
    def shown(self) -> Dict[str, object]:
        """The answer as the module returns it."""
        return {
            "packet": self.packet,
            "verdict": self.verdict,
            "reason": self.reason,
            "end_point": {"kind": self.end.kind, "text": self.end.words},
            "path": [step.shown for step in self.path],
            "unknown": [str(question) for question in self.decided],
            "not_decisive": [str(question) for question in self.open],
        }


class Judge:
    """Judges packets by a snapshot. What it needs of it is made ready once, by the first packet that needs it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._shared = Shared(snapshot)
        self._worlds: Dict[int, World] = {}

    def judge(self, asked: Asked, path: str = "packet") -> Judgement:
        """Return the verdict. path: the packet's place in the user's data. Raises DrawbridgeError if it cannot be on this host."""
        if not self._snapshot.save_names(asked.family):
            hint = "the text of iptables-save or ip6tables-save is missing, or IPv6 is off"
            raise DrawbridgeError("the rules of IPv%d are not known" % asked.family, path, hint)
        world = self.world(asked.family)
        start = self._start(world, asked, path)
        found, is_whole = runs(lambda choices: _run(world, start, asked, choices))
        return _judgement(_words(start.packet(), asked), found, is_whole)

    def world(self, family: int) -> World:
        """Return what packets of a family meet."""
        if family not in self._worlds:
            self._worlds[family] = World(family, self._snapshot, self._shared)
        return self._worlds[family]

    def _start(self, world: World, asked: Asked, path: str) -> _Start:
        interfaces = world.interfaces
        source = asked.source
        if source is not None and world.routes.local_type(source) == "local" and not asked.interface:
            asked = asked._replace(is_local=True)
        if asked.is_local:
            if asked.interface:
                raise DrawbridgeError("a packet of the host itself comes by no interface", "%s.interface" % path)
            return _Start(asked, self._own_address(world, asked, path) if source is None else source, "", ())
        if source is None:
            raise DrawbridgeError("a packet from elsewhere needs a source address", "%s.from" % path)
        name = asked.interface or self._way_back(world, asked, source, path)
        if name not in interfaces.by_name:
            raise DrawbridgeError("the host has no interface %s" % ascii(name), "%s.interface" % path, "interfaces are %s" % ", ".join(interfaces.by_name))
        master = interfaces.by_name[name].master
        if master in interfaces.by_name and interfaces.by_name[master].kind in ("bridge", "bond", "team"):
            return _Start(asked, source, master, (name,) if interfaces.is_bridge(master) else ())
        return _Start(asked, source, name, interfaces.ports_of(name))

    def _way_back(self, world: World, asked: Asked, source: int, path: str) -> str:
        route = world.routes.find(Lookup(source), _no)
        if route is None or not route.device or route.leads_nowhere:
            raise DrawbridgeError("there is no route to %s" % spelt(asked.family, source), "%s.from" % path, "name the interface that it comes by: interface")
        return route.device

    def _own_address(self, world: World, asked: Asked, path: str) -> int:
        """The address that the host takes by itself."""
        route = world.routes.find(Lookup(asked.destination, mark=asked.mark), _no)
        if route is not None and route.source is not None:
            return route.source
        if route is not None and route.kind == "local":
            return asked.destination
        found = world.interfaces.primary(route.device, asked.family, asked.destination) if route is not None else None
        if found is None:
            raise DrawbridgeError("the host has no address that it sends to %s by" % spelt(asked.family, asked.destination), "%s.from" % path, "name one")
        return found


class _Start(NamedTuple):
    """Where a packet begins. ports: the bridge ports that it may come by."""

    asked: Asked
    source: int
    interface: str
    ports: Tuple[str, ...]

    def packet(self) -> Packet:
        """A packet of its own for each run."""
        asked = self.asked
        packet = Packet(asked.family, asked.protocol, Ends(self.source, asked.destination, asked.sport, asked.dport), self.interface, asked.mark)
        packet.icmp, packet.flags, packet.ports_in, packet.is_local = asked.icmp, asked.flags, self.ports, asked.is_local
        return packet


def _run(world: World, start: _Start, asked: Asked, choices: Choices) -> Outcome:
    packet = start.packet()
    if asked.state in ("new", "invalid"):
        return Way(world, packet, choices, is_valid=asked.state == "new").outcome()
    first = start.packet()
    first.flags = frozenset(("SYN",)) if first.protocol == "tcp" else frozenset()
    rehearsed = Rehearsal(world, first, choices).outcome()
    connection = first.connection
    if first.is_untracked:
        return _untracked(world, packet, first, rehearsed, asked, choices)
    if connection is None:
        reason = "no flow is there: %s" % rehearsed.reason
        return Outcome(UNKNOWN, reason, NOWHERE, rehearsed.path, packet)
    if asked.state == "established":
        connection.goes_on(ORIGINAL)
        # Replies may have changed it.
        connection.mark = None
        return Way(world, packet, choices, connection).outcome()
    if rehearsed.end == NOWHERE:
        return Outcome(UNKNOWN, "nothing can answer: %s" % rehearsed.reason, NOWHERE, rehearsed.path, packet)
    connection.goes_on(REPLY)
    return Way(world, _reply(world, first, connection.reply, rehearsed, asked), choices, connection).outcome()


def _untracked(world: World, packet: Packet, first: Packet, rehearsed: Outcome, asked: Asked, choices: Choices) -> Outcome:
    """Packets that are not tracked are all alike. Their replies may be tracked, as first packets."""
    if asked.state == "established":
        return Way(world, packet, choices).outcome()
    if rehearsed.end == NOWHERE:
        return Outcome(UNKNOWN, "nothing can answer: %s" % rehearsed.reason, NOWHERE, rehearsed.path, packet)
    return Way(world, _reply(world, first, first.ends.back, rehearsed, asked), choices).outcome()


def _reply(world: World, first: Packet, ends: Ends, rehearsed: Outcome, asked: Asked) -> Packet:
    """The answer of whoever gets the flow's packets."""
    goes_out = rehearsed.end.kind in ("interface", "bridge")
    reply = Packet(first.family, first.protocol, ends, first.oif if goes_out else "", 0)
    reply.flags, reply.is_local = asked.flags, not goes_out
    reply.ports_in = world.interfaces.ports_of(reply.iif)
    if asked.icmp is not None:
        reply.icmp = {8: (0, 0), 128: (129, 0)}.get(asked.icmp[0], asked.icmp)
    return reply


def _judgement(packet: str, found: List[Tuple[Choices, Outcome]], is_whole: bool) -> Judgement:
    choices, first = found[0]
    decisive: Dict[Question, None] = {}
    for others, outcome in found[1:]:
        if outcome.verdict != first.verdict:
            decisive[parted_by(choices, others)] = None
    questions = dict.fromkeys(question for run, _outcome in found for question in run.asked if question not in decisive)
    if first.verdict == UNKNOWN and not decisive or not decisive and is_whole:
        unknown = [Question("", first.reason, "")] if first.verdict == UNKNOWN else []
        return Judgement(packet, first.verdict, first.reason, _end(found), first.path, unknown, list(questions), first.packet.ends)
    if not is_whole:
        decisive[_TOO_MANY] = None
    reason = "it depends on what is not known: %s" % "; ".join(map(str, decisive))
    return Judgement(packet, UNKNOWN, reason, NOWHERE, _common(found), list(decisive), list(questions), first.packet.ends)


def _end(found: List[Tuple[Choices, Outcome]]) -> EndPoint:
    """The end point that all runs agree about."""
    ends = {outcome.end for _choices, outcome in found}
    return ends.pop() if len(ends) == 1 else EndPoint("unknown", "one of: %s" % "; ".join(sorted(end.words for end in ends)))


def _common(found: List[Tuple[Choices, Outcome]]) -> List[Step]:
    """The steps that all runs begin with."""
    steps: List[Step] = []
    for here in zip(*(outcome.path for _choices, outcome in found)):
        if any(step != here[0] for step in here):
            break
        steps.append(here[0])
    return steps


def _words(packet: Packet, asked: Asked) -> str:
    by = " by %s" % packet.iif if packet.iif else ", sent by the host"
    return "%s%s, %s" % (packet, by, asked.state)


def _no(_words_of_it: str) -> bool:
    return False
