# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""End connections through a closed port at once.

The rules are gone by then, but conntrack keeps each connection's translation. If only this entry were deleted, the container's next packet
would make it anew, in the reverse direction. So a TCP server's socket is closed first, which tells the client. A UDP server has one socket
for all clients. So each deleted entry is replaced by one that leads nowhere: nobody can answer what the server still sends.
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Set, Tuple

from ..engine.api.answers import parse_networks
from ..engine.api.client import EngineError, EngineUnreachable, WholeEngine
from ..engine.containers.containers import EngineSource
from ..engine.containers.selector import Selector
from ..engine.containers.target import Target, held
from ..engine.facts.endpoints import container_facts
from ..errors import DrawbridgeError
from ..host.network.close_sockets import FlowEnds, close
from ..host.network.conntrack import ROUNDS, Flow, flows, run_commands, there
from ..host.system.netns import in_netns
from ..host.system.system import System
from .opened import OpenedPort

# Seconds; each packet renews the entry.
_PLACE_TAKEN = 300


class Client(NamedTuple):
    """A client's address and port, and the address and port that it dialled."""

    address: str
    port: int
    dialled: str
    dialled_port: int


def end_connections(system: System, closed: Iterable[OpenedPort], holders: Iterable[Target]) -> List[str]:
    """End connections through these ports. ``holders``: the running containers that they lead to. Returns warnings."""
    holders = list(holders)
    return [
        "some connections through port %d/%s go on until they end by themselves: %s" % (lead.port, lead.protocol, reason)
        for lead in closed
        for reason in [_ended(system, lead, holders)]
        if reason
    ]


def _ended(system: System, lead: OpenedPort, holders: List[Target]) -> str:
    """End one port's connections. Returns why some are left; empty if none is."""
    conntrack = system.which("conntrack")
    if conntrack is None:
        return "conntrack is not installed"
    clients: Set[Client] = set()
    for _round in range(ROUNDS):
        known = flows(system) or []
        through = _through(known, lead)
        clients |= {Client(flow.source, flow.source_port, flow.destination, flow.port) for flow in through}
        reversed_ = _reversed(known, lead) & clients
        if not through and not reversed_:
            return ""
        for holder in holders if lead.protocol == "tcp" else ():
            _close_sockets(system, through, holder)
        lines = [line for client in sorted(clients) for line in _replaced(lead, client)]
        run_commands(system, conntrack, lines)
    return "conntrack keeps their entries"


def _replaced(lead: OpenedPort, client: Client) -> List[str]:
    """Return the conntrack commands. They run one right after the other."""
    entry = there(lead.protocol, *client)
    if lead.protocol != "udp":
        return ["-D " + entry]
    back = there("udp", *destination(lead), client.address, client.port)
    return ["-D " + entry, "-D " + back, "-I %s --timeout %d" % (entry, _PLACE_TAKEN)]


def _close_sockets(system: System, left: List[Flow], holder: Target) -> None:
    """Close a TCP server's sockets. A UDP server's socket is for all of its clients."""
    ends = [FlowEnds(flow.answers_from, flow.answers_from_port, flow.answers_to, flow.answers_to_port) for flow in left]
    try:
        with held(system, holder) as fd:
            in_netns(fd, lambda: close(system, ends))
    except DrawbridgeError:
        # The container has ended, and its sockets with it.
        return


def holders(system: System, engine: WholeEngine, closed: Iterable[OpenedPort]) -> List[Target]:
    """Return the running containers that these ports led to; none if the engine does not tell."""
    addresses = {destination(lead)[0] for lead in closed}
    if not addresses:
        return []
    try:
        found = container_facts(engine.containers(), parse_networks(engine.networks(), {}))
        names = [item.name for item in found if any(address in addresses for _bridge, address in item.ends)]
        return [target for name in names for target in EngineSource(system, engine, Selector(name=name)).find() if target.reason is None]
    except (EngineError, EngineUnreachable):
        return []


def _through(known: List[Flow], lead: OpenedPort) -> List[Flow]:
    return [
        flow
        for flow in known
        if (flow.family, flow.protocol, flow.port) == (lead.family, lead.protocol, lead.port)
        if (flow.answers_from, flow.answers_from_port) == destination(lead) and lead.address in (None, flow.destination)
    ]


def _reversed(known: List[Flow], lead: OpenedPort) -> Set[Client]:
    """Return the clients of flows that the container began from its port. Such flows seem to come from the host's port."""
    return {
        Client(flow.destination, flow.port, flow.answers_to, flow.answers_to_port)
        for flow in known
        if (flow.protocol, flow.source, flow.source_port) == (lead.protocol, *destination(lead))
    }


def destination(lead: OpenedPort) -> Tuple[str, int]:
    """Return the address and port that an opened port leads to."""
    address, _colon, port = lead.to.rpartition(":")
    return address.strip("[]"), int(port)
