# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet's whole way through the host: hooks, tracking, routing, bridges, and who gets it. Pure.

A way ends by an exception, ``Ended``, wherever it ends.
"""

from __future__ import annotations

from typing import Dict, List, NoReturn, Optional, Tuple

from ....address import IPV4
from ..matching.packet import NEW, Connection, Packet, spelt
from ..matching.translation import DESTINATION, HOOK_KINDS, apply_translation
from ..snapshot.foreign_tables import CHANGES, MARKS, STOPS, TRANSLATES, ForeignChain, below_ip, chains_on
from ..snapshot.routes import Lookup, Route
from .choices import Choices, Question
from .engine_sockets import is_ours, marks, stops
from .path import ACCEPTED, DROPPED, REJECTED, UNKNOWN, Ended, EndPoint, Outcome, Step
from .source_check import refused_source
from .table_walk import ACCEPT, TableWalk
from .world import World

_TRACKING = "tracking"
# What the kernel asks on each hook, in order of priority.
_STAGES: Dict[str, Tuple[Tuple[int, str], ...]] = {
    "PREROUTING": ((-300, "raw"), (-200, _TRACKING), (-150, "mangle"), (-100, "nat")),
    "INPUT": ((-150, "mangle"), (0, "filter"), (50, "security"), (100, "nat")),
    "FORWARD": ((-150, "mangle"), (0, "filter"), (50, "security")),
    "OUTPUT": ((-300, "raw"), (-200, _TRACKING), (-150, "mangle"), (-100, "nat"), (0, "filter"), (50, "security")),
    "POSTROUTING": ((-150, "mangle"), (100, "nat")),
}
_NF_CALL = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


class Way:
    """One run of one packet. flow: what tracking knows of it already; None for the first packet of a flow."""

    def __init__(self, world: World, packet: Packet, choices: Choices, flow: Optional[Connection] = None, is_valid: bool = True) -> None:
        self.world = world
        self.packet = packet
        self.choices = choices
        self.path: List[Step] = []
        self._flow = flow
        self._is_valid = is_valid

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
            self._foreign(chain, "PREROUTING")
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
        before = (packet.mark, packet.ends)
        for stage in _STAGES["OUTPUT"]:
            self._stage("OUTPUT", *stage)
            if (packet.mark, packet.ends) != before and stage[1] in ("mangle", "nat"):
                before = (packet.mark, packet.ends)
                route = self._output_route()
        self._rest_of("OUTPUT")
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

    # Hooks.

    def _hook(self, hook: str) -> None:
        for priority, name in _STAGES[hook]:
            self._stage(hook, priority, name)
        self._rest_of(hook)

    def _stage(self, hook: str, priority: int, name: str) -> None:
        """One of our stages, after the foreign chains that come between the one before it and it."""
        earlier = max((place for place, _name in _STAGES[hook] if place < priority), default=-(1 << 40))
        for chain in chains_on(self.world.foreign, self.packet.family, hook):
            if earlier <= chain.priority < priority:
                self._foreign(chain, hook)
        if name == _TRACKING:
            self._track()
        elif name == "nat":
            self._nat(hook)
        else:
            self._table(hook, name)

    def _rest_of(self, hook: str) -> None:
        for chain in chains_on(self.world.foreign, self.packet.family, hook):
            if chain.priority >= _STAGES[hook][-1][0]:
                self._foreign(chain, hook)

    def _table(self, hook: str, name: str) -> None:
        for variant in self.world.variants:
            if name in variant.tables:
                verdict = TableWalk(self.world, self.packet, self.choices, self.path).walk(variant.name, name, variant.tables[name], hook)
                if verdict != ACCEPT:
                    self._stopped(verdict)

    def _stopped(self, verdict: str) -> None:
        """The last step drops or rejects the packet."""
        step = self.path[-1]
        raise Ended(REJECTED if verdict == "REJECT" else DROPPED, "%s: %s" % (step.place, step.text))

    def _track(self) -> None:
        packet = self.packet
        if packet.connection is None and not packet.is_untracked and self._is_valid:
            packet.connection = self._flow or Connection(packet.ends)

    def _nat(self, hook: str) -> None:
        """The first packet of a flow decides about its translation. Later ones are translated alike, and see no rule."""
        packet, connection, kind = self.packet, self.packet.connection, HOOK_KINDS[hook]
        if connection is None:
            return
        if connection.state == NEW and kind not in connection.chosen:
            connection.chosen.add(kind)
            self._nat_rules(hook, kind, connection)
            return
        before = packet.ends
        change = apply_translation(packet, connection, kind)
        if packet.ends != before:
            self.path.append(Step("", "", None, "connection tracking translates it like the flow's first packet", change))

    def _nat_rules(self, hook: str, kind: str, connection: Connection) -> None:
        for variant in self.world.variants:
            table = variant.tables.get("nat")
            chain = table.chain(hook) if table is not None else None
            if table is None or chain is None:
                continue
            if (connection.destination if kind == DESTINATION else connection.source) is not None:
                if chain.rules and self._ask("", "iptables-%s is asked before the other variant, and translates the packet, too" % variant.name):
                    raise Ended(UNKNOWN, "iptables-nft and iptables-legacy both have rules in the table nat")
                continue
            verdict = TableWalk(self.world, self.packet, self.choices, self.path).walk(variant.name, "nat", table, hook)
            if verdict != ACCEPT:
                self._stopped(verdict)

    def _foreign(self, chain: ForeignChain, hook: str) -> None:
        """A chain whose rules are not modelled may do what it may do."""
        packet = self.packet
        if is_ours(chain):
            marks(chain, self.world, packet)
            if stops(chain, self.world, packet, lambda words: self._ask(str(chain), words)):
                self.path.append(Step("", "", None, str(chain), "no rule has allowed this port of the engine's"))
                self._foreign_stop(chain)
            return
        if STOPS in chain.does and self._ask(str(chain), "it may drop the packet"):
            self.path.append(Step("", "", None, str(chain), "may drop it"))
            self._foreign_stop(chain)
        is_first = packet.connection is not None and packet.connection.state == NEW
        if TRANSLATES in chain.does and is_first and HOOK_KINDS.get(hook) == DESTINATION and self._ask(str(chain), "it may translate the packet"):
            raise Ended(UNKNOWN, "%s may translate the packet" % str(chain))
        if CHANGES in chain.does and self._ask(str(chain), "it may change the packet"):
            raise Ended(UNKNOWN, "%s may change the packet" % str(chain))
        if MARKS in chain.does:
            packet.mark = None
            if packet.connection is not None:
                packet.connection.mark = None

    def _foreign_stop(self, chain: ForeignChain) -> None:
        raise Ended(DROPPED, "%s drops it" % str(chain))

    def _ask(self, place: str, words: str) -> bool:
        return self.choices.ask(Question(place, words, place + words))

    def _ask_routing(self, words: str) -> bool:
        return self._ask("routing", words)


class Rehearsal(Way):
    """The first packet of a flow that is there already. Whatever would drop it now did not do so then."""

    def _stopped(self, verdict: str) -> None:
        """The flow went on."""

    def _foreign_stop(self, chain: ForeignChain) -> None:
        """The flow went on."""
