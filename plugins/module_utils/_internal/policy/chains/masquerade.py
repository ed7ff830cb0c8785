# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Masquerading by rules ahead of Docker's. Docker's own rules are not touched.

In nftables a chain of ours runs before iptables' whole nat POSTROUTING. A source that it has translated, even to itself, is not
translated again. Docker puts its rules at the top of POSTROUTING at each network create and start, but stays within that chain.
Without nft, a chain at the top of nat POSTROUTING has this effect until Docker next inserts rules above it.
"""

from __future__ import annotations

import re
from typing import Callable, Iterable, List, Mapping, NamedTuple, Optional

from ...address import FAMILIES, IPV4, Network, contains, parse_network, quoted
from ...engine.daemon.nftables_backend import BridgesTable
from ...engine.facts.direct_rules import direct_drops
from ...engine.facts.facts import HostFacts, NetworkFacts
from ...errors import DrawbridgeError
from ...netfilter.rules.desired import Chain, DesiredState, Hook, Line, NftTables
from ...netfilter.rules.saved_ruleset import Ruleset
from ..blocks.owners import NAT, MasqueradeOwner
from ..language.masquerade import DOCKER, OFF, Masquerade, MasqueradeMode

PARENT = "POSTROUTING"
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")


class NatRule(NamedTuple):
    """The treatment of packets from ``source`` that leave by another interface than ``bridge``.

    mode: docker ends the judgement without translation; off and snat are final. address: the new source for snat.
    """

    source: Network
    bridge: str
    mode: str
    address: Optional[str]


def with_masquerade(wanted: DesiredState, masquerade: Optional[Masquerade], host: HostFacts, has_nft: bool, owner: MasqueradeOwner) -> DesiredState:
    """Return ``wanted`` with this owner's masquerading. None removes it.

    If the engine could not be asked, the masquerading on the host stays as it is.
    """
    owned = [*wanted.owned, (NAT, owner.chain)]
    if masquerade is not None and not host.known:
        return wanted
    rules = [] if masquerade is None else nat_rules(masquerade, host.networks)
    wanted = wanted._replace(owned=owned)
    if has_nft:
        return wanted._replace(tables={**wanted.tables, **_tables(rules, owner)})
    if not rules:
        return wanted
    families = tuple(family for family in FAMILIES if any(rule.source.family == family for rule in rules))
    hook = Hook(NAT, PARENT, owner.chain, owner.chain_priority, ("MASQUERADE",), families)
    chain = Chain(NAT, owner.chain, [_line(rule) for rule in rules], families)
    return wanted._replace(chains=[*wanted.chains, chain], hooks=[*wanted.hooks, hook])


def warnings_about(
    masquerade: Masquerade,
    host: HostFacts,
    rulesets: Callable[[], Mapping[int, Ruleset]],
    tables: Callable[[], Mapping[int, BridgesTable]] = dict,
) -> List[str]:
    """Return warnings: statements about networks that do not exist, and replies that the engine drops.

    ``rulesets``, and the engine's own ``tables`` in nftables, are read only if needed.
    """
    if any(rule.mode == OFF for rule in nat_rules(masquerade, host.networks)):
        return unknown_networks(masquerade, host) + kept_replies(masquerade, host, rulesets(), tables())
    return unknown_networks(masquerade, host)


def unknown_networks(masquerade: Masquerade, host: HostFacts) -> List[str]:
    """Return a warning for each statement about a network or subnet that the engine does not have now."""
    if not host.known:
        return []
    known = {network.name for network in host.networks}
    there = [parse_network(subnet) for network in host.networks for subnet in network.subnets]
    missing = [item.path for name, item in masquerade.networks.items() if name not in known]
    missing += [
        item.path
        for subnet, item in masquerade.subnets.items()
        if not any(contains(subnet, other) or contains(other, subnet) for other in there)
    ]
    return ["%s: there is no such Docker bridge network now; run this again when there is" % path for path in missing]


def kept_replies(
    masquerade: Masquerade, host: HostFacts, rulesets: Mapping[int, Ruleset], tables: Mapping[int, BridgesTable]
) -> List[str]:
    """Return a warning for each network that is not masqueraded and whose replies the engine drops.

    From release 28 on, the engine drops every packet from outside to a container's own address. It does so in raw PREROUTING of
    either backend, ahead of everything else.
    """
    off = [rule for rule in nat_rules(masquerade, host.networks) if rule.mode == OFF]
    dropped = [
        (parse_network(drop.network), drop.bridge)
        for ruleset in rulesets.values()
        for drop in direct_drops(ruleset)
        # Rules made by hand may have masks that are no prefix length.
        if drop.of_all and drop.network.partition("/")[2].isdigit()
    ]
    dropped += [(parse_network(address), bridge) for table in tables.values() for address, bridge in table.direct]
    bridges = {rule.bridge for rule in off for one, bridge in dropped if bridge == rule.bridge and contains(rule.source, one)}
    return [
        "network %s is not masqueraded, but its engine drops the replies to its containers' own addresses: set allow-direct-routing in"
        " daemon.json, or make the network with the gateway mode nat-unprotected or routed" % quoted(network.name)
        for network in host.networks
        if network.bridge in bridges
    ]


def nat_rules(masquerade: Masquerade, networks: Iterable[NetworkFacts]) -> List[NatRule]:
    """Return the rules in order, narrowest first within each network. The list is empty if Docker's own rules decide everywhere."""
    rules: List[NatRule] = []
    for network in networks:
        if not _INTERFACE.fullmatch(network.bridge):
            raise DrawbridgeError("network %s has an interface that no rule can name: %s"
                                  % (quoted(network.name), quoted(network.bridge)), masquerade.path)
        for subnet in map(parse_network, network.subnets):
            rules += _of_subnet(masquerade, network, subnet)
    return rules


def _of_subnet(masquerade: Masquerade, network: NetworkFacts, subnet: Network) -> List[NatRule]:
    about = sorted(masquerade.subnets.items(), key=lambda item: -item[0].prefix)
    inner = [(part, said) for part, said in about if contains(subnet, part) and part != subnet]
    outer = [said for whole, said in about if contains(whole, subnet)]
    stated = outer + [said for said in (masquerade.networks.get(network.name), masquerade.everything) if said is not None]
    rules = [_rule(part, network.bridge, said) for part, said in inner + [(subnet, said) for said in stated[:1]]]
    while rules and rules[-1].mode == DOCKER:
        rules.pop()
    return rules


def _rule(source: Network, bridge: str, said: MasqueradeMode) -> NatRule:
    address = said.address(source.family)
    mode = said.mode if said.mode in (DOCKER, OFF) or address is not None else DOCKER
    return NatRule(source, bridge, mode, address)


def _tables(rules: List[NatRule], owner: MasqueradeOwner) -> NftTables:
    tables: NftTables = {}
    for family in FAMILIES:
        lines = [_nft(rule) for rule in rules if rule.source.family == family]
        head = ["chain postrouting {", "type nat hook postrouting priority %d;" % owner.table_priority]
        tables[(family, owner.table)] = head + lines + ["}"] if lines else None
    return tables


def _nft(rule: NatRule) -> str:
    ip = "ip" if rule.source.family == IPV4 else "ip6"
    # SNAT to its own address: later chains take it for translated, but the address stays.
    verdict = "return" if rule.mode == DOCKER else "snat to %s" % (rule.address or ip + " saddr")
    return '%s saddr %s oifname != "%s" %s' % (ip, rule.source, rule.bridge, verdict)


def _line(rule: NatRule) -> Line:
    verdict = {DOCKER: "RETURN", OFF: "ACCEPT"}.get(rule.mode, "SNAT --to-source %s" % rule.address)
    return Line("-s %s ! -o %s -j %s" % (rule.source, rule.bridge, verdict), (rule.source.family,))
