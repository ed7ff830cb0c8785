# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Published ports by the host's port, before any DNAT, and containers' addresses: mangle PREROUTING, every packet."""

from __future__ import annotations

from typing import List

from ..netfilter.model import IPV4, IPV6, Chain, Hook, Line
from . import names
from .host import HostFacts
from .lines import Rules, by_destination, drops
from .model import Policy, PublishedPorts
from .outside import judged_from_outside
from .sets import SCTP

TABLE = "mangle"
CHAIN = "DB-GUARD"
LOCAL = "DB-GUARD-LOCAL"
PORTS = "DB-GUARD-PORTS"
VRF = "DB-GUARD-VRF"

HOOK = Hook(TABLE, "PREROUTING", CHAIN)
VRF_HOOK = Hook(TABLE, "INPUT", VRF)

# docker-proxy answers UDP sent to a broadcast or multicast address, so LOCAL alone is not enough. In IPv6 the match
# wants MULTICAST *and* the other types together, which nothing is: hence two lines.
TO_THE_HOST = [
    Line("-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -g " + LOCAL, (IPV4,)),
    Line("-m addrtype --dst-type LOCAL,ANYCAST -g " + LOCAL, (IPV6,)),
    Line("-d ff00::/8 -g " + LOCAL, (IPV6,)),
]


def guard(policy: Policy, ports: PublishedPorts, host: HostFacts, rules: Rules) -> List[Chain]:
    """The guard's chains; none where the policy limits nothing.

    Replies return, everything else is judged, untracked packets included.
    """
    judge_ports = ports.denies or bool(ports.allow)
    if not judge_ports and not ports.closes_direct:
        return []
    judged = list(TO_THE_HOST) if judge_ports else []
    if ports.closes_direct:
        # The bridges' own addresses are addresses of the host, and services there none of this rule's business.
        if not judge_ports:
            judged.append(Line("-m addrtype --dst-type LOCAL -j RETURN"))
        if host.vrfs:
            # They show a packet twice: with their member's name, and with their own, when it has been through DNAT already.
            judged.append(Line("-m conntrack --ctstate DNAT -j RETURN"))
        path = ports.path + ".direct"
        judged.append(Line("-m set --match-set @%s dst -j DROP" % names.CONTAINER_NETWORKS, path=path))
    # Replies first: a look at a set costs more than at a flow's direction.
    first = [Line("-m conntrack --ctdir REPLY -j RETURN")]
    if not policy.external_interfaces:
        first.insert(0, Line("-i lo -j RETURN"))
    chains = judged_from_outside(policy, TABLE, CHAIN, first, judged)
    if judge_ports:
        chains += [Chain(TABLE, LOCAL, to_published_ports("-g " + PORTS)), Chain(TABLE, PORTS, _ports(ports, rules))]
    return chains


def to_published_ports(verdict: str) -> List[Line]:
    """The lines that tell a published port from every other port of the host."""
    lines = [
        Line("-p %s -m set --match-set @%s %s %s" % (protocol, name, "dst,dst" if protocol == SCTP else "dst", verdict))
        for protocol, name in names.PORTS.items()
    ]
    return lines + [Line("-m set --match-set @%s dst,dst %s" % (names.ADDRESS_PORTS, verdict))]


def _ports(ports: PublishedPorts, rules: Rules) -> List[Line]:
    lines = rules.permits(ports.allow, by_destination)
    if ports.denies:
        return lines + [Line("-j DROP", path=ports.path + ".default")]
    return lines + drops(ports.allow, by_destination)
