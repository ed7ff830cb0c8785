# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""DOCKER-FILTER: decides which traffic from outside may be DNATed to a container. A second chain guards docker-proxy.

DOCKER-FILTER is in nat PREROUTING ahead of Docker's own jump. nat cannot drop: a packet that is not allowed is accepted
there, which skips the DNAT. The packet then goes to the host itself, where docker-proxy would serve it. So the second
chain, in INPUT, drops packets to published ports that are not allowed.
"""

from __future__ import annotations

from typing import List, NamedTuple, Tuple

from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Chain, DesiredState, Hook, Line
from ..blocks.engine_sets import host_sets, named_sets
from ..blocks.outside import judged_from_outside
from ..blocks.port_rules import Rules, by_destination, drops
from ..language.model import Policy
from ..values.entries import Entry
from . import source_check
from .guard import to_published_ports

OWNER = "F"
NAT = "nat"
FILTER = "filter"
CHAIN = "DOCKER-FILTER"
PROXY = "DB-INPUT-PROXY"
SOURCE = source_check.CHAIN + "-nat"
OWNED = [(NAT, CHAIN), (NAT, CHAIN + "-OUT"), (FILTER, PROXY), (FILTER, PROXY + "-OUT"), (FILTER, PROXY + "-PORTS"), (source_check.TABLE, SOURCE)]

_HOOKS = [
    Hook(NAT, "PREROUTING", CHAIN, ahead_of=("DOCKER", "DOCKER-INGRESS")),
    Hook(FILTER, "INPUT", PROXY),
    source_check.source_hook(SOURCE),
]


class NatFilter(NamedTuple):
    """The settings of the filter.

    denies: whether published ports without an entry are closed. denies_unpublished: whether packets to the host's other ports
    skip DNAT too. external_interfaces: empty means all except the loopback and Docker's bridges.
    """

    denies: bool
    allow: Tuple[Entry, ...]
    denies_unpublished: bool
    external_interfaces: Tuple[str, ...]


def compile_nat_filter(wanted: NatFilter, host: HostFacts) -> DesiredState:
    """Return both chains, the chain that checks sources, their hooks, and the sets that they name."""
    rules = Rules()
    outside = Policy(address_sets={}, external_interfaces=wanted.external_interfaces)
    loopback = [] if wanted.external_interfaces else [Line("-i lo -j RETURN")]
    chains = judged_from_outside(outside, NAT, CHAIN, loopback, _nat_lines(wanted, rules))
    first = loopback + [Line("-m conntrack --ctdir REPLY -j RETURN")]
    chains += judged_from_outside(outside, FILTER, PROXY, first, to_published_ports("-g %s-PORTS" % PROXY))
    chains.append(Chain(FILTER, PROXY + "-PORTS", _proxy_lines(wanted, rules)))
    chains.append(source_check.source_check(SOURCE, host.other_tables))
    return DesiredState(chains, _HOOKS, OWNED, OWNER, [], named_sets(chains, {**rules.sets, **host_sets(host)}))


def no_nat_filter() -> DesiredState:
    """Remove these chains."""
    return DesiredState([], [], OWNED, OWNER)


def _nat_lines(wanted: NatFilter, rules: Rules) -> List[Line]:
    lines = [Line("-m addrtype ! --dst-type LOCAL -j RETURN")]
    lines += rules.permits(wanted.allow, by_destination)
    if not wanted.denies:
        return lines + [line._replace(text=_accepting(line.text)) for line in drops(wanted.allow, by_destination)]
    if wanted.denies_unpublished:
        return lines + [Line("-j ACCEPT")]
    return lines + to_published_ports("-j ACCEPT")


def _accepting(text: str) -> str:
    return text[: -len("DROP")] + "ACCEPT"


def _proxy_lines(wanted: NatFilter, rules: Rules) -> List[Line]:
    lines = rules.permits(wanted.allow, by_destination)
    return lines + ([Line("-j DROP")] if wanted.denies else drops(wanted.allow, by_destination))
