# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The guard: judges published ports by the host's port, before any DNAT, and containers' addresses. mangle PREROUTING, every packet.

Some addresses are the host's by a routing table of their own (a VRF's, or one that a routing rule names). PREROUTING does not find them, nor
does Docker's DNAT: docker-proxy serves them. Packets in mangle INPUT are for the host, whichever table says so.
"""

from __future__ import annotations

from typing import List

from ...address import BOTH, IPV4, IPV6
from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Chain, Hook, Line
from ..blocks.engine_sets import SCTP
from ..blocks.limits import LIMITS, Counted
from ..blocks.outside import bridges_pass, judged_by_interface, judged_from_outside
from ..blocks.port_rules import Match, Rules, at_own_address, by_destination, denials, verdict_of
from ..language.model import Policy, PublishedPorts
from ..values import reserved_names
from ..values.values import names_somebody

TABLE = "mangle"
CHAIN = "DB-GUARD"
LOCAL = "DB-GUARD-LOCAL"
PORTS = "DB-GUARD-PORTS"
RECEIVED = "DB-GUARD-INPUT"
ROUTED = "DB-GUARD-ROUTED"
DENIED = "DB-GUARD-DENIED"
LIMITED = CHAIN + LIMITS

HOOK = Hook(TABLE, "PREROUTING", CHAIN)
RECEIVED_HOOK = Hook(TABLE, "INPUT", RECEIVED)
# A router anywhere on the way may report a packet as too large.
ERRORS = Line("-m conntrack --ctstate RELATED -j RETURN")
# Without a VRF such addresses are rare: established packets then skip the chain.
_RARELY = "-m conntrack ! --ctstate ESTABLISHED"

# docker-proxy answers UDP sent to a broadcast or multicast address, so LOCAL alone is not enough. In IPv6 the match
# needs MULTICAST *and* another type at once, which no address has: hence two lines.
TO_THE_HOST = [
    Line("-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -g " + LOCAL, (IPV4,)),
    Line("-m addrtype --dst-type LOCAL,ANYCAST -g " + LOCAL, (IPV6,)),
    Line("-d ff00::/8 -g " + LOCAL, (IPV6,)),
]


def guard(policy: Policy, ports: PublishedPorts, host: HostFacts, rules: Rules) -> List[Chain]:
    """Return the guard's chains, or none if the policy limits nothing.

    Replies return. All other packets are judged, including untracked ones. Packets from Docker's bridges return right ahead of a DROP: to look
    up their bridge in a set costs more than most other lines, and each packet to a published port would pay.
    """
    judge_ports = ports.limits
    if not judge_ports and not ports.closes_direct:
        return []
    judged = list(TO_THE_HOST) if judge_ports else []
    if ports.closes_direct:
        # The bridges' own addresses are the host's. This rule is not about services there.
        if not judge_ports:
            judged.append(Line("-m addrtype --dst-type LOCAL -j RETURN"))
        if host.vrfs:
            # With a VRF a packet comes twice: by the member interface, then by the VRF's interface, already DNATed.
            judged.append(Line("-m conntrack --ctstate DNAT -j RETURN"))
        judged += bridges_pass(policy)
        if ports.routed:
            judged.append(Line("-m set --match-set @%s dst -g %s" % (reserved_names.ROUTED_NETWORKS, ROUTED), path=ports.path + ".routed"))
        judged.append(Line("-m set --match-set @%s dst -j %s" % (reserved_names.CONTAINER_NETWORKS, verdict_of(ports.mode)), path=ports.path + ".direct"))
    else:
        judged += _denied(ports, rules, Match(BOTH, "", "-m set --match-set @%s dst" % reserved_names.CONTAINER_NETWORKS))
    # Replies first: matching a set costs more than matching a flow's direction.
    first = [Line("-m conntrack --ctdir REPLY -j RETURN")]
    if not policy.external_interfaces:
        first.insert(0, Line("-i lo -j RETURN"))
    chains = judged_by_interface(policy, TABLE, CHAIN, first, judged)
    if judge_ports:
        local = [*to_published_ports("-g " + PORTS), *_at_open_ports(policy, ports, rules)]
        chains += [Chain(TABLE, LOCAL, local), Chain(TABLE, PORTS, _ports(ports, rules, bridges_pass(policy)))]
    if ports.closes_direct and ports.routed:
        chains.append(Chain(TABLE, ROUTED, _routed(ports, rules)))
    if names_somebody(ports.deny):
        chains.append(Chain(TABLE, DENIED, [*bridges_pass(policy), ERRORS, Line("-j " + verdict_of(ports.mode), path=ports.path + ".deny")]))
    return chains


def _denied(ports: PublishedPorts, rules: Rules, *among: Match) -> List[Line]:
    return rules.denied(ports.deny, ports.path + ".deny", DENIED, among)


def _at_open_ports(policy: Policy, ports: PublishedPorts, rules: Rules) -> List[Line]:
    """Judge the ports that the policy opens by itself: their own rules accept, ahead of those about what was DNATed."""
    opened = [(port.families, match) for port in policy.open_ports or () for match in by_destination(port.target)]
    return [line for families, match in opened for line in _denied(ports, rules, match._replace(families=families))]


def _routed(ports: PublishedPorts, rules: Rules) -> List[Line]:
    """Judge packets to routed networks."""
    lines = [ERRORS, *_denied(ports, rules), *rules.permits(ports.routed, at_own_address, Counted(TABLE, CHAIN, "routed", CHAIN, ports.mode))]
    return [*lines, Line("-j " + verdict_of(ports.mode), path=ports.path + ".routed")]


JUDGED_AT_FIRST = [
    Line("-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -j RETURN", (IPV4,)),
    Line("-m addrtype --dst-type LOCAL,ANYCAST -j RETURN", (IPV6,)),
    Line("-d ff00::/8 -j RETURN", (IPV6,)),
]


def guard_received(policy: Policy, ports: PublishedPorts) -> List[Chain]:
    """Return the chains behind INPUT, or none if the policy limits no port."""
    if not ports.limits:
        return []
    first = [] if policy.external_interfaces else [Line("-i lo -j RETURN")]
    first.append(Line("-m conntrack --ctdir REPLY -j RETURN"))
    return judged_from_outside(policy, TABLE, RECEIVED, first, [*JUDGED_AT_FIRST, Line("-g " + LOCAL)])


def received_hook(host: HostFacts) -> Hook:
    """Return the hook of these chains. With a VRF it is for every packet, like the guard's."""
    return RECEIVED_HOOK if host.vrfs else RECEIVED_HOOK._replace(match=_RARELY)


def to_published_ports(verdict: str) -> List[Line]:
    """Return the lines that match published ports, and no other port of the host."""
    lines = [
        Line("-p %s -m set --match-set @%s %s %s" % (protocol, name, "dst,dst" if protocol == SCTP else "dst", verdict))
        for protocol, name in reserved_names.PORTS.items()
    ]
    return lines + [Line("-m set --match-set @%s dst,dst %s" % (reserved_names.ADDRESS_PORTS, verdict))]


def _ports(ports: PublishedPorts, rules: Rules, inside: List[Line]) -> List[Line]:
    counted = Counted(TABLE, CHAIN, "published", CHAIN, ports.mode, inside)
    lines = [*_denied(ports, rules), *rules.permits(ports.allow, by_destination, counted), *inside, *denials(ports, by_destination)]
    # Tells a policy that denies only some sources from one that lost its last line.
    return lines if ports.denies or not names_somebody(ports.deny) else [*lines, Line("-j RETURN", path=ports.path + ".default")]
