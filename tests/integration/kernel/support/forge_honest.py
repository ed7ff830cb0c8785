# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What nobody forged, and a host has to let pass whatever it asks about sources: strange as some of it looks."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from . import forge
from .forge import LISTENER, MEMBERSHIP, NEIGHBOUR, TCP, UDP, Packet
from .forge_rules import DNATED, DNATED_TO_OTHER, INSIDE, PROXIED, SERVICE
from .forge_stage import ADDRESS, CONTAINER, HOST, LATER, LEG, OTHER, OUTSIDE, PEER, QUIET, QUIETER, Stage, mark, run

_PORT = 40000


class Step(NamedTuple):
    """One packet: who sends it, whose addresses it has, and where it arrives. near: on the sender's bridge, past the host's routing."""

    sender: str
    protocol: str
    source: str
    destination: str
    ports: tuple[int, int]
    arrives: str
    near: Optional[str] = None


def flows() -> dict[str, list[Step]]:
    """By name, the steps; each has to have come before the next is sent."""
    found = {
        "published": [Step(OUTSIDE, TCP, "client", "host", (_PORT, DNATED), CONTAINER)],
        "served by docker-proxy": [Step(OUTSIDE, UDP, "client", "host", (_PORT, PROXIED), HOST)],
        "answered by another leg": [Step(OUTSIDE, UDP, "client", "host", (_PORT, DNATED_TO_OTHER), OTHER),
                                    Step(LEG, UDP, OTHER, "client", (INSIDE, _PORT), OUTSIDE)],
        "to the outside": [Step(CONTAINER, UDP, CONTAINER, "server", (_PORT, SERVICE), OUTSIDE)],
        "to a neighbour, routed": [Step(CONTAINER, UDP, CONTAINER, PEER, (_PORT, INSIDE), PEER)],
        "to a neighbour, bridged": [Step(CONTAINER, UDP, CONTAINER, PEER, (_PORT, INSIDE), PEER, PEER)],
        "to another bridge": [Step(CONTAINER, UDP, CONTAINER, OTHER, (_PORT, INSIDE), OTHER)],
        "to the gateway": [Step(CONTAINER, UDP, CONTAINER, "gateway", (_PORT, SERVICE), HOST)],
        "to the host": [Step(CONTAINER, UDP, CONTAINER, "host", (_PORT, SERVICE), HOST)],
        "from the host": [Step(HOST, UDP, "gateway", CONTAINER, (_PORT, INSIDE), CONTAINER),
                          Step(CONTAINER, UDP, CONTAINER, "gateway", (INSIDE, _PORT), HOST)],
        "from the host's other address": [Step(HOST, UDP, "host", CONTAINER, (_PORT, INSIDE), CONTAINER),
                                          Step(CONTAINER, UDP, CONTAINER, "host", (INSIDE, _PORT), HOST)],
        "the host to itself": [Step(HOST, UDP, "host", "host", (_PORT + 1, SERVICE), HOST)],
        "the host to its loopback": [Step(HOST, UDP, "loopback", "loopback", (_PORT + 1, SERVICE), HOST)],
        "from its loopback to itself": [Step(HOST, UDP, "loopback", "host", (_PORT + 2, SERVICE), HOST)],
        # It is a member itself, and hears it by the interface that it went out by.
        "the host to a group": [Step(HOST, UDP, "host", "multicast", (_PORT + 4, SERVICE), HOST)],
        "the host to everybody": [Step(HOST, UDP, "host", "broadcast", (_PORT + 5, SERVICE), HOST)],
        "behind a container": [Step(PEER, UDP, "behind", "server", (_PORT, SERVICE), OUTSIDE)],
        "host to behind a container": [Step(HOST, UDP, "gateway", "behind", (_PORT + 3, INSIDE), PEER),
                                       Step(PEER, UDP, "behind", "gateway", (INSIDE, _PORT + 3), HOST)],
        "group": [Step(OUTSIDE, UDP, "client", "multicast", (_PORT, SERVICE), HOST)],
        "from its link without a server": [Step(OUTSIDE, UDP, "zeroconf", "multicast", (_PORT, SERVICE), HOST)],
        "group on a bridge": [Step(CONTAINER, UDP, CONTAINER, "multicast", (_PORT, SERVICE), HOST)],
        "to the outside, on a bridge made later": [Step(LATER, UDP, LATER, "server", (_PORT, SERVICE), OUTSIDE)],
        "to the host, on a bridge made later": [Step(LATER, UDP, LATER, "host", (_PORT, SERVICE), HOST)],
        # Their bridge has no address that could be one of their link.
        "on their link alone": [Step(QUIET, UDP, "link-local", "multicast", (_PORT, SERVICE), QUIETER, QUIETER)],
        "looks for a neighbour on the link alone": [Step(QUIET, NEIGHBOUR, "link-local", "solicited", (0, 0), QUIETER, QUIETER)],
        "group among containers": [Step(CONTAINER, UDP, CONTAINER, "multicast", (_PORT, SERVICE), PEER, PEER)],
    }
    for sender in (OUTSIDE, CONTAINER):
        found.update({
            "wants an address, %s" % sender: [Step(sender, UDP, "unspecified", "everybody", (68, 67), HOST)],
            "joins without an address, %s" % sender: [Step(sender, MEMBERSHIP, "unspecified", "routers", (0, 0), HOST)],
            "broadcast, %s" % sender: [Step(sender, UDP, *(("client", "broadcast") if sender == OUTSIDE else (CONTAINER, "bridge broadcast")),
                                            (_PORT, SERVICE), HOST)],
            "tries an address, %s" % sender: [Step(sender, NEIGHBOUR, "unspecified", "solicited", (0, 0), HOST)],
            "listens without an address, %s" % sender: [Step(sender, LISTENER, "unspecified", "routers", (0, 0), HOST)],
            "looks for a neighbour, %s" % sender: [Step(sender, NEIGHBOUR, "link-local", "solicited", (0, 0), HOST)],
            "from its link, %s" % sender: [Step(sender, UDP, "link-local", "multicast", (_PORT, SERVICE), HOST)],
        })
    found["tries an address among containers"] = [Step(CONTAINER, NEIGHBOUR, "unspecified", "solicited", (0, 0), PEER, PEER)]
    found["wants an address among containers"] = [Step(CONTAINER, UDP, "unspecified", "everybody", (68, 67), PEER, PEER)]
    return found


def passed(stage: Stage) -> set[tuple[str, int]]:
    """(name, family) of the flows whose packets arrived, all of them."""
    run("conntrack", "-F")
    found = {(name, family): steps for name, steps in flows().items() for family in forge.AF if is_of(steps, family)}
    number = 0
    for turn in range(2):
        waiting = {}
        for key, steps in list(found.items()):
            if turn < len(steps):
                waiting[number, 2] = key, steps[turn].arrives
                _send(stage, key[1], steps[turn], mark(number, 2))
                number += 1
        heard = stage.heard()
        for text, (key, place) in waiting.items():
            if text not in heard[place]:
                del found[key]
    return set(found)


def is_of(steps: Sequence[Step], family: int) -> bool:
    """Whether there is such a flow in a family."""
    kinds = {MEMBERSHIP: 4, NEIGHBOUR: 6, LISTENER: 6}
    return all(
        kinds.get(step.protocol, family) == family and family in ADDRESS[step.source] and family in ADDRESS[step.destination] for step in steps
    )


def _send(stage: Stage, family: int, step: Step, text: bytes) -> None:
    if step.sender == HOST:
        stage.send_from_host(family, step.source, step.destination, step.ports, text)
    else:
        packet = Packet(family, step.protocol, ADDRESS[step.source][family], ADDRESS[step.destination][family], step.ports, text)
        stage.send(step.sender, (family, forge.packed(packet)), step.near)
