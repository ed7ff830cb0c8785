# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Refuse a policy that would shut out the task's own SSH connection, before anything is written.

Connection tracking lets an open connection go on even if a new one is denied. For a while this holds for its tunnel too. So each layer is
judged as if its next packet were its first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, List, Optional

from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...host.network.ssh import AcceptedSocket, Connection, controlling_connection, controlling_socket
from ...host.system.system import System
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.rules.desired import DesiredState
from ...netfilter.rules.ownership import user_set
from ..blocks import owners
from ..language.model import Policy
from ..readback.first_packet import FirstPackets, Packet
from .ssh_layers import Layer, Layers

if TYPE_CHECKING:
    from ..language.egress import Egress

# An entry cannot be about a protocol without ports.
_NAMED = ("tcp", "udp", "sctp")
_ON_THE_LIST = "take it off the denied sources and out of their sets, or set allow_lockout"


def refuse_lockout(system: System, ipset: Ipset, rules: DesiredState, policy: Policy, facts: HostFacts) -> List[str]:
    """Return warnings about what is uncertain; none without an SSH connection. Raises DrawbridgeError with the place in the policy if the connection
    is shut out."""
    if policy.egress is not None:
        refuse_egress_lockout(system, policy.egress, facts)
    accepted = controlling_socket(system)
    if accepted is None:
        return []

    def in_host_set(name: str, family: int, address: str) -> bool:
        return ipset.holds(user_set(name, family), address)

    # Egress is judged above. Here its chains alone would cast doubt on a connection that is let in.
    judge = FirstPackets(rules, in_host_set, frozenset(owners.POLICY_EGRESS.owned))
    if not rules.hooks:
        return []
    found = _layers(system, facts, accepted)
    warnings = judged(judge, accepted, found)
    if policy.host_egress is None:
        return warnings
    from .output_lockout import refuse_cut_off  # pylint: disable=import-outside-toplevel

    return warnings + refuse_cut_off(system, judge, accepted, found)


def refuse(connection: Connection, place: str, by: str = "", hint: str = "allow it, or set allow_lockout") -> DrawbridgeError:
    """Return the error for a change that shuts out its own connection. by: the refused layer, if it is not the connection itself."""
    way = "port %d" % connection.local_port
    return DrawbridgeError(
        "this shuts %s out from %s, by which this task came in; nothing was changed" % (connection.remote_address, by or way), place, hint
    )


def judged(judge: FirstPackets, accepted: AcceptedSocket, found: Layers) -> List[str]:
    """Judge layers that were found, as ``refuse_lockout`` does."""
    warnings = list(found.unknown)
    for layer in found.layers:
        refusals = [_refusal(judge, packets) for packets in layer.flows]
        if all(packet is not None for packet in refusals):
            packet = next(packet for packet in refusals if packet is not None)
            place = judge.place(judge.judge(packet), packet)
            hint = _ON_THE_LIST if place.endswith(".deny") else _hint(packet, judge.asks_for_interfaces(place))
            raise refuse(accepted.connection, place, _by(layer, packet), hint)
        if any(packet is not None for packet in refusals) or any(judge.judge(packet).in_doubt for packets in layer.flows for packet in packets):
            warnings.append("%s: some of what may be it is not let in" % (layer.by or "the connection itself"))
    return [
        "the SSH connection by which this task came in may be one that this policy does not let in anew: %s. Then the host cannot be reached once connection"
        " tracking has forgotten it" % reason for reason in warnings
    ]


def _layers(system: System, facts: HostFacts, accepted: AcceptedSocket) -> Layers:
    found = Layers(system, facts)
    found.follow(accepted)
    return found


def _refusal(judge: FirstPackets, packets: List[Packet]) -> Optional[Packet]:
    """Return a packet that is dropped for certain; None if there is no such packet."""
    return next((packet for packet in packets if judge.judge(packet).refused is not None), None)


def _by(layer: Layer, packet: Packet) -> str:
    if not layer.by:
        return ""
    what = "protocol %s" % packet.protocol if packet.port is None else "port %d/%s" % (packet.port, packet.protocol)
    return "%s (%s%s)" % (layer.by, what, " from %s" % packet.source if packet.source else "")


def _hint(packet: Packet, by_interface: bool) -> str:
    if packet.protocol in _NAMED:
        if by_interface and packet.interface:
            return "allow it by %s, by which it comes in, or set allow_lockout" % packet.interface
        return "allow it, or set allow_lockout"
    return "no entry can allow this protocol: leave the interface out of external_interfaces, or set allow_lockout"


def refuse_egress_lockout(system: System, egress: Egress, facts: HostFacts) -> None:
    """Raises DrawbridgeError with the place in the user's data if egress shuts out the controller: it may be a container of the managed host.

    Does nothing without an SSH connection.
    """
    from .egress_lockout import shut_in  # pylint: disable=import-outside-toplevel

    connection = controlling_connection(system)
    if connection is None:
        return
    place = shut_in(egress, facts, connection.remote_address, connection.local_port)
    if place is not None:
        raise refuse(connection, place)
