# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy that would shut out the task's own SSH connection is refused before anything is written.

Connection tracking lets a connection go on that could not be made anew, and for a while even the tunnel that it is in. So each layer is judged as if
its next packet were its first.
"""

from __future__ import annotations

from typing import List, Optional

from ..errors import DrawbridgeError
from ..host.ssh import Accepted, Connection, controlling_socket
from ..host.system import System
from ..netfilter.ipset import Ipset
from ..netfilter.model import Wanted
from ..netfilter.names import user_set
from . import owners
from .first_packet import FirstPackets, Packet
from .host import HostFacts
from .layers import Layer, Layers
from .model import Policy

# Of protocols that have no ports an entry cannot be.
_NAMED = ("tcp", "udp", "sctp")


def refuse_lockout(system: System, ipset: Ipset, rules: Wanted, policy: Policy, facts: HostFacts) -> List[str]:
    """Warnings about what cannot be told. Raises DrawbridgeError that names the place in the policy. Without an SSH connection there is nothing to say."""
    if policy.egress is not None:
        from .lockout_within import refuse_egress_lockout  # pylint: disable=import-outside-toplevel

        refuse_egress_lockout(system, policy.egress, facts)
    accepted = controlling_socket(system)
    if accepted is None:
        return []

    def in_host_set(name: str, family: int, address: str) -> bool:
        return ipset.holds(user_set(name, family), address)

    # What is said of the ways out of containers is judged above: by it alone an open way in would be in doubt.
    judge = FirstPackets(rules, in_host_set, frozenset(owners.POLICY_EGRESS.owned))
    return judged(judge, accepted, _layers(system, facts, accepted)) if rules.hooks else []


def refuse(connection: Connection, place: str, by: str = "", hint: str = "allow it, or set allow_lockout") -> DrawbridgeError:
    """What is said of a change that shuts out the connection that brought it. by: what of it, if not the connection itself."""
    way = "port %d" % connection.local_port
    return DrawbridgeError(
        "this shuts %s out from %s, by which this task came in; nothing was changed" % (connection.remote_address, by or way), place, hint
    )


def judged(judge: FirstPackets, accepted: Accepted, found: Layers) -> List[str]:
    """The same for layers that were found."""
    warnings = list(found.unknown)
    for layer in found.layers:
        refusals = [_refusal(judge, packets) for packets in layer.flows]
        if all(packet is not None for packet in refusals):
            packet = next(packet for packet in refusals if packet is not None)
            raise refuse(accepted.connection, judge.place(judge.judge(packet), packet), _by(layer, packet), _hint(packet))
        if any(packet is not None for packet in refusals) or any(judge.judge(packet).in_doubt for packets in layer.flows for packet in packets):
            warnings.append("%s: some of what may be it is not let in" % (layer.by or "the connection itself"))
    return [
        "the SSH connection by which this task came in may be one that this policy does not let in anew: %s. Then the host cannot be reached once connection"
        " tracking has forgotten it" % reason for reason in warnings
    ]


def _layers(system: System, facts: HostFacts, accepted: Accepted) -> Layers:
    found = Layers(system, facts)
    found.follow(accepted)
    return found


def _refusal(judge: FirstPackets, packets: List[Packet]) -> Optional[Packet]:
    """The packet that is dropped for certain, None for none."""
    return next((packet for packet in packets if judge.judge(packet).refused is not None), None)


def _by(layer: Layer, packet: Packet) -> str:
    if not layer.by:
        return ""
    what = "protocol %s" % packet.protocol if packet.port is None else "port %d/%s" % (packet.port, packet.protocol)
    return "%s (%s%s)" % (layer.by, what, " from %s" % packet.source if packet.source else "")


def _hint(packet: Packet) -> str:
    if packet.protocol in _NAMED:
        return "allow it, or set allow_lockout"
    return "no entry can allow this protocol: leave the interface out of external_interfaces, or set allow_lockout"
