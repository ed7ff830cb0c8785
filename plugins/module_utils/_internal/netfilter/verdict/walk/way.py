# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet's whole way through the host: hooks, tracking, routing, bridges, and who gets it. Pure.

A way ends by an exception, ``Ended``, wherever it ends.
"""

from __future__ import annotations

from typing import NoReturn

from ....address import IPV4
from ..matching.packet import spelt
from ..snapshot.foreign_tables import ForeignChain, below_ip
from ..snapshot.routes import Lookup, Route
from .hooks import Hooks
from .path import ACCEPTED, DROPPED, REJECTED, UNKNOWN, Ended, EndPoint, Outcome, Step
from .source_check import refused_source

_NF_CALL = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}
# 224.0.0.1 and 255.255.255.255.
_ALL_HOSTS, _EVERYBODY_HERE = 0xE0000001, 0xFFFFFFFF


class Way(Hooks):
    """One run of one packet."""

    def outcome(self) -> Outcome:
        """Follow the packet to its end."""
        try:
            if not self.world.knows_foreign and self._ask("", "tables of nftables, which were not read, drop the packet"):
                raise Ended(DROPPED, "tables of nftables were not read")
            if self.packet.is_local:
                self._from_host()
            else:
                self._from_outside()
        except Ended as end:
            return Outcome(end.verdict, end.reason, end.end, self.path, self.packet)

    # From where it comes.

    def _from_outside(self) -> NoReturn:
        packet = self.packet
        self._refuse_vrf(packet.iif)
        is_bridge = self.world.interfaces.is_bridge(packet.iif)
        for chain in below_ip(self.world.foreign, (packet.iif, *packet.ports_in), is_bridge):
            self._foreign(chain)
        calls = is_bridge and self._bridge_calls()
        if not calls:
            packet.ports_in = ()
        bridged, before = is_bridge and self._is_bridged(), packet.destination
        if bridged and not calls:
            words = "the bridge %s passes it on; iptables does not see it" % packet.iif
            self.path.append(Step("", "", None, words))
            raise Ended(ACCEPTED, words, self._passed_on())
        self._hook("PREROUTING")
        if calls and packet.destination != before:
            # The bridge itself sends translated packets on that stay in its network.
            bridged = self._is_bridged()
        if bridged:
            self._bridged()
        self._routed()

    def _from_host(self) -> NoReturn:
        packet = self.packet
        route = self._output_route()
        packet.hook = "OUTPUT"
        asked, leaves = packet.oif, packet.oif
        for entry in self._ordered("OUTPUT"):
            before = (packet.mark, packet.ends)
            self._enter("OUTPUT", entry)
            if (packet.mark, packet.ends) != before and entry.reroutes:
                route = self._output_route()
                # All rules of this hook are asked with the interface of the first route.
                leaves, packet.oif = packet.oif, asked
        packet.oif = leaves
        self._hook("POSTROUTING")
        if route.kind == "unicast":
            raise Ended(ACCEPTED, "leaves by %s" % packet.oif, self._leaving())
        if packet.connection is not None:
            packet.connection.is_confirmed = True
        packet.iif, packet.oif = "lo", ""
        self._hook("PREROUTING")
        self._input()

    def _bridged(self) -> NoReturn:
        """A frame from one port of a bridge to another. iptables sees it only by the module br_netfilter."""
        packet = self.packet
        if packet.destination == packet.source and not self._sends_back():
            raise Ended(DROPPED, "the bridge %s does not send a frame back to where it came from" % packet.iif)
        packet.oif, packet.ports_out = packet.iif, self.world.interfaces.ports_of(packet.iif)
        self._hook("FORWARD")
        # There the kernel does not tell rules by which interface a bridged frame came.
        packet.iif = ""
        self._hook("POSTROUTING")
        raise Ended(ACCEPTED, "the bridge %s passes it on" % packet.oif, self._passed_on())

    def _sends_back(self) -> bool:
        ports = set(self.world.interfaces.hairpins(self.packet.iif))
        return ports.pop() if len(ports) == 1 else self._ask("", "the port of %s that it comes by sends frames back (hairpin)" % self.packet.iif)

    def _is_bridged(self) -> bool:
        packet = self.packet
        if not self.world.interfaces.is_on_link(packet.iif, packet.family, packet.destination):
            return False
        # The host's own address, and those that all on the bridge listen to, come up to the host.
        asked = Lookup(packet.destination, packet.source, packet.iif, mark=packet.mark)
        route = self.world.routes.find(asked, self._ask_routing)
        return route is not None and route.kind == "unicast" and route.device == packet.iif

    def _bridge_calls(self) -> bool:
        """Tell whether iptables sees the frames of the packet's bridge."""
        interface = self.world.interfaces.by_name[self.packet.iif]
        if self.packet.family in interface.nf_calls:
            return True
        value = self.world.setting(_NF_CALL[self.packet.family])
        return bool(value) if value is not None else self._ask("", "whether %s is set" % _NF_CALL[self.packet.family].replace("/", "."))

    # Routing, and where it goes.

    def _routed(self) -> NoReturn:
        packet = self.packet
        if packet.family == IPV4 and (packet.destination >> 28 == 0xE or packet.destination == _EVERYBODY_HERE):
            self._to_the_link()
        route = self._route(Lookup(packet.destination, packet.source, packet.iif, self._link_of(packet.destination), packet.mark))
        refused = refused_source(self.world, packet, self._ask_routing)
        if refused:
            raise Ended(DROPPED, refused)
        if route.kind in ("local", "broadcast", "multicast", "anycast"):
            self._input()
        self._refuse_vrf(route.device)
        if not self._forwards():
            raise Ended(DROPPED, "the host does not forward packets that come by %s" % packet.iif)
        packet.oif = route.device
        self._hook("FORWARD")
        self._hook("POSTROUTING")
        raise Ended(ACCEPTED, "leaves by %s" % packet.oif, self._leaving())

    def _to_the_link(self) -> NoReturn:
        """A group of IPv4, or everybody on the link: the kernel asks for no route. Every interface is in the group of all hosts."""
        packet = self.packet
        refused = refused_source(self.world, packet, self._ask_routing)
        if refused:
            raise Ended(DROPPED, refused)
        in_group = "whether %s is in the group %s" % (packet.iif, spelt(packet.family, packet.destination))
        if packet.destination not in (_ALL_HOSTS, _EVERYBODY_HERE) and not self._ask("", in_group):
            raise Ended(DROPPED, "%s is not in the group %s" % (packet.iif, spelt(packet.family, packet.destination)))
        self._input()

    def _input(self) -> NoReturn:
        packet = self.packet
        packet.oif = ""
        self._hook("INPUT")
        listeners = self.world.listeners
        place = "%s/%s" % (packet.end(packet.destination, packet.dport), packet.protocol)
        if listeners is None or packet.protocol not in ("tcp", "udp") or packet.dport is None:
            raise Ended(ACCEPTED, "comes to the host", EndPoint("host", "the host, %s" % place))
        found = listeners.answering(packet.family, packet.protocol, packet.destination, packet.dport, packet.iif)
        if found is None:
            raise Ended(ACCEPTED, "comes to the host, where nobody listens", EndPoint("nobody", "nobody listens at %s" % place))
        who = found.process or "a socket"
        raise Ended(ACCEPTED, "comes to %s" % who, EndPoint("listener", "%s, which listens at %s/%s" % (who, found.words, packet.protocol)))

    def _route(self, asked: Lookup) -> Route:
        route = self.world.routes.find(asked, self._ask_routing)
        if route is None or route.leads_nowhere:
            what = "there is no route to %s" % spelt(self.packet.family, asked.destination) if route is None else "the route is %s" % str(route)
            raise Ended(DROPPED if route is None or route.kind == "blackhole" else REJECTED, what)
        self.path.append(Step("", "", None, "route %s" % str(route)))
        return route

    def _output_route(self) -> Route:
        packet = self.packet
        route = self._route(Lookup(packet.destination, packet.source, "", self._link_of(packet.destination), packet.mark))
        packet.oif = route.device if route.kind in ("unicast", "multicast", "broadcast") else "lo"
        self._refuse_vrf(route.device)
        return route

    def _link_of(self, address: int) -> str:
        """A link-local address of IPv6 is one of the link that the packet came by."""
        return self.packet.iif if self.packet.family != IPV4 and address >> 118 == 0x3FA else ""

    def _forwards(self) -> bool:
        packet = self.packet
        names = ("net/ipv4/conf/%s/forwarding" % packet.iif, "net/ipv4/ip_forward") if packet.family == IPV4 else ("net/ipv6/conf/all/forwarding",)
        values = [value for value in map(self.world.setting, names) if value is not None]
        return bool(values[0]) if values else self._ask("", "whether %s is set" % names[-1].replace("/", "."))

    def _leaving(self) -> EndPoint:
        packet = self.packet
        return EndPoint("interface", "%s, by %s" % (packet.end(packet.destination, packet.dport), packet.oif))

    def _passed_on(self) -> EndPoint:
        packet = self.packet
        return EndPoint("bridge", "%s, by the bridge %s" % (packet.end(packet.destination, packet.dport), packet.oif or packet.iif))

    def _refuse_vrf(self, device: str) -> None:
        vrf = self.world.interfaces.vrf_of(device)
        if vrf:
            raise Ended(UNKNOWN, "%s is in the VRF %s, and VRFs are not modelled" % (device, vrf))


class Rehearsal(Way):
    """The first packet of a flow that is there already. Whatever would drop it now did not do so then."""

    def _opens_flow(self) -> bool:
        """Something did."""
        return True

    def _stopped(self, verdict: str) -> None:
        """The flow went on."""

    def _foreign_stop(self, chain: ForeignChain) -> None:
        """The flow went on."""
