# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The layers of an SSH connection, which all have to be let in: the connection, the tunnels it runs in, and the connections of its relays."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence

from ...address import IPV4, IPV6
from ...engine.facts.facts import HostFacts
from ...host.network.answering_interface import answered_by, interface_with
from ...host.network.conntrack import Flow, flows
from ...host.network.links import vrf_members
from ...host.network.sockets import FlowEnds, is_local
from ...host.network.ssh import AcceptedSocket
from ...host.system.system import System
from ...host.tunnels.arrival import came_in_by
from ...host.tunnels.detect import tunnel_of
from ...host.tunnels.ipsec import ipsec_of
from ...host.tunnels.relays import Inbound, asked_by
from ...host.tunnels.tunnel import OtherEnd, OuterPacket, Tunnel
from ..readback.first_packet import Packet

# The limit for tunnels in tunnels, behind relays: nobody has more.
_DEPTH = 5


class Layer(NamedTuple):
    """by: the layer's name, empty for the connection itself. flows: candidates, of which one is ours. Each is a list of packets, one for each
    interface that it may come in by; all of these have to be let in."""

    by: str
    flows: List[List[Packet]]


class Opened(NamedTuple):
    """What the host itself keeps open. ends: whom it sends to, of whom one is ours. is_sure: whether it is one of these for certain."""

    by: str
    ends: Sequence[OtherEnd]
    is_sure: bool


class Layers:
    """layers: from the inside out. unknown: texts about layers that cannot be found out, with the reason. opened: what the host itself keeps open.
    dials: whether a program of the host passes the connection on that accepted none: it dialled out."""

    def __init__(self, system: System, facts: HostFacts) -> None:
        self._system, self._facts = system, facts
        self._flows: Optional[List[Flow]] = None
        self.layers: List[Layer] = []
        self.unknown: List[str] = []
        self.opened: List[Opened] = []
        self.dials = False

    def follow(self, accepted: AcceptedSocket) -> None:
        """Find all layers of the connection that a process has accepted."""
        local, port, remote = accepted.connection
        self._connection(Inbound(local, port, remote, accepted.remote_port, accepted.pid, accepted.descriptor, True), "", 0)

    def _connection(self, its: Inbound, by: str, depth: int) -> None:
        packets = self._packets(its)
        self.layers.append(Layer(by, [packets]))
        self._further(packets, (its.remote_address, its.remote_port, its.local_address, its.local_port), depth)

    def _further(self, packets: List[Packet], far: FlowEnds, depth: int) -> None:
        """Find the tunnels around a connection and its relays. far: the ends of the socket at its other end."""
        interfaces = [packet.interface for packet in packets]
        self._encrypted(far[0], far[2])
        self._around(far[0], interfaces, depth)
        if any(self._is_bridge(name) for name in interfaces) or is_local(far[0]):
            self._relayed(far, depth + 1)

    def _packets(self, its: Inbound) -> List[Packet]:
        there = came_in_by(its.pid, its.descriptor)
        interfaces = self._candidates(its.remote_address, its.local_address) if there is None else _with_vrf(there)
        family = IPV6 if ":" in its.remote_address else IPV4
        return [Packet(family, "tcp", its.remote_address, its.local_address, its.local_port, name) for name in interfaces]

    def _candidates(self, remote: Optional[str], local: Optional[str]) -> List[str]:
        """Return the interfaces that packets may come in by, where the kernel does not tell: the one that answers, and the one that has the address."""
        found = [None if remote is None else answered_by(self._system, remote).interface, None if local is None else interface_with(self._system, local)]
        return list(dict.fromkeys(each for name in found if name and name != "lo" for each in _with_vrf(name))) or [""]

    def _is_bridge(self, name: str) -> bool:
        return name in self._facts.bridges or (not self._facts.known and name.startswith(("docker", "br-")))

    # Tunnels.

    def _around(self, inner: str, interfaces: List[str], depth: int) -> None:
        for interface in interfaces if depth < _DEPTH else ():
            tunnel = tunnel_of(self._system, interface, inner) if interface else None
            if tunnel is None:
                continue
            found = self._through(tunnel, inner)
            if len(tunnel.outers) == 1 and tunnel.outers[0].remote is not None:
                self._around(tunnel.outers[0].remote, [packet.interface for packet in found[0] if packet.interface != interface], depth + 1)

    def _encrypted(self, remote: str, local: str) -> None:
        tunnel = None if is_local(remote) else ipsec_of(self._system, remote, local)
        if tunnel is not None:
            self._through(tunnel, remote)

    def _through(self, tunnel: Tunnel, inner: str) -> List[List[Packet]]:
        if tunnel.unknown:
            self.unknown.append("the %s tunnel %s: %s" % (tunnel.kind, tunnel.interface, tunnel.unknown))
        if tunnel.opened:
            self.opened.append(Opened("the tunnel %s" % tunnel.interface, tunnel.opened, not tunnel.outers))
        found = [self._outside(outer, inner) for outer in tunnel.outers]
        if found:
            self.layers.append(Layer("the tunnel %s" % tunnel.interface, found))
        return found

    def _outside(self, outer: OuterPacket, inner: str) -> List[Packet]:
        local = outer.local or (None if outer.remote is None else answered_by(self._system, outer.remote).source)
        family = IPV6 if ":" in (outer.remote or outer.local or inner) else IPV4
        return [Packet(family, outer.protocol, outer.remote, local, outer.port, name) for name in self._candidates(outer.remote, local)]

    # Relays: processes that pass a connection on.

    def _relayed(self, far: FlowEnds, depth: int) -> None:
        if depth > _DEPTH:
            return
        asked = asked_by(self._system, far)
        if asked is None:
            # No process: the connection comes out of a container's own tunnel or its own NAT.
            translated = [self._dialled(flow) for flow in self._known() if flow.answers_from == far[0] and not self._is_inside(flow)]
            if translated:
                self.layers.append(Layer("the container %s" % far[0], translated))
            return
        if len(asked) == 1:
            self._asked(asked[0], depth)
        elif asked:
            self.layers.append(Layer("what passes it on", [self._packets_of(each) for each in asked]))
        elif is_local(far[0]):
            self.dials = True

    def _asked(self, its: Inbound, depth: int) -> None:
        """Follow one connection that a relay passes on."""
        if its.here:
            self._connection(its, "what passes it on", depth)
            return
        flow = self._flow_of(its)
        if flow is not None and not self._is_inside(flow):
            packets = self._dialled(flow)
            self.layers.append(Layer("what passes it on", [packets]))
            self._around(flow.source, [packet.interface for packet in packets], depth)
            return
        self._relayed((its.remote_address, its.remote_port, its.local_address, its.local_port), depth + 1)

    def _packets_of(self, its: Inbound) -> List[Packet]:
        flow = None if its.here else self._flow_of(its)
        return self._packets(its) if flow is None else self._dialled(flow)

    def _flow_of(self, its: Inbound) -> Optional[Flow]:
        ends = (its.local_address, its.local_port, its.remote_address, its.remote_port)
        return next((flow for flow in self._known() if flow.protocol == "tcp" and ends == (
            flow.answers_from, flow.answers_from_port, flow.answers_to, flow.answers_to_port)), None)

    def _dialled(self, flow: Flow) -> List[Packet]:
        led_to = (flow.answers_from, flow.answers_from_port) if flow.is_translated else None
        leaves_by = answered_by(self._system, flow.answers_from).interface
        return [
            Packet(flow.family, flow.protocol, flow.source, flow.destination, flow.port, name, led_to, is_local(flow.destination), None, leaves_by)
            for name in self._candidates(flow.source, flow.destination if is_local(flow.destination) else None)
        ]

    def _is_inside(self, flow: Flow) -> bool:
        """Whether a flow comes from a container or from the host: then another flow is the first one."""
        return is_local(flow.source) or self._is_bridge(answered_by(self._system, flow.source).interface)

    def _known(self) -> List[Flow]:
        if self._flows is None:
            self._flows = flows(self._system) or []
        return self._flows


def _with_vrf(interface: str) -> List[str]:
    """Return an interface with its VRF or its members. Rules see packets that come in by a VRF's member under both names."""
    members = vrf_members()
    return [interface, *([members[interface]] if interface in members else [name for name, vrf in members.items() if vrf == interface])]
