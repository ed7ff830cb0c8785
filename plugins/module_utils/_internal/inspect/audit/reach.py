# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who reaches what: every target from every zone, by the verdict on a packet. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ...address import IPV4, number
from ...errors import DrawbridgeError
from ...netfilter.verdict.matching.packet import spelt
from ...netfilter.verdict.snapshot.routes import Lookup
from ...netfilter.verdict.walk.asked import parse_asked
from ...netfilter.verdict.walk.judge import Judge, Judgement
from ...netfilter.verdict.walk.path import ACCEPTED, UNKNOWN, Step
from ...netfilter.verdict.walk.world import World
from .targets import DIRECT, FAMILY_NAME, PUBLISHED, Target
from .zones import INTERNET, LINK, Surroundings, Zone

OPEN, CLOSED, SOME, NOT_KNOWN, NONE = "open", "closed", "some", "unknown", "none"
STATES = (OPEN, CLOSED, SOME, NOT_KNOWN, NONE)
# Networks that the internet has no route to: RFC 1918, RFC 6598, link-local addresses, and unique local addresses of IPv6.
_PRIVATE = {4: ((10, 8), (0xAC1, 12), (0xC0A8, 16), (0x6440 >> 6, 10), (0xA9FE, 16)), 6: ((0xFC >> 1, 7), (0xFE80 >> 6, 10))}


class Cell(NamedTuple):
    """Whether a zone reaches a target. asked: the packet as packet_verdict is asked about it, empty if none was. answer: about that packet."""

    target: Target
    zone: Zone
    state: str
    reason: str
    asked: Dict[str, object]
    answer: Optional[Judgement] = None


def reach(host: Surroundings, judge: Judge, targets: Iterable[Target], zones: Sequence[Zone]) -> List[List[Cell]]:
    """Return a row for each target, with a cell for each zone."""
    asking = _Asking(host, judge)
    return [[asking.cell(target, zone) for zone in zones] for target in targets]


class _Asking:
    def __init__(self, host: Surroundings, judge: Judge) -> None:
        self._host = host
        self._judge = judge
        self._outside: Dict[int, Optional[int]] = {family: _outside(world, host.bridges) for family, world in host.worlds.items()}

    def cell(self, target: Target, zone: Zone) -> Cell:
        """Ask about each of the zone's addresses. Where they differ, the cell shows one that gets in."""
        sources = zone.addresses.get(target.family, ())
        if target.family not in self._host.worlds:
            return Cell(target, zone, NONE, "the host has no %s" % FAMILY_NAME[target.family], {})
        reason = _no_way(target, zone) if sources else "it has no address of %s" % FAMILY_NAME[target.family]
        if reason:
            return Cell(target, zone, NONE, reason, {})
        cells = [self._ask(target, zone, source) for source in sources]
        states = {cell.state for cell in cells}
        shown = min(cells, key=lambda cell: _SHOWN_FIRST.index(cell.state))
        if OPEN in states and len(states) > 1:
            return shown._replace(state=SOME, reason="not all of it: %s gets in: %s" % (shown.asked["from"], shown.reason))
        return shown

    def _ask(self, target: Target, zone: Zone, source: str) -> Cell:
        asked: Dict[str, object] = {"from": source, "to": "", "port": target.port, "protocol": target.protocol}
        interface = zone.interface or self._way_back(target.family, source)
        if interface:
            asked["interface"] = interface
        address = target.address or self._dialled(target.family, interface)
        if not address:
            return Cell(target, zone, NONE, "the host has no address that is reached from there", {})
        asked["to"] = address
        try:
            answer = self._judge.judge(parse_asked([asked])[0])
        except DrawbridgeError as error:
            return Cell(target, zone, NONE, error.message, asked)
        return Cell(target, zone, _state(answer), answer.reason, asked, answer)

    def _way_back(self, family: int, source: str) -> str:
        route = self._host.worlds[family].routes.find(Lookup(number(source)[0]), _no)
        return "" if route is None or route.leads_nowhere or route.kind == "local" else route.device

    def _dialled(self, family: int, interface: str) -> str:
        """The host's address that a zone dials: that of the interface by which its packets come, or the outer one."""
        world = self._host.worlds[family]
        own = None if interface in self._host.bridges else world.interfaces.primary(interface, family)
        value = own if own is not None else self._outside[family]
        return "" if value is None else spelt(family, value)


_SHOWN_FIRST = (OPEN, NOT_KNOWN, CLOSED, NONE)


def _no_way(target: Target, zone: Zone) -> str:
    """Return why a zone's packets cannot come to the host with the target's address; empty if they can."""
    if target.is_loopback and zone.kind != LINK:
        return "published on the loopback only: no packet comes from there"
    if target.kind == DIRECT and zone.kind == INTERNET and target.address is not None and is_private(target.family, target.address):
        return "a private address: the internet has no route to it"
    return ""


def is_private(family: int, address: str) -> bool:
    value, bits = number(address)
    return any(value >> bits - length == prefix for prefix, length in _PRIVATE[family])


def _outside(world: World, bridges: Set[str]) -> Optional[int]:
    """The host's address on the interface of its default route; without one, on any interface that is none of Docker's bridges."""
    everywhere = world.routes.find(Lookup(number("198.51.100.1" if world.family == IPV4 else "2001:db8::1")[0]), _no)
    names = [everywhere.device if everywhere is not None else "", *world.interfaces.by_name]
    found = (world.interfaces.primary(name, world.family) for name in names if name not in bridges)
    return next((value for value in found if value is not None and world.interfaces.first("lo", world.family) != value), None)


def _state(answer: Judgement) -> str:
    if answer.verdict == UNKNOWN or answer.verdict == ACCEPTED and answer.end.kind == "unknown":
        return NOT_KNOWN
    return OPEN if answer.verdict == ACCEPTED and answer.end.kind not in ("nobody", "none") else CLOSED


class Pool:
    """Paths that are told once, however many cells have them. Steps and paths are known by their numbers."""

    def __init__(self) -> None:
        self._steps: Dict[Step, int] = {}
        self._paths: Dict[Tuple[int, ...], int] = {}

    def add(self, path: Iterable[Step]) -> int:
        """Return the path's number."""
        numbers = tuple(self._steps.setdefault(step, len(self._steps)) for step in path)
        return self._paths.setdefault(numbers, len(self._paths))

    @property
    def shown(self) -> Dict[str, object]:
        return {"paths": [list(path) for path in self._paths], "steps": [step.shown for step in self._steps]}


def told(zones: Sequence[Zone], rows: Sequence[Sequence[Cell]], left_out: int) -> Dict[str, object]:
    """Return the module's value ``reachability``."""
    pool = Pool()
    targets = [dict(row[0].target.shown, reach=[_told(cell, pool) for cell in row]) for row in rows if row]
    shown = [
        {"name": zone.name, "kind": zone.kind, "interface": zone.interface or None,
         "addresses": {FAMILY_NAME[family]: list(found) for family, found in zone.addresses.items()}} for zone in zones
    ]  # fmt: skip
    return dict(pool.shown, zones=shown, targets=targets, left_out=left_out)


def _told(cell: Cell, pool: Pool) -> Dict[str, object]:
    answer = cell.answer
    return {
        "zone": cell.zone.name,
        "state": cell.state,
        "reason": cell.reason,
        "asked": cell.asked or None,
        "verdict": None if answer is None else answer.verdict,
        "packet": None if answer is None else answer.packet,
        "end_point": None if answer is None else {"kind": answer.end.kind, "text": answer.end.words},
        "path": None if answer is None else pool.add(answer.path),
    }


def cells_of(rows: Iterable[Iterable[Cell]], kind: str = PUBLISHED) -> Iterator[Cell]:
    """Yield the cells of targets of one kind."""
    return (cell for row in rows for cell in row if cell.target.kind == kind)


def _no(_words_of_it: str) -> bool:
    return False
