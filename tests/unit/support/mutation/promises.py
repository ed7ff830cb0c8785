# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is to hold on a host with a policy and no policy's test can say: packets that begin no connection, or whose whole way is not modelled."""
from __future__ import annotations

from typing import NamedTuple

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.matching.packet import Connection, Ends, Packet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.routes import Lookup
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.asked import Asked, parse_packet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.choices import Choices
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.path import ACCEPTED, Ended, Step
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.way import Way

# How a promise is judged: by the verdict, as an error about a flow that is open, or by the hook that a frame between two ports of a bridge meets.
VERDICT, RELATED, BRIDGED = "verdict", "related", "bridged"


class Promise(NamedTuple):
    """A packet, and whether it passes."""

    asked: Asked
    allows: bool
    how: str = VERDICT


def promise(source: str, to: str, expect: str, how: str = VERDICT, **packet: object) -> Promise:
    """packet: keys of the module packet_verdict. A source behind ``own:`` is the host's, whatever its routes say."""
    is_own = source.startswith("own:")
    asked = parse_packet({"from": source.partition("own:")[2] if is_own else source, "to": to, **packet}, "packet")
    return Promise(asked._replace(is_local=True) if is_own else asked, expect == "allow", how)


def kept(judge: Judge, what: Promise) -> tuple[bool, list[Step]]:
    """Whether a promise holds, and the path of its packet."""
    if what.how == VERDICT:
        judgement = judge.judge(what.asked)
        return (judgement.verdict == ACCEPTED) == what.allows and judgement.verdict != "unknown", judgement.path
    way = _Alone(what, judge)
    verdict = way.verdict()
    return (verdict == ACCEPTED) == what.allows and not way.choices.asked, way.path


class _Alone(Way):
    """A packet of a flow that is no ordinary one, or on one hook."""

    def __init__(self, what: Promise, judge: Judge) -> None:
        asked, self._how = what.asked, what.how
        assert asked.source is not None
        world = judge.world(asked.family)
        found = world.routes.find(Lookup(asked.source), lambda _words: False)
        ends = Ends(asked.source, asked.destination, asked.sport, asked.dport)
        interface = "" if asked.is_local else asked.interface or (found.device if found else "")
        packet = Packet(asked.family, asked.protocol, ends, interface, asked.mark)
        packet.icmp, packet.flags, packet.is_local = asked.icmp, asked.flags, asked.is_local
        flow = Connection(packet.ends)
        flow.state = "RELATED" if what.how == RELATED else flow.state
        super().__init__(world, packet, Choices(), flow)

    def verdict(self) -> str:
        if self._how == RELATED:
            return self.outcome().verdict
        self._track()
        self.packet.oif = self.packet.iif
        try:
            self._hook("FORWARD")
        except Ended as end:
            return end.verdict
        return ACCEPTED
