# -*- coding: utf-8 -*-
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop containers that forge a neighbour's address, at their own bridge port.

Egress rules tell containers of one network apart by their addresses. With NET_RAW, which Docker gives by default, a container can write any
source address into its packets. Only the bridge port identifies the container. So an nftables table of the bridge family holds each port's
addresses. It exists while a policy needs it. A port that is not in the table yet passes: its container has just started.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..engine.api.answers import Network, parse_networks
from ..engine.api.client import Inspector, WholeEngine
from ..engine.containers.select import every_container
from ..engine.containers.target import ContainerGone, held
from ..engine.facts.endpoints import addresses_of, mac_addresses_of
from ..host.network.links import bridge_ports, ends_into
from ..host.network.routing import routes_by
from ..host.system.system import System
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.kernel.nft_table import Nft
from ..netfilter.rules.saved_ruleset import SavedChain
from ..policy.blocks.owners import POLICY_EGRESS
from ..policy.chains.egress import tells_containers_apart
from ..policy.compile.denials import observes

TABLE = "drawbridge-sources"
_PORT = re.compile(r"veth[A-Za-z0-9_.-]{1,11}")
_NETWORKS = "flags interval; auto-merge;"
# A link-local address belongs to no one network: only the known addresses of other containers are denied.
_TEXT = """table bridge {table} {{
{sets}  chain from-containers {{
    type filter hook prerouting priority -299; policy accept;
    iifname != @known accept
    ip saddr @networks4 iifname . ip saddr != @own4 counter drop
    arp saddr ip @networks4 iifname . arp saddr ip != @own4 counter drop
    ip saddr @behind4 iifname . ip saddr != @gateway4 counter drop
    ip6 saddr @behind6 iifname . ip6 saddr != @gateway6 counter drop
    ip6 saddr @networks6 iifname . ip6 saddr != @own6 counter drop
    ip6 saddr @links6 iifname . ip6 saddr != @own6 counter drop
  }}
}}
"""


class Ports(NamedTuple):
    """own: pairs of port name and an address of its container, also link-local ones. networks: the subnets of the bridges. behind: networks
    that the host routes to containers. gateways: pairs of a port whose container is such a route's gateway, and the network."""

    own: List[Tuple[str, str]]
    networks: List[str]
    behind: Sequence[str] = ()
    gateways: Sequence[Tuple[str, str]] = ()


class PortSources:
    """The table on this host."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._nft = Nft(system)
        self._loaded: Optional[str] = None

    def follow(self, engine: WholeEngine) -> None:
        """Update the table to the current containers. If no policy needs it, remove it and do not ask the engine."""
        if not self._nft.is_installed:
            return
        if not self._is_needed():
            self.take_away()
            return
        text = table_text(ports_of(self._system, engine, engine.containers(), parse_networks(engine.networks(), {})))
        if text != self._loaded or not self._is_there():
            self._nft.load(no_table_text() + text)
            self._loaded = text

    def take_away(self) -> None:
        """Remove the table, if it exists."""
        self._loaded = None
        if self._nft.is_installed and self._is_there():
            self._nft.load(no_table_text())

    def _is_there(self) -> bool:
        return self._system.run([self._system.require("nft", "nftables"), "list", "table", "bridge", TABLE]).rc == 0

    def _is_needed(self) -> bool:
        rulesets = Netfilter(self._system, "auto").rulesets()
        return any(tells_containers_apart(_enforced(ruleset.tables.get("filter", {}))) for ruleset in rulesets.values())


def _enforced(chains: Mapping[str, SavedChain]) -> List[str]:
    """Return the names of the chains, without those of a policy's egress that only observes."""
    prefix = POLICY_EGRESS.prefix
    is_observed = observes([rule for name, chain in chains.items() if name.startswith(prefix) for rule in chain.rules])
    return [name for name in chains if not (is_observed and name.startswith(prefix))]


def ports_of(system: System, inspector: Inspector, listed: List[Dict[str, object]], networks: List[Network]) -> Ports:
    """Return all of a container's addresses for each of its ports: it may answer a packet of one port through another."""
    bridges = {network.id: network.bridge for network in networks if network.bridge is not None}
    on_bridges = bridge_ports()
    by_id = {str(item.get("Id")): item for item in listed}
    own: List[Tuple[str, str]] = []
    for target in every_container(system, inspector):
        item = by_id.get(target.id)
        if target.reason is not None or item is None:
            continue
        try:
            with held(system, target) as netns:
                ports = [port for port in ends_into(netns) if _PORT.fullmatch(port) and on_bridges.get(port) in bridges.values()]
        except ContainerGone:
            continue
        addresses = addresses_of(item, bridges) + [link_local(mac) for mac in mac_addresses_of(item)]
        own += [(port, address) for port in ports for address in addresses]
    subnets = {subnet for network in networks if network.bridge is not None for subnet in network.subnets}
    routes = [route for route in routes_by(system, list(bridges.values())) if route.network not in subnets]
    gateways = {(port, route.network) for port, address in own for route in routes if route.gateway == address}
    return Ports(sorted(own), sorted(subnets), sorted({route.network for route in routes}), sorted(gateways))


def link_local(mac: str) -> str:
    """Return the link-local address that a kernel derives from a hardware address (RFC 4291, appendix A)."""
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 2
    parts[3:3] = [0xFF, 0xFE]
    return "fe80::" + ":".join("%x" % (parts[at] << 8 | parts[at + 1]) for at in range(0, 8, 2))


def table_text(ports: Ports) -> str:
    """Return ``nft -f`` input that makes the table."""
    sets = [_set("known", "ifname", ['"%s"' % port for port in sorted({port for port, _address in ports.own})])]
    for word, kind, is_mine in (("4", "ipv4_addr", _is_ipv4), ("6", "ipv6_addr", _is_ipv6)):
        own = ['"%s" . %s' % pair for pair in ports.own if is_mine(pair[1])]
        sets.append(_set("own" + word, "ifname . " + kind, own))
        sets.append(_set("networks" + word, kind, [network for network in ports.networks if is_mine(network)], _NETWORKS))
        sets.append(_set("behind" + word, kind, [network for network in ports.behind if is_mine(network)], _NETWORKS))
        gateways = ['"%s" . %s' % pair for pair in ports.gateways if is_mine(pair[1])]
        sets.append(_set("gateway" + word, "ifname . " + kind, gateways, "flags interval;"))
    sets.append(_set("links6", "ipv6_addr", sorted({address for _port, address in ports.own if address.startswith("fe80:")})))
    return _TEXT.format(table=TABLE, sets="".join(sets))


def no_table_text() -> str:
    """Return ``nft -f`` input that removes the table, whether or not it exists."""
    return "add table bridge {0}\ndelete table bridge {0}\n".format(TABLE)


def _set(name: str, kind: str, elements: Iterable[str], options: str = "") -> str:
    listed = ", ".join(elements)
    content = "elements = { %s }; " % listed if listed else ""
    return "  set %s { type %s; %s %s}\n" % (name, kind, options, content)


def _is_ipv4(address: str) -> bool:
    return ":" not in address


def _is_ipv6(address: str) -> bool:
    return ":" in address
