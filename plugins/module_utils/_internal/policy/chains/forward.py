# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Forwarded traffic from outside: to DNATed ports, known to the guard or not, and to containers' addresses.

The guard cannot tell a port that was published after the play ran from a host service. These chains can: its packets
were DNATed.
"""

from __future__ import annotations

from typing import List

from ...netfilter.rules.desired import Chain, Hook, Line
from ..blocks.limits import LIMITS, Counted
from ..blocks.outside import FROM_BRIDGES, bridges_pass, judged_from_outside
from ..blocks.port_rules import OBSERVED, Rules, by_dialled_port, came_in_by, denials, enforces, verdict_of
from ..language.model import Policy, PublishedPorts
from ..values import reserved_names

TABLE = "filter"
PARENT = "DOCKER-USER"
CHAIN = "DB-USER-policy"
DIALLED = "DB-USER-policy-DNAT"
DENIED = "DB-USER-policy-DENIED"
# Short: an apply writes a chain anew by a longer name.
_LATE = "DB-DIALLED"
LIMITED = _LATE + LIMITS

HOOK = Hook(TABLE, PARENT, CHAIN, priority=100)

_FIRST = [
    Line("-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"),
    # Without this line, a container's next packet would re-create a flow whose conntrack entry is gone, in reverse
    # direction: the denied client's packets would then be replies.
    Line(
        "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW %s"
        " -m set ! --match-set @%s dst,dst -j DROP" % (FROM_BRIDGES, reserved_names.BRIDGES)
    ),
]

# Networks that are created later, matched by Docker's interface names. The sets hold the known interfaces.
_TO_COME = [
    "-o %s -m set ! --match-set @%s dst,dst -m set ! --match-set @%s dst,dst -j %%s" % (interface, reserved_names.BRIDGES, reserved_names.FOREIGN_BRIDGES)
    for interface in ("br-+", "docker_gwbridge")
]


def forward(policy: Policy, ports: PublishedPorts, rules: Rules) -> List[Chain]:
    """Return the chains behind DOCKER-USER, or none if the policy limits nothing."""
    judge_ports = ports.limits
    if not judge_ports and not ports.closes_direct:
        return []
    judged = [Line("-o %s -j RETURN" % interface) for interface in policy.unmanaged_interfaces]
    # Behind this line nothing was DNATed.
    judged.append(Line("-m conntrack --ctstate DNAT %s" % ("-g " + DIALLED if judge_ports else "-j RETURN")))
    if ports.closes_direct:
        # The guard has judged packets to the other bridges.
        closed = reserved_names.CLOSED_BRIDGES if ports.routed else reserved_names.BRIDGES
        judged.append(Line("-m set --match-set @%s dst,dst -j %s" % (closed, verdict_of(ports.mode)), path=ports.path + ".direct"))
        judged += [Line(to_come % verdict_of(ports.mode), path=ports.path + ".direct") for to_come in _TO_COME]
    # Ahead of the line that lets open connections pass: those of denied sources end.
    denied = rules.denied(ports.deny, ports.path + ".deny", DENIED, came_in_by(policy.external_interfaces))
    first = [*denied, *(_FIRST if enforces(ports) else _observed(_FIRST))]
    chains = judged_from_outside(policy, TABLE, CHAIN, first, judged)
    if denied:
        chains.append(Chain(TABLE, DENIED, _denied(policy, ports)))
    if judge_ports:
        chains.append(Chain(TABLE, DIALLED, _dialled(ports, rules)))
    return chains


def _denied(policy: Policy, ports: PublishedPorts) -> List[Line]:
    """Return the lines about packets of denied sources: to ports, and to networks that the guard does not know yet."""
    matches = ["-m conntrack --ctstate DNAT -j %s"]
    if not ports.closes_direct:
        matches += ["-m set --match-set @%s dst,dst -j %%s" % reserved_names.BRIDGES, *_TO_COME]
    passing = ["-m conntrack --ctdir REPLY", "-m conntrack --ctstate RELATED", *("-o " + interface for interface in policy.unmanaged_interfaces)]
    lines = [*bridges_pass(policy), *(Line(match + " -j RETURN") for match in passing)]
    return lines + [Line(match % verdict_of(ports.mode), path=ports.path + ".deny") for match in matches]


def _observed(lines: List[Line]) -> List[Line]:
    return [line._replace(text=line.text.replace("-j DROP", "-j " + OBSERVED)) for line in lines]


def _dialled(ports: PublishedPorts, rules: Rules) -> List[Line]:
    return rules.permits(ports.allow, by_dialled_port, counted(ports)) + denials(ports, by_dialled_port)


def counted(ports: PublishedPorts) -> Counted:
    """Return where connections to ports are counted that the guard does not know. What it knows is counted here again, and never reaches the limit:
    the guard let it in by the same limit."""
    return Counted(TABLE, _LATE, "published", CHAIN, ports.mode)
