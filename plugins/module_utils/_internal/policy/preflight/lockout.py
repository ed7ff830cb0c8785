# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy that would shut out the task's own SSH connection is refused before anything is written.

Connection tracking lets a connection go on that could not be made anew, and for a while even the tunnel that it is in. So each layer is judged as if
its next packet were its first.
"""

from __future__ import annotations

from typing import List, Optional

from ...address import Network, contains, parse_network
from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...host.network.ssh import AcceptedSocket, Connection, controlling_connection, controlling_socket
from ...host.system.system import System
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.rules.desired import DesiredState
from ...netfilter.rules.ownership import user_set
from ..blocks import owners
from ..chains.egress import host_access, selected
from ..language.egress import Block, Egress
from ..language.model import Policy
from ..language.values import ALLOW, ANY, Target
from ..readback.first_packet import FirstPackets, Packet
from .ssh_layers import Layer, Layers

# Of protocols that have no ports an entry cannot be.
_NAMED = ("tcp", "udp", "sctp")


def refuse_lockout(system: System, ipset: Ipset, rules: DesiredState, policy: Policy, facts: HostFacts) -> List[str]:
    """Warnings about what cannot be told. Raises DrawbridgeError that names the place in the policy. Without an SSH connection there is nothing to say."""
    if policy.egress is not None:
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


def judged(judge: FirstPackets, accepted: AcceptedSocket, found: Layers) -> List[str]:
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


def _layers(system: System, facts: HostFacts, accepted: AcceptedSocket) -> Layers:
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


def refuse_egress_lockout(system: System, egress: Egress, facts: HostFacts) -> None:
    """A controller may be a container of the host that it manages. Raises DrawbridgeError that names the place in the user's data.

    Where no SSH connection is found there is nothing to say.
    """
    connection = controlling_connection(system)
    if connection is None:
        return
    place = shut_in(egress, facts, connection.remote_address, connection.local_port)
    if place is not None:
        raise refuse(connection, place)


def shut_in(egress: Egress, host: HostFacts, remote_address: str, port: int) -> Optional[str]:
    """The place that refuses a container at ``remote_address`` the host's TCP ``port``; None where it is let through, or is no container."""
    remote = parse_network(remote_address)
    block = _deciding(egress, host, remote)
    if block is None:
        return None
    access = host_access(block)
    if access.verdict == ALLOW or any(_lets_in(entry.target, port) for entry in access.entries):
        return None
    return access.path


def _lets_in(target: Target, port: int) -> bool:
    if target.protocol not in ("tcp", ANY):
        return False
    return target.ports is None or target.ports.first <= port <= target.ports.last


def _deciding(egress: Egress, host: HostFacts, remote: Network) -> Optional[Block]:
    """The narrowest block about a container with this address, with what it takes from the general one."""
    behind = [network for network in host.networks for subnet in network.subnets if contains(parse_network(subnet), remote)]
    if not behind:
        return None
    network = behind[0]
    for selector, block in egress.containers.items():
        if any(bridge == network.bridge and contains(parse_network(address), remote) for bridge, address in selected(selector, host)):
            return egress.completed(block)
    return egress.completed(egress.networks.get(network.name, egress.general))
