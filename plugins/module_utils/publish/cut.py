# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Connections through a port that was closed end at once.

The rules are gone by then, but each connection keeps its translation in conntrack. Deleting only that would let the container's next
packet make it anew, with its direction reversed: so the container's own socket is closed first, which tells the client.
"""

from __future__ import annotations

from typing import Iterable, List, Tuple

from ..docker.containers import EngineSource
from ..docker.endpoints import container_facts
from ..docker.engine import EngineError, EngineUnreachable, WholeEngine
from ..docker.selector import Selector
from ..docker.state import parse_networks
from ..docker.target import Target, held
from ..errors import DrawbridgeError
from ..host.conntrack import Flow, flows
from ..host.netns import in_netns
from ..host.sockets import Ends, close
from ..host.system import System
from ..netfilter.model import IPV4
from .leads import Lead

# A packet on its way may make one anew between both steps.
_ROUNDS = 3


def end_connections(system: System, closed: Iterable[Lead], holders: Iterable[Target]) -> List[str]:
    """End what still goes through these. ``holders``: the containers that they lead to, as far as they run. Returns warnings."""
    holders = list(holders)
    return [
        "some connections through port %d/%s go on until they end by themselves: %s" % (lead.port, lead.protocol, reason)
        for lead in closed
        for reason in [_ended(system, lead, holders)]
        if reason
    ]


def _ended(system: System, lead: Lead, holders: List[Target]) -> str:
    """Why some are left; empty where none is."""
    conntrack = system.which("conntrack")
    if conntrack is None:
        return "conntrack is not installed"
    for _round in range(_ROUNDS):
        left = _through(system, lead)
        if not left:
            return ""
        for holder in holders if lead.protocol == "tcp" else ():
            _close_sockets(system, left, holder)
        system.run([conntrack, "-D", *_chosen(lead)])
    return "their entries in conntrack cannot be deleted" if _through(system, lead) else ""


def _close_sockets(system: System, left: List[Flow], holder: Target) -> None:
    """TCP only: a server's UDP socket is for all of its clients."""
    ends = [Ends(flow.answers_from, flow.answers_from_port, flow.answers_to, flow.answers_to_port) for flow in left]
    try:
        with held(system, holder) as fd:
            in_netns(fd, lambda: close(system, ends))
    except DrawbridgeError:
        # It has ended, and its sockets with it.
        return


def holders(system: System, engine: WholeEngine, closed: Iterable[Lead]) -> List[Target]:
    """The running containers that these led to; none where the engine does not tell."""
    addresses = {destination(lead)[0] for lead in closed}
    if not addresses:
        return []
    try:
        found = container_facts(engine.containers(), parse_networks(engine.networks(), {}))
        names = [item.name for item in found if any(address in addresses for _bridge, address in item.ends)]
        return [target for name in names for target in EngineSource(system, engine, Selector(name=name)).find() if target.reason is None]
    except (EngineError, EngineUnreachable):
        return []


def _through(system: System, lead: Lead) -> List[Flow]:
    address, port = destination(lead)
    return [
        flow
        for flow in flows(system) or ()
        if (flow.family, flow.protocol, flow.port) == (lead.family, lead.protocol, lead.port)
        and (flow.answers_from, flow.answers_from_port) == (address, port)
        and lead.address in (None, flow.destination)
    ]


def _chosen(lead: Lead) -> List[str]:
    """conntrack's options for the connections that a lead made."""
    address, port = destination(lead)
    family = "ipv4" if lead.family == IPV4 else "ipv6"
    options = ["-f", family, "-p", lead.protocol, "--orig-port-dst", str(lead.port), "--reply-src", address, "--reply-port-src", str(port)]
    return options + (["--orig-dst", lead.address] if lead.address else [])


def destination(lead: Lead) -> Tuple[str, int]:
    """Where a lead leads to: address and port."""
    address, _colon, port = lead.to.rpartition(":")
    return address.strip("[]"), int(port)
