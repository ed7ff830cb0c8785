# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Loads a case into the kernel, sends its packets, and compares where they come out and which rules they meet with what the verdict says.

The rules that packets met are those whose counters they moved, each by as many packets as the verdict says.
"""
from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot, read_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.asked import Asked, parse_asked
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge, Judgement
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.path import ACCEPTED, REJECTED, UNKNOWN

from . import forge, forge_stage
from .forge_stage import ADDRESS, CONTAINER, HOST, OTHER, OUTSIDE, PEER, Stage
from .host import PROGRAMS, Host
from .verdict_cases import LATE, ON_BRIDGE, PORTS, SOURCE_PORTS, Case, Sent, sets_text
from .verdict_nft_cases import TABLE

_SAVED = {("nft", 4): "iptables", ("nft", 6): "ip6tables", ("legacy", 4): "iptables_legacy", ("legacy", 6): "ip6tables_legacy"}
# Longer than a kernel looks for a neighbour.
_SECONDS = 5
_AT_THE_HOST = ("host", "listener", "nobody")
_PLACES = {OUTSIDE: ("client", "attacker", "server"), CONTAINER: (CONTAINER,), PEER: (PEER,), OTHER: (OTHER,)}
# A rule: table, chain, number.
Place = tuple[str, str, int]


class _Flow(NamedTuple):
    """first: what is said of its first packet."""

    sent: Sent
    sport: int
    first: Judgement


class _Packet(NamedTuple):
    """A packet to send, and what is said of it. number: it carries it. near: the place on the same bridge that its frame is for."""

    number: int
    place: str
    packet: forge.Packet
    answer: Judgement

    @property
    def is_answered(self) -> bool:
        """Whether the host itself answers, by packets that move counters, too."""
        at_host = self.answer.end.kind in _AT_THE_HOST and (self.packet.protocol == forge.TCP or self.answer.arrived.dport not in (None, 0, *PORTS))
        return self.answer.verdict == REJECTED or at_host


class Comparison:
    """One family on a stage."""

    def __init__(self, host: Host, stage: Stage, family: int) -> None:
        self.host, self.stage, self.family = host, stage, family
        self.told: Counter[str] = Counter()
        self._numbers = itertools.count()
        self._places = {ADDRESS[name][family]: place for place, names in _PLACES.items() for name in names}
        host.sh("ipset", "restore", text=sets_text(family))
        self._texts = {name: text for name, text in read_host(host.system).texts.items() if name not in _SAVED.values()}
        self._before: Counter[Place] = Counter()

    def compare(self, case: Case) -> None:
        """Raises AssertionError where the two differ each time, for some seconds: what the kernels say to each other may be counted beside the packets."""
        end = time.monotonic() + _SECONDS
        while True:
            try:
                self._compare(case)
                break
            except AssertionError:
                if time.monotonic() > end:
                    raise

    def _compare(self, case: Case) -> None:
        self.host.sh("%s-%s-restore" % (PROGRAMS[self.family], self.host.variant), text=case.text())
        # A flow of an earlier case would be no new one.
        self.host.sh("conntrack", "-F")
        self.host.sh("nft", "-f", "-", text="add table %s\ndelete table %s\n%s" % (TABLE, TABLE, case.nft))
        saved, tables = self._save()
        self._before = _counts(saved, tables)
        judge = Judge(Snapshot(dict(self._texts, **{_SAVED[self.host.variant, self.family]: saved, "nftables": tables})))
        flows = []
        for sent in case.packets:
            sport = SOURCE_PORTS[next(self._numbers) % len(SOURCE_PORTS)]
            flows.append(_Flow(sent, sport, judge.judge(self._asked(sent, sport, "new"))))
        self._phase(case, [self._forth(flow, flow.first) for flow in flows])
        answered = [flow for flow in flows if self._can_be_answered(flow)]
        self._phase(case, [self._back(flow, judge.judge(self._asked(flow.sent, flow.sport, "reply"))) for flow in answered])
        later = ((flow, judge.judge(self._asked(flow.sent, flow.sport, "reply"))) for flow in answered)
        going_on = [flow for flow, reply in later if reply.verdict == ACCEPTED]
        self._phase(case, [self._forth(flow, judge.judge(self._asked(flow.sent, flow.sport, "established"))) for flow in going_on])

    def _can_be_answered(self, flow: _Flow) -> bool:
        """Datagrams that came to another host."""
        first = flow.first
        return first.verdict == ACCEPTED and first.end.kind in ("interface", "bridge") and flow.sent.protocol != forge.TCP and flow.sent.place != HOST

    def _phase(self, case: Case, packets: list[_Packet]) -> None:
        """Send some packets at once; those apart that the host answers, and those whose path has open questions."""
        for packet in packets:
            self.told.update(["packets", packet.answer.verdict, *(question.words for question in packet.answer.decided)])
        known = [packet for packet in packets if packet.answer.verdict != UNKNOWN]
        plain, unsure = [item for item in known if not item.answer.open], [item for item in known if item.answer.open]
        for batch in ([item for item in plain if not item.is_answered], [item for item in plain if item.is_answered], unsure):
            if batch:
                self._batch(case, batch)

    def _batch(self, case: Case, batch: list[_Packet]) -> None:
        for item in batch:
            self._send(item)
        came: dict[int, set[str]] = {}
        for place, marks in self.stage.heard().items():
            for number, _step in marks:
                came.setdefault(number, set()).add(place)
        after = _counts(*self._save())
        moved, self._before = after - self._before, after
        path: Counter[Place] = Counter()
        for item in batch:
            path.update(place for place in _rules_of(item.answer) if place in after)
        if batch[0].answer.open:
            # Where an open question is answered otherwise than it was taken for, the verdict is the same and the path is not.
            self.told.update({"paths that are not compared": len(batch)})
            moved, path = Counter(), Counter()
        elif batch[0].is_answered:
            moved = Counter({place: count for place, count in moved.items() if not _is_late(place)})
        self.told.update({"rules": sum(path.values())})
        # The first rule there is for neighbours.
        found, said = ({place: count for place, count in counts.items() if count and (self.family == 4 or not (place[1] in LATE and place[2] == 1))}
                       for counts in (moved, path))
        ends = {item.number: self._end(item.answer) for item in batch}
        heard = {item.number: came.get(item.number, set()) for item in batch}
        if (heard, found) != (ends, said):
            wrong = [item for item in batch if heard[item.number] != ends[item.number]]
            rules = ["%s: moved by %d, said %d" % (place, moved[place], path[place]) for place in sorted({*found, *said}) if moved[place] != path[place]]
            words = ["%s\n  says %s (%s) at %s\n  %s\n  came to %s" % (
                item.packet, item.answer.verdict, item.answer.reason, item.answer.end, "\n  ".join(map(str, item.answer.path)), heard[item.number])
                for item in wrong or batch]
            raise AssertionError("\n".join([case.text(), case.nft, *words, *rules]))

    def _end(self, answer: Judgement) -> set[str]:
        if answer.verdict != ACCEPTED:
            return set()
        return {HOST} if answer.end.kind in _AT_THE_HOST else {self._places[self._spelt(answer.arrived.destination)]}

    def _asked(self, sent: Sent, sport: int, state: str) -> Asked:
        packet: dict[str, object] = {"from": ADDRESS[sent.source][self.family], "to": ADDRESS[sent.destination][self.family], "state": state}
        packet.update({"protocol": "icmp"} if sent.protocol == forge.ICMP else {"protocol": sent.protocol, "port": sent.port, "source_port": sport})
        if sent.place != HOST:
            packet["interface"] = self.stage.places[sent.place].port
        return parse_asked([packet])[0]

    def _forth(self, flow: _Flow, answer: Judgement) -> _Packet:
        sent = flow.sent
        ports = (flow.sport, 0 if sent.protocol == forge.ICMP else sent.port)
        return self._packet(sent.place, sent.protocol, ADDRESS[sent.source][self.family], ADDRESS[sent.destination][self.family], ports, answer)

    def _back(self, flow: _Flow, answer: Judgement) -> _Packet:
        """From where the flow's first packet came, to its source as it came there."""
        ends = flow.first.arrived.back
        protocol = forge.ECHO_REPLY if flow.sent.protocol == forge.ICMP else flow.sent.protocol
        ports = (flow.sport, 0) if flow.sent.protocol == forge.ICMP else (ends.sport or 0, ends.dport or 0)
        place = self._places[self._spelt(ends.source)]
        return self._packet(place, protocol, self._spelt(ends.source), self._spelt(ends.destination), ports, answer)

    def _packet(self, place: str, protocol: str, source: str, destination: str, ports: tuple[int, int], answer: Judgement) -> _Packet:
        number = next(self._numbers)
        return _Packet(number, place, forge.Packet(self.family, protocol, source, destination, ports, forge_stage.mark(number, 1)), answer)

    def _send(self, item: _Packet) -> None:
        packet = item.packet
        if item.place == HOST:
            # The kernel tells the sender where OUTPUT drops it.
            with contextlib.suppress(PermissionError), socket.socket(forge.AF[self.family], socket.SOCK_DGRAM) as sender:
                sender.bind((packet.source, packet.ports[0]))
                sender.sendto(packet.text, (packet.destination, packet.ports[1]))
            return
        near = self._places.get(packet.destination, "")
        is_near = near in ON_BRIDGE and ON_BRIDGE[near] == ON_BRIDGE.get(item.place)
        self.stage.send(item.place, (self.family, forge.packed(packet)), near if is_near else None)

    def _spelt(self, value: int) -> str:
        return socket.inet_ntop(forge.AF[self.family], value.to_bytes(4 if self.family == 4 else 16, "big"))

    def _save(self) -> tuple[str, str]:
        """What iptables-save and nft print, with counters."""
        return self.host.sh("%s-%s-save" % (PROGRAMS[self.family], self.host.variant), "-c"), self.host.sh("nft", "-j", "list", "ruleset")


def _counts(saved: str, tables: str) -> Counter[Place]:
    return Counter(dict([*_counters(saved), *_nft_counters(tables)]))


def _nft_counters(tables: str) -> Iterator[tuple[Place, int]]:
    """Of the rules of our table that have a counter."""
    numbers: Counter[str] = Counter()
    for item in json.loads(tables)["nftables"]:
        rule = item.get("rule", {})
        if "%s %s" % (rule.get("family"), rule.get("table")) == TABLE:
            numbers[rule["chain"]] += 1
            for statement in rule["expr"]:
                if "counter" in statement:
                    yield (TABLE, rule["chain"], numbers[rule["chain"]]), statement["counter"]["packets"]


def _counters(saved: str) -> Iterator[tuple[Place, int]]:
    for table, chains in parse(saved).tables.items():
        for name, chain in chains.items():
            for number, counter in enumerate(chain.counters, 1):
                yield (table, name, number), int(counter[1:].partition(":")[0])


def _rules_of(answer: Judgement) -> Iterable[Place]:
    return [(step.table, step.chain, step.rule) for step in answer.path if step.rule is not None]


def _is_late(place: Place) -> bool:
    return place[1].split("-")[0] in LATE or place[1].startswith("L")
