# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet in one base chain of nftables: rules in order, jumps, gotos, maps of verdicts, translations, and the chain's policy. Pure."""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Tuple

from ....host.system.json_values import JsonObject, mapping, text
from ...rules.matches import Translation
from ..matching.nft_rules import ReadyChain, ReadyRule, ReadyTable
from ..matching.nft_sets import Found, exact
from ..matching.packet import ESTABLISHED, Packet, spelt
from ..matching.translation import HOOK_KINDS, SOURCE
from ..snapshot.nft_tables import NftBase, listed
from .choices import Choices, Question
from .path import ACCEPTED, UNKNOWN, Ended, EndPoint, Step
from .table_walk import ACCEPT, all_hold, translated
from .world import World

DROP, REJECT = "DROP", "REJECT"
_RETURN = "RETURN"
_MOST_JUMPS = 64
_ALL = 0xFFFFFFFF
# Statements that change nothing that any verdict needs.
_WITHOUT_EFFECT = ("", "counter", "log", "last", "dup", "ct helper", "ct timeout", "ct expectation", "secmark", "continue", "comment")
_FINAL = {"accept": ACCEPT, "drop": DROP, "reject": REJECT, "return": _RETURN}
_TRANSLATIONS = ("dnat", "snat", "masquerade", "redirect")
# What may be written into a packet or its connection without a change of its way.
_HARMLESS = {"meta": ("priority", "nftrace", "secmark", "broute"), "ct": ("event", "secmark", "helper"),
             "payload": ("dscp", "ecn", "ttl", "hoplimit", "flowlabel", "checksum"), "tcp option": ("size",)}  # fmt: skip


class _NoMatch(Exception):
    """The packet has no such thing: the rule ends here."""


class NftWalk:
    """path: the steps are added to it."""

    def __init__(self, world: World, packet: Packet, choices: Choices, path: List[Step]) -> None:
        self._world = world
        self._packet = packet
        self._choices = choices
        self._path = path
        self._step = Step("", "", None, "")
        self._do: Dict[str, Callable[[ReadyTable, JsonObject], str]] = {"mangle": self._mangle, "set": self._set, "map": self._set, "notrack": self._notrack}

    def walk(self, table: ReadyTable, base: NftBase) -> str:
        """Return the chain's verdict: ACCEPT, DROP or REJECT. Raises Ended where it is unknown."""
        verdict = self._chain(table, base.name, 0)
        if verdict is None and base.drops:
            self._path.append(Step(table.words, base.name, None, "policy drop"))
            return DROP
        return verdict or ACCEPT

    def _chain(self, table: ReadyTable, name: str, depth: int) -> Optional[str]:
        """Return a verdict; None if the packet returns from the chain."""
        chain = table.chain(name)
        if chain is None:
            raise Ended(UNKNOWN, "%s: there is no chain %s" % (self._step.place, name))
        if depth > _MOST_JUMPS:
            raise Ended(UNKNOWN, "chain %s jumps to itself" % name)
        for rule in chain.candidates(self._packet):
            verdict, is_final = self._rule(table, chain, rule, depth)
            if is_final:
                return verdict
        return None

    def _rule(self, table: ReadyTable, chain: ReadyChain, rule: ReadyRule, depth: int) -> Tuple[Optional[str], bool]:
        """Return a verdict, and whether the chain ends by it."""
        step = Step(table.words, chain.name, rule.number, rule.text)
        changes: List[str] = []
        is_met = False
        for part in rule.parts:
            self._step = step
            if not all_hold(part.conditions, self._packet, self._choices, step):
                break
            name, said = part.name, part.statement
            try:
                if name == "vmap":
                    name, said = self._mapped_verdict(table, mapping(said))
                target = self._translation(table, name, mapping(said)) if name in _TRANSLATIONS else None
            except _NoMatch:
                break
            if target is not None or name in _FINAL or name in ("jump", "goto"):
                self._path.append(step._replace(change=", ".join(changes)))
                return self._verdict(table, name, mapping(said), target, depth)
            # A counter or a log ahead of what a rule asks does not make it one that the packet meets.
            is_met = is_met or not name or name not in _WITHOUT_EFFECT
            try:
                changes.append(self._effect(table, name, said))
            except _NoMatch:
                break
        if is_met:
            self._path.append(step._replace(change=", ".join(item for item in changes if item)))
        return None, False

    def _verdict(self, table: ReadyTable, name: str, said: JsonObject, target: Optional[Translation], depth: int) -> Tuple[Optional[str], bool]:
        if target is not None:
            self._translate(target, said)
            return ACCEPT, True
        if name in _FINAL:
            return (None if name == "return" else _FINAL[name]), True
        verdict = self._chain(table, text(said.get("target")), depth + 1)
        return verdict, verdict is not None or name == "goto"

    def _mapped_verdict(self, table: ReadyTable, said: JsonObject) -> Tuple[str, object]:
        found = self._find(table, said)
        verdict = mapping(found.data)
        name = next(iter(verdict), "continue")
        return name, verdict.get(name)

    def _find(self, table: ReadyTable, said: JsonObject) -> Found:
        """What a map has for a packet. Raises _NoMatch for nothing."""
        key = table.expressions.of(said.get("key"))
        lookup = table.map_of(said.get("data"), key.kinds)
        values = key.read(self._packet)
        found = Found(False) if values is None else lookup.find(values)
        if found.holds is None:
            # Each answer is followed.
            for data in lookup.data:
                words = "the map has %s for it" % data
                if self._choices.ask(Question(self._step.place, words, self._step.place + words)):
                    return Found(True, data)
            words = "the map has something for it that cannot be read"
            if not lookup.is_whole and self._choices.ask(Question(self._step.place, words, self._step.place + words)):
                raise Ended(UNKNOWN, "%s: %s" % (self._step.place, words))
        if not found.holds:
            raise _NoMatch
        return found

    def _effect(self, table: ReadyTable, name: str, said: object) -> str:
        """Do what a statement does after which the packet goes on. Returns the change in words."""
        if name in _WITHOUT_EFFECT:
            return ""
        if name == "flow":
            return self._offload()
        if name in self._do:
            return self._do[name](table, mapping(said))
        raise Ended(UNKNOWN, "%s: the statement %s is not modelled" % (self._step.place, name))

    def _offload(self) -> str:
        """A flow that is in a flowtable goes on without rules."""
        connection = self._packet.connection
        words = "the flow is in a flowtable, and its packets pass no rule"
        if connection is not None and connection.state == ESTABLISHED and self._choices.ask(Question(self._step.place, words, words)):
            packet = self._packet
            raise Ended(ACCEPTED, words, EndPoint("interface", "%s, by %s" % (packet.end(packet.destination, packet.dport), packet.oif)))
        return ""

    def _notrack(self, _table: ReadyTable, _said: JsonObject) -> str:
        if self._packet.connection is not None:
            return ""
        self._packet.is_untracked = True
        return "is not tracked"

    def _mangle(self, table: ReadyTable, said: JsonObject) -> str:
        key = mapping(said.get("key"))
        name = next(iter(key), "")
        what = mapping(key.get(name))
        field = text(what.get("key") or what.get("field"))
        if field in _HARMLESS.get(name, ()):
            return ""
        if (name, field) not in (("meta", "mark"), ("ct", "mark"), ("ct", "label")):
            raise Ended(UNKNOWN, "%s: what it changes in the packet is not modelled" % self._step.place)
        values = table.expressions.of(said.get("value"), "label" if field == "label" else "number").read(self._packet)
        if values is None:
            raise _NoMatch
        found = values[0] if isinstance(values[0], int) else None
        connection = self._packet.connection
        if name == "meta":
            self._packet.mark = None if found is None else found & _ALL
            return "mark is %s" % _shown(found)
        if connection is None:
            return ""
        if field == "mark":
            connection.mark = None if found is None else found & _ALL
            return "mark of the connection is %s" % _shown(found)
        if found is None:
            raise Ended(UNKNOWN, "%s: the label is not known" % self._step.place)
        connection.labels.update(str(bit) for bit in range(128) if found >> bit & 1)
        return ""

    def _set(self, table: ReadyTable, said: JsonObject) -> str:
        """An element goes into a set, or out of it, by a packet."""
        element = mapping(said.get("elem"))
        inner = mapping(element.get("elem"))
        values = table.expressions.of(inner.get("val") if "val" in inner else element).read(self._packet)
        if values is None:
            raise _NoMatch
        name = text(said.get("set") or said.get("map")).lstrip("@")
        if exact(values):
            self._packet.set_changes.setdefault(table.set_key(name), {})[values] = said.get("op") != "delete"
        return ""

    def _translation(self, table: ReadyTable, name: str, said: JsonObject) -> Translation:
        """The translation as iptables would spell it. Raises _NoMatch where the rule is not for the packet."""
        packet = self._packet
        if text(said.get("family")) not in ("", "ip" if packet.family == 4 else "ip6"):
            raise _NoMatch
        address, port = self._looked_up(table, said.get("addr")), self._looked_up(table, said.get("port"))
        parts = mapping(address).get("concat")
        if isinstance(parts, list) and len(parts) == 2:
            address, port = parts
        prefix = mapping(mapping(address).get("prefix"))
        if prefix:
            return Translation("NETMAP", ("--to", "%s/%s" % (prefix.get("addr"), prefix.get("len"))))
        place = self._spelt(table, address, "ipv4" if packet.family == 4 else "ipv6")
        if ":" in place and port is not None:
            place = "-".join("[%s]" % end for end in place.split("-"))
        option = {"dnat": "--to-destination", "snat": "--to-source"}.get(name, "--to-ports")
        to = (place + (":" + self._spelt(table, port, "port") if port is not None else "")).lstrip(":" if name in ("masquerade", "redirect") else "")
        return Translation(name.upper(), (option, to) if to else ())

    def _spelt(self, table: ReadyTable, item: object, kind: str) -> str:
        """An address or a port of a translation, or a range of them, as text. It may be one of the packet's own: ``snat to ip saddr``."""
        if item is None:
            return ""
        ends = mapping(item).get("range")
        found = []
        for end in ends if isinstance(ends, list) else [item]:
            values = table.expressions.of(end, kind).read(self._packet)
            if values is None:
                raise _NoMatch
            if not isinstance(values[0], int):
                raise Ended(UNKNOWN, "%s: where it leads to is not known" % self._step.place)
            found.append("%d" % values[0] if kind == "port" else spelt(self._packet.family, values[0]))
        return "-".join(found)

    def _looked_up(self, table: ReadyTable, item: object) -> object:
        found = mapping(mapping(item).get("map"))
        return self._find(table, found).data if found else item

    def _translate(self, target: Translation, said: JsonObject) -> None:
        packet, hook = self._packet, self._packet.hook
        words = translated(self._world, packet, target, hook, self._choices, self._step.place)
        is_random = any(text(flag).endswith("random") for flag in listed(said.get("flags", [])))
        if is_random and HOOK_KINDS[hook] == SOURCE and packet.connection is not None and packet.connection.source is not None and packet.has_ports:
            packet.connection.source = (packet.connection.source[0], None)
            packet.sport = None
            words = "source is %s, a port by chance" % packet.end(packet.source, None)
        self._path[-1] = self._path[-1]._replace(change=", ".join(item for item in (self._path[-1].change, words) if item))


def _shown(mark: Optional[int]) -> str:
    return "unknown" if mark is None else "0x%x" % mark
