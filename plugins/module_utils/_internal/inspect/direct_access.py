# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which networks' containers answer at their own addresses to who has a route through the host: by the rules, whatever made them. Pure."""

from __future__ import annotations

from typing import Iterator, List, Set, Tuple

from ..address import IPV6
from ..engine.api.answers import NFTABLES, Network
from ..engine.facts.direct_rules import direct_drops
from ..netfilter.rules.saved_ruleset import Ruleset
from .guarded_ports import closes_containers
from .situation import Situation

# From 28.2 on: interfaces by which a network's containers may be reached, with colons between them.
TRUSTED = "com.docker.network.bridge.trusted_host_interfaces"


def reachable_directly(host: Situation) -> Iterator[Tuple[int, str]]:
    """(family, what of which network)."""
    for family, ruleset in sorted(host.rulesets.items()):
        if closes_containers(ruleset, host.sets):
            continue
        dropped = _dropped(host, family, ruleset)
        for network in host.networks:
            what = _what(host, family, network, dropped) if is_forwarded_to(network, family) else ""
            if what:
                yield family, "%s: %s" % (network.name, what)


def is_forwarded_to(network: Network, family: int) -> bool:
    """Whether packets come to a network's own addresses unless rules stop them, and none are meant to."""
    has_family = any((":" in subnet) == (family == IPV6) for subnet in network.subnets)
    return has_family and not network.internal and network.gateway_modes.get(family) == "nat"


def _what(host: Situation, family: int, network: Network, dropped: Set[Tuple[str, str]]) -> str:
    """Empty for nothing."""
    ruleset = host.rulesets[family]
    docker = ruleset.chain("filter", "DOCKER")
    if host.backend.driver == NFTABLES and family not in host.engine_tables:
        # Not to be seen without nft.
        return ""
    closes_unpublished = host.backend.driver == NFTABLES or (
        docker is not None and "! -i %s -o %s -j DROP" % (network.bridge, network.bridge) in docker.rules
    )
    if not closes_unpublished:
        forwarding = ruleset.chain("filter", "FORWARD")
        if forwarding is None or forwarding.policy == "ACCEPT":
            return "every port"
        return "" if docker is None else "published ports"
    # From 28 on an engine drops each address by a line of its own, but with allow-direct-routing.
    ends = [(address, bridge) for bridge, address in host.ends if bridge == network.bridge and (":" in address) == (family == IPV6)]
    if any(end not in dropped for end in ends):
        return "published ports"
    trusted = [name for name in network.options.get(TRUSTED, "").split(":") if name]
    return "published ports, by %s" % ", ".join(trusted) if trusted and ends else ""


def _dropped(host: Situation, family: int, ruleset: Ruleset) -> Set[Tuple[str, str]]:
    """What an engine from 28 on drops ahead of everything: an address, and the bridge that it may come in by."""
    drops = [(drop.network.partition("/"), drop.bridge) for drop in direct_drops(ruleset)]
    found: List[Tuple[str, str]] = [(address, bridge) for (address, _slash, length), bridge in drops if length in ("32", "128")]
    if family in host.engine_tables:
        found += host.engine_tables[family].direct
    return set(found)
