# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find networks whose containers can be reached at their own addresses through the host. All rules count, whoever made them. Pure."""

from __future__ import annotations

from typing import Iterator, List, Set, Tuple

from ..address import IPV6
from ..engine.api.answers import NFTABLES, Network
from ..engine.facts.direct_rules import direct_drops
from ..netfilter.rules.saved_ruleset import Ruleset
from .guarded_ports import closes_containers
from .situation import Situation

# From 28.2 on: interfaces by which a network's containers may be reached, separated by colons.
TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"


def reachable_directly(host: Situation) -> Iterator[Tuple[int, str]]:
    """Yield the family, and the network with its reachable ports in words."""
    for family, ruleset in sorted(host.rulesets.items()):
        if closes_containers(ruleset, host.sets):
            continue
        dropped = _dropped(host, family, ruleset)
        for network in host.networks:
            what = _what(host, family, network, dropped) if is_forwarded_to(network, family) else ""
            if what:
                yield family, "%s: %s" % (network.name, what)


def is_forwarded_to(network: Network, family: int) -> bool:
    """Whether the host forwards unwanted packets to the network's addresses unless rules stop them."""
    has_family = any((":" in subnet) == (family == IPV6) for subnet in network.subnets)
    return has_family and not network.internal and network.gateway_modes.get(family) == "nat"


def _what(host: Situation, family: int, network: Network, dropped: Set[Tuple[str, str]]) -> str:
    """Return the network's reachable ports in words; empty for none."""
    ruleset = host.rulesets[family]
    docker = ruleset.chain("filter", "DOCKER")
    if host.backend.driver == NFTABLES and family not in host.engine_tables:
        # The engine's table cannot be read without nft.
        return ""
    closes_unpublished = host.backend.driver == NFTABLES or (
        docker is not None and "! -i %s -o %s -j DROP" % (network.bridge, network.bridge) in docker.rules
    )
    if not closes_unpublished:
        forwarding = ruleset.chain("filter", "FORWARD")
        if forwarding is None or forwarding.policy == "ACCEPT":
            return "every port"
        return "" if docker is None else "published ports"
    # From 28 on an engine has a drop rule for each address, unless allow-direct-routing is set.
    ends = [(address, bridge) for bridge, address in host.ends if bridge == network.bridge and (":" in address) == (family == IPV6)]
    if any(end not in dropped for end in ends):
        return "published ports"
    trusted = [name for name in network.options.get(TRUSTED, "").split(":") if name]
    return "published ports, by %s" % ", ".join(trusted) if trusted and ends else ""


def _dropped(host: Situation, family: int, ruleset: Ruleset) -> Set[Tuple[str, str]]:
    """Return an engine's first drops (28 and later): container address, and the only bridge that its packets may come in by."""
    drops = [(drop.network.partition("/"), drop.bridge) for drop in direct_drops(ruleset)]
    found: List[Tuple[str, str]] = [(address, bridge) for (address, _slash, length), bridge in drops if length in ("32", "128")]
    if family in host.engine_tables:
        found += host.engine_tables[family].direct
    return set(found)
