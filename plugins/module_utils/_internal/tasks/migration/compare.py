# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The packets that a proposed policy treats differently than the host does today. Pure."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ...address import IPV4
from ...inspect.audit.targets import DIRECT, FAMILY_NAME, PUBLISHED, SERVICE, Target
from ...netfilter.verdict.matching.packet import spelt
from ...netfilter.verdict.walk.asked import Asked
from .goals import NAMED, OTHER_PORTS, Goal
from .packets import Packets, Sender, networks_of
from .reached import CLOSED, NOT_KNOWN, OPEN, Reach, Reached

# So many networks of a class of senders are named. The rest is counted.
_MOST_SOURCES = 8
_MOST_CHARACTERS = 300
_RANK = {CLOSED: 0, NOT_KNOWN: 1, OPEN: 2}


class Hosts(NamedTuple):
    """The host as it is, with the policy beside the rules of others, and with the policy alone."""

    today: Reach
    beside: Reach
    alone: Reach


class Answers(NamedTuple):
    today: Reached
    beside: Reached
    alone: Reached

    @property
    def states(self) -> Tuple[str, str, str]:
        return self.today.state, self.beside.state, self.alone.state

    @property
    def differs(self) -> bool:
        return len(set(self.states)) > 1

    @property
    def is_wider(self) -> bool:
        """Whether more gets in than today, or may."""
        return max(_RANK[self.beside.state], _RANK[self.alone.state]) > _RANK[self.today.state]


class Compared(NamedTuple):
    """packets: how many were judged. unknown: of those that are treated alike, how many are unknown on all sides."""

    packets: int
    unknown: int
    differences: List[Dict[str, object]]


class _Found(NamedTuple):
    """Packets that are alike: by one interface to one goal, with the same answers."""

    goal: Goal
    asked: Asked
    answers: Answers
    senders: Dict[int, Sender]
    destinations: Dict[int, None]


def compare(hosts: Hosts, packets: Dict[int, Packets], goals: Dict[int, List[Goal]]) -> Compared:
    """Judge each packet on all three. packets, goals: by family."""
    comparison = _Comparison(hosts)
    for family, listed in goals.items():
        for goal in listed:
            comparison.add(packets[family], goal)
    ordered = sorted(comparison.found.values(), key=lambda item: not item.answers.is_wider)
    return Compared(comparison.packets, comparison.unknown, [_told(item) for item in ordered])


class _Comparison:
    """Of all goals. Counts as it goes."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self.found: Dict[object, _Found] = {}
        self.packets = 0
        self.unknown = 0

    def add(self, packets: Packets, goal: Goal) -> None:
        """Judge the packets to a goal. Who can be forged matters only where some get in and others do not: elsewhere a forged source gains nothing."""
        states = {
            answers.alone.state
            for sender in packets.senders(goal.target)
            for answers in self._from(packets, goal, sender)
            if not sender.is_inside
        }
        if OPEN in states and len(states) > 1:
            for sender in packets.forged(goal.target):
                self._from(packets, goal, sender)

    def _from(self, packets: Packets, goal: Goal, sender: Sender) -> List[Answers]:
        hosts, told = self._hosts, []
        for asked in packets.to(goal.target, sender):
            answers = Answers(hosts.today.of(asked), hosts.beside.of(asked), hosts.alone.of(asked))
            told.append(answers)
            self.packets += 1
            # That forged sources are stopped is no loss to anybody.
            if answers.is_wider or answers.differs and not sender.is_forged:
                alike = self.found.setdefault((goal.target, sender.interface, sender.is_forged, answers), _Found(goal, asked, answers, {}, {}))
                alike.senders[sender.address] = sender
                alike.destinations[asked.destination] = None
            elif not sender.is_forged:
                self.unknown += answers.today.state == NOT_KNOWN
        return told


def _told(found: _Found) -> Dict[str, object]:
    target, answers = found.goal.target, found.answers
    sources = networks_of(sorted(span for sender in found.senders.values() for span in sender.spans), target.family)
    # Two reasons at most: today's, and that of the side that differs from it.
    changed = answers.alone if answers.alone.state != answers.today.state else answers.beside
    return {
        "kind": target.kind,
        "family": FAMILY_NAME[target.family],
        "protocol": found.asked.protocol,
        "ports": ports_of(found.goal),
        "name": target.name,
        "to": _to(found),
        "interface": found.asked.interface,
        "sources": sources[:_MOST_SOURCES],
        "more_sources": max(len(sources) - _MOST_SOURCES, 0),
        "today": answers.today.state,
        "beside": answers.beside.state,
        "alone": answers.alone.state,
        "wider": answers.is_wider,
        "forged": _is_forged(found),
        "reason_today": plain(answers.today.reason),
        "reason_then": plain(changed.reason),
        "message": _words(found, sources),
    }


def ports_of(goal: Goal) -> List[str]:
    """Return the ports that a goal stands for."""
    return ["%d" % first if first == last else "%d-%d" % (first, last) for first, last in goal.ports]


_KIND = {PUBLISHED: "published port", DIRECT: "a container's own address, port", SERVICE: "service of the host at", NAMED: "port that rules name,",
         OTHER_PORTS: "every other port,"}  # fmt: skip


def _words(found: _Found, sources: Sequence[str]) -> str:
    answers = found.answers
    kind = "WIDER" if answers.is_wider else "differs" if OPEN in answers.states[1:] else "closed"
    who = ("forged sources " if _is_forged(found) else "") + _who(found, sources)
    reason = "; today: %s" % answers.today.reason if answers.today.reason else ""
    words = "%s: %s from %s by %s: today %s, %s%s" % (
        kind, _what(found.goal.target, found), who, found.asked.interface, answers.today.state, _stage(answers), reason,
    )  # fmt: skip
    return plain(words)


def _is_forged(found: _Found) -> bool:
    return any(sender.is_forged for sender in found.senders.values())


def _who(found: _Found, sources: Sequence[str]) -> str:
    bits = 32 if found.goal.target.family == IPV4 else 128
    if all(sender.is_inside for sender in found.senders.values()):
        return "containers" if len(found.senders) > 1 or len(sources) > 3 else ", ".join(sources)
    if sum(last - first + 1 for sender in found.senders.values() for first, last in sender.spans) >> bits - 1:
        return "everybody else"
    return ", ".join(sources[:3]) + (" and %d more" % (len(sources) - 3) if len(sources) > 3 else "")


def _to(found: _Found) -> List[str]:
    return [spelt(found.goal.target.family, address) for address in found.destinations]


def _what(target: Target, found: _Found) -> str:
    to = ", ".join(_to(found))
    if target.kind not in _KIND:
        return "ping to %s" % to
    ports = ports_of(found.goal)
    listed = ", ".join(ports[:3]) + (" and more" if len(ports) > 3 else "")
    return "%s %s/%s%s at %s" % (_KIND[target.kind], listed, target.protocol, " (%s)" % target.name if target.name else "", to)


def _stage(answers: Answers) -> str:
    if answers.beside.state == answers.alone.state:
        return "with the policy %s" % answers.alone.state
    return "with the policy %s beside the old rules, %s without them" % (answers.beside.state, answers.alone.state)


def plain(text: str, most: Optional[int] = _MOST_CHARACTERS) -> str:
    """Return text of the host on one line, in ASCII, and not too long."""
    shown = "".join(character if character.isascii() and character.isprintable() else "?" for character in text)
    return shown if most is None or len(shown) <= most else shown[:most] + "..."
