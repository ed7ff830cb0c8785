# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every attack with a forged source, as data, and what comes of it.

Reversed: the attacker sends through the host a packet that claims to come from what he wants to reach and goes to himself. Connection
tracking keeps that flow, and his own packet is its reply. Claimed: he sends what he wants to be let in under another's address.
An attack got in where its last packet arrived and the attacker's honest one does not.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Optional

from . import forge, forge_rules
from .forge import ACK, ECHO_REPLY, ICMP, SCTP, TCP, UDP, Packet
from .forge_stage import ADDRESS, CONTAINER, LATER, OTHER, OUTSIDE, PEER, Stage, mark, run

# Where an attacker is, and by which protocols he tries: to be on a bridge that was made later is like being on the other one.
ORIGINS = {OUTSIDE: (TCP, ACK, UDP, SCTP, ICMP), CONTAINER: (TCP, ACK, UDP, SCTP, ICMP), OTHER: (TCP, ACK, UDP, SCTP, ICMP), LATER: (TCP, UDP)}
_OWN = {OUTSIDE: "attacker"}
CLAIMS = ("host", "second", "host's link", "gateway's link", "anycast", "ruled", "gateway", "other gateway", CONTAINER, PEER, OTHER, "nobody",
          "client", "server", "behind", "loopback", "broadcast", "bridge broadcast", "everybody", "multicast", "unspecified")
REVERSED, CLAIMED = "reversed", "claimed"
# What a flow's first packet looks like, and how the other side would answer it.
_FLOWS = {TCP: TCP, ACK: ACK, UDP: UDP, SCTP: SCTP, ICMP: ECHO_REPLY}
_PORTS = (forge_rules.DNATED, forge_rules.PROXIED, forge_rules.SERVICE, forge_rules.INSIDE)
# Who is on one wire with others can claim to be one of them, and the host cannot know better. The answers do not come to him.
_UNKNOWABLE = {OUTSIDE: ("client", "server")}
_TARGETS = (
    ("host", forge_rules.DNATED), ("host", forge_rules.PROXIED), ("host", forge_rules.SERVICE), ("host", forge_rules.TRUSTED),
    ("host", forge_rules.OPENED), ("ruled", forge_rules.PROXIED), ("gateway", forge_rules.SERVICE), ("server", forge_rules.SERVICE),
    *((name, forge_rules.INSIDE) for name in (CONTAINER, PEER, OTHER)),
)
_CHUNK = 200
# A packet and the place that it is handed to.
_Sent = tuple[tuple[int, bytes], Optional[str]]


class Attack(NamedTuple):
    """claims: whose address is forged. target: whose address the last packet goes to. own_port: 0 for one that no other attack has. near:
    the place on the same bridge that the last packet is handed to, past the host's routing."""

    kind: str
    origin: str
    family: int
    protocol: str
    claims: str
    target: str
    port: int
    own_port: int = 0
    near: Optional[str] = None
    number: int = 0


def attacks() -> list[Attack]:
    """All of them, numbered."""
    found = [attack for origin in ORIGINS for family in forge.AF for claims in CLAIMS
             if family in ADDRESS[claims] and claims != _OWN.get(origin, origin) and claims not in _UNKNOWABLE.get(origin, ())
             for attack in [*_reversed(origin, family, claims), *_claimed(origin, family, claims)]]
    return [attack._replace(number=number) for number, attack in enumerate(found)]


def _reversed(origin: str, family: int, claims: str) -> Iterator[Attack]:
    """The reply goes to the claimed address, or to the host's, where the engine has masqueraded a container's."""
    for protocol in ORIGINS[origin]:
        for target in dict.fromkeys((claims, "host", "second")):
            for port in _PORTS if protocol != ICMP else (0,):
                yield Attack(REVERSED, origin, family, protocol, claims, target, port)
        if protocol != ICMP:
            for near in (None, PEER) if origin == CONTAINER and claims == PEER else (None,):
                yield Attack(REVERSED, origin, family, protocol, claims, claims, forge_rules.INSIDE, forge_rules.SHARED, near)


def _claimed(origin: str, family: int, claims: str) -> Iterator[Attack]:
    for protocol in (protocol for protocol in ORIGINS[origin] if protocol != ACK):
        for target, port in _TARGETS:
            for near in (None, PEER) if origin == CONTAINER and target == PEER else (None,):
                yield Attack(CLAIMED, origin, family, protocol, claims, target, port, 0, near)


ATTACKS = attacks()


class Outcome(NamedTuple):
    """tried: how many attacks. denied: of how many the honest packet arrives nowhere. got_in: those that arrived where it does not."""

    tried: int
    denied: int
    got_in: list[Attack]

    def __str__(self) -> str:
        return "%d tried, the honest packet of %d denied, %d got in" % (self.tried, self.denied, len(self.got_in))


def outcome(stage: Stage, chosen: Sequence[Attack]) -> Outcome:
    """Try all of them, each beside its honest packet, as nobody knows of any flow."""
    honest, forged = _arrivals(stage, chosen, False), _arrivals(stage, chosen, True)
    return Outcome(len(chosen), honest.count(set()), [attack for attack, was, now in zip(chosen, honest, forged) if now - was])


def _arrivals(stage: Stage, chosen: Sequence[Attack], forges: bool) -> list[set[str]]:
    """Where the last packet of each attack arrived, other than where it was sent."""
    run("conntrack", "-F")
    return list(_sent(stage, chosen, lambda attack: _packets(attack, forges)).values())


def outcome_over(stage: Stage, chosen: Sequence[Attack], away: AbstractContextManager[object]) -> Outcome:
    """Of attacks that forge within ``away``, a context in which rules are gone, and send their own packets when they are back."""
    run("conntrack", "-F")
    honest = _sent(stage, chosen, lambda attack: _packets(attack, False))
    run("conntrack", "-F")
    with away:
        _sent(stage, chosen, lambda attack: _packets(attack, True)[:-1])
    forged = _sent(stage, chosen, lambda attack: _packets(attack, True)[-1:])
    got_in = [attack for attack in chosen if forged[attack.number] - honest[attack.number]]
    return Outcome(len(chosen), list(honest.values()).count(set()), got_in)


def _sent(stage: Stage, chosen: Sequence[Attack], packets: Callable[[Attack], list[_Sent]]) -> dict[int, set[str]]:
    """By number, where the last packet of each attack arrived, other than where it was sent."""
    found: dict[int, set[str]] = {attack.number: set() for attack in chosen}
    origins = {attack.number: attack.origin for attack in chosen}
    for start in range(0, len(chosen), _CHUNK):
        for attack in chosen[start:start + _CHUNK]:
            for packet, near in packets(attack):
                stage.send(attack.origin, packet, near)
        for place, marks in stage.heard().items():
            for number, step in marks:
                if step == 2 and place != origins[number]:
                    found[number].add(place)
    return found


@functools.cache
def _packets(attack: Attack, forges: bool) -> list[_Sent]:
    """In bytes, each with the place that it is handed to: made once, and sent in every case."""
    family, near = attack.family, attack.near
    own = ADDRESS[_OWN.get(attack.origin, attack.origin)][family]
    own_port = attack.own_port or 10000 + attack.number
    claimed, target = ADDRESS[attack.claims][family], ADDRESS[attack.target][family]
    if attack.kind == CLAIMED:
        return [(_bytes(family, attack.protocol, claimed if forges else own, target, (own_port, attack.port), mark(attack.number, 2)), near)]
    ports = (own_port, 0) if attack.protocol == ICMP else (attack.port, own_port)
    first = [(_bytes(family, attack.protocol, claimed, own, ports, mark(attack.number, 1)), None)] if forges else []
    return first + [(_bytes(family, _FLOWS[attack.protocol], own, target, (own_port, attack.port), mark(attack.number, 2)), near)]


def _bytes(family: int, protocol: str, source: str, destination: str, ports: tuple[int, int], text: bytes) -> tuple[int, bytes]:
    return family, forge.packed(Packet(family, protocol, source, destination, ports, text))


def by_kind(got_in: Iterable[Attack]) -> list[str]:
    """How many attacks got in, told by what they have in common."""
    found: dict[tuple[str, ...], int] = {}
    for attack in got_in:
        key = (attack.kind, attack.origin, "IPv%d" % attack.family, attack.protocol, attack.claims)
        found[key] = found.get(key, 0) + 1
    return ["%3d %s" % (count, " ".join(key)) for key, count in sorted(found.items())]
