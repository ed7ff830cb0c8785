# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Access to services of the host itself, and to docker-proxy: filter INPUT."""

from __future__ import annotations

from typing import List

from ...address import IPV4, IPV6
from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Chain, Hook, Line
from ..blocks.limits import LIMITS, Counted
from ..blocks.outside import bridges_pass, judged_from_outside
from ..blocks.port_rules import Rules, by_destination, came_in_by, denials, verdict_of
from ..language.model import HostServices, Policy
from ..values.entries import Entry
from . import forward
from .guard import to_published_ports
from .swarm_ports import swarm_lines

TABLE = "filter"
CHAIN = "DB-INPUT"
DENIED = "DB-INPUT-DENIED"
LIMITED = CHAIN + LIMITS

HOOK = Hook(TABLE, "INPUT", CHAIN)

# ICMP that every host needs: errors and path MTU discovery, IPv6's neighbours, routers and multicast listeners (not
# redirects, type 137).
ESSENTIAL_ICMP = [Line("-p icmp -m icmp --icmp-type %d -j RETURN" % number, (IPV4,)) for number in (3, 11, 12)]
ESSENTIAL_ICMPV6 = [
    Line("-p ipv6-icmp -m icmp6 --icmpv6-type %d -j RETURN" % number, (IPV6,))
    for number in (1, 2, 3, 4, 130, 131, 132, 133, 134, 135, 136, 143)
]
# IGMP: a switch drops multicast that nobody asks for. Not by -p: some releases of iptables print a name there, others the number.
MULTICAST_LISTENERS = Line("-d 224.0.0.0/4 -m conntrack --ctproto 2 -j RETURN", (IPV4,))
# Every host needs its DHCP client too.
_DHCP = [
    Line("-p udp -m udp --sport 67 --dport 68 -j RETURN", (IPV4,)),
    Line("-p udp -m udp --sport 547 --dport 546 -j RETURN", (IPV6,)),
]


_NEEDED = [*ESSENTIAL_ICMP, MULTICAST_LISTENERS, *ESSENTIAL_ICMPV6, *_DHCP]


def inbound(policy: Policy, services: HostServices, host: HostFacts, rules: Rules) -> List[Chain]:
    """Return the chains behind INPUT, or none if the policy limits nothing."""
    if not services.limits:
        return []
    first = [] if policy.external_interfaces else [Line("-i lo -j RETURN")]
    denied = rules.denied(services.deny, services.path + ".deny", DENIED, came_in_by(policy.external_interfaces))
    if denied:
        # Ahead of the line that lets open connections pass: those of denied sources end. What the host asks them for is answered.
        first += [Line("-m conntrack --ctdir REPLY -j RETURN"), *denied]
    first.append(Line("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"))
    # The guard has judged published ports already.
    judged = to_published_ports("-j RETURN")
    if services.denies:
        judged += _always(policy, services, host, rules)
    judged += rules.permits(services.allow, by_destination, Counted(TABLE, CHAIN, "services", CHAIN, services.mode))
    judged += denials(services, by_destination)
    chains = judged_from_outside(policy, TABLE, CHAIN, first, judged)
    if denied:
        spared = [*bridges_pass(policy), *to_published_ports("-j RETURN"), *_NEEDED]
        chains.append(Chain(TABLE, DENIED, [*spared, Line("-j " + verdict_of(services.mode), path=services.path + ".deny")]))
    return chains


def _always(policy: Policy, services: HostServices, host: HostFacts, rules: Rules) -> List[Line]:
    lines = [*_NEEDED, *(swarm_lines(services, rules) if host.swarm else [])]
    if policy.published_ports is not None:
        # An allowed port has to work if it was published after the play ran and docker-proxy serves it. Not for ranges: they may
        # hold host services that nobody opened by name.
        single = [entry for entry in policy.published_ports.allow if _is_one_port(entry)]
        # The chain about late ports has counted what is the engine's, if there is one.
        counted = forward.counted(policy.published_ports) if host.engine_cgroup is None else None
        lines += rules.permits(single, by_destination, counted)
    return lines


def _is_one_port(entry: Entry) -> bool:
    ports = entry.target.ports
    return ports is not None and ports.first == ports.last and entry.target.chosen is None
