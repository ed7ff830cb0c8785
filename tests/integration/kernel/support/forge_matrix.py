# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every attack with a forged source, as data, and what comes of it.

Reversed: the attacker sends through the host a packet that claims to come from what he wants to reach and goes to himself. Connection
tracking keeps that flow, and his own packet is its reply. Claimed: he sends what he wants to be let in under another's address.
An attack got in where its last packet arrived and the attacker's honest one does not.
"""
from typing import NamedTuple, Optional

from . import forge, forge_rules
from .forge import ACK, ECHO_REPLY, ICMP, SCTP, TCP, UDP, Packet
from .forge_stage import ADDRESS, CONTAINER, HOST, OTHER, OUTSIDE, OWN, PEER, mark, run

ORIGINS = (OUTSIDE, CONTAINER, OTHER)
CLAIMS = ("host", "second", "ruled", "gateway", "other gateway", CONTAINER, PEER, OTHER, "nobody", "client", "server", "behind", "loopback",
          "broadcast", "bridge broadcast", "everybody", "multicast", "unspecified")
REVERSED, CLAIMED = "reversed", "claimed"
# What a flow's first packet looks like, and how the other side would answer it.
_FLOWS = {TCP: TCP, ACK: ACK, UDP: UDP, SCTP: SCTP, ICMP: ECHO_REPLY}
_PORTS = (forge_rules.DNATED, forge_rules.PROXIED, forge_rules.SERVICE, forge_rules.INSIDE)
# Who is on one wire with others can claim to be one of them, and the host cannot know better. The answers do not come to him.
_UNKNOWABLE = {OUTSIDE: ("client", "server")}
_TARGETS = (("host", forge_rules.DNATED), ("host", forge_rules.PROXIED), ("host", forge_rules.SERVICE), ("host", forge_rules.OPENED),
            ("ruled", forge_rules.PROXIED), ("gateway", forge_rules.SERVICE), (CONTAINER, forge_rules.INSIDE), (PEER, forge_rules.INSIDE), (OTHER, forge_rules.INSIDE),
            ("server", forge_rules.SERVICE))
_CHUNK = 200


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

    def __str__(self):
        return "%s from %s, IPv%d %s, claiming %s, to %s port %d%s" % (
            self.kind, self.origin, self.family, self.protocol, self.claims, self.target, self.port,
            " by the bridge" if self.near else "")


def attacks():
    """All of them."""
    return [attack for origin in ORIGINS for family in forge.AF for claims in CLAIMS
            if family in ADDRESS[claims] and claims != OWN[origin] and claims not in _UNKNOWABLE.get(origin, ())
            for attack in [*_reversed(origin, family, claims), *_claimed(origin, family, claims)]]


def _reversed(origin, family, claims):
    """The reply goes to the claimed address, or to the host's, where the engine has masqueraded a container's."""
    for protocol in _FLOWS:
        for target in dict.fromkeys((claims, "host", "second")):
            for port in _PORTS if protocol != ICMP else (0,):
                yield Attack(REVERSED, origin, family, protocol, claims, target, port)
        if protocol != ICMP:
            for near in (None, PEER) if origin == CONTAINER and claims == PEER else (None,):
                yield Attack(REVERSED, origin, family, protocol, claims, claims, forge_rules.INSIDE, forge_rules.SHARED, near)


def _claimed(origin, family, claims):
    for protocol in (TCP, UDP, SCTP, ICMP):
        for target, port in _TARGETS:
            for near in (None, PEER) if origin == CONTAINER and target == PEER else (None,):
                yield Attack(CLAIMED, origin, family, protocol, claims, target, port, 0, near)


class Outcome(NamedTuple):
    """tried: how many attacks. denied: of how many the honest packet arrives nowhere. got_in: those that arrived where it does not."""

    tried: int
    denied: int
    got_in: list

    def __str__(self):
        return "%d tried, the honest packet of %d denied, %d got in" % (self.tried, self.denied, len(self.got_in))


def outcome(stage, chosen):
    """Try all of them, each beside its honest packet, as nobody knows of any flow."""
    honest, forged = _arrivals(stage, chosen, False), _arrivals(stage, chosen, True)
    return Outcome(len(chosen), honest.count(set()), [attack for attack, was, now in zip(chosen, honest, forged) if now - was])


def _arrivals(stage, chosen, forges):
    """Where the last packet of each attack arrived, other than where it was sent."""
    run("conntrack", "-F")
    found = [set() for _attack in chosen]
    for start in range(0, len(chosen), _CHUNK):
        for number in range(start, min(start + _CHUNK, len(chosen))):
            _send(stage, chosen[number], number, forges)
        for place, marks in stage.heard().items():
            for number, step in marks:
                if step == 2 and place != chosen[number].origin:
                    found[number].add(place)
    return found


def _send(stage, attack, number, forges):
    family, origin = attack.family, attack.origin
    own = ADDRESS[OWN[origin]][family]
    own_port = attack.own_port or 10000 + number
    claimed, target = ADDRESS[attack.claims][family], ADDRESS[attack.target][family]
    if attack.kind == CLAIMED:
        stage.send(origin, Packet(family, attack.protocol, claimed if forges else own, target, (own_port, attack.port), mark(number, 2)),
                   attack.near)
        return
    echo = attack.protocol == ICMP
    if forges:
        ports = (own_port, 0) if echo else (attack.port, own_port)
        stage.send(origin, Packet(family, attack.protocol, claimed, own, ports, mark(number, 1)))
    stage.send(origin, Packet(family, _FLOWS[attack.protocol], own, target, (own_port, attack.port), mark(number, 2)), attack.near)


def by_kind(got_in):
    """How many attacks got in, told by what they have in common."""
    found = {}
    for attack in got_in:
        key = (attack.kind, attack.origin, "IPv%d" % attack.family, attack.protocol, attack.claims)
        found[key] = found.get(key, 0) + 1
    return ["%3d %s" % (count, " ".join(key)) for key, count in sorted(found.items())]


__all__ = ["Attack", "HOST", "Outcome", "attacks", "by_kind", "outcome"]
