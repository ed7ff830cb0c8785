# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the host itself may reach: filter OUTPUT.

Packets are judged by where they really go: OUTPUT comes behind DNAT. Only packets that are to be dropped are asked whether they are spared.
"""

from __future__ import annotations

from typing import List

from ...address import IPV4, IPV6
from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Chain, Hook, Line
from ..blocks import owners
from ..blocks.port_rules import Rules, verdict_of
from ..language.egress import HostEgress
from ..values import reserved_names
from ..values.entries import Entry
from ..values.values import DENY, EVERYBODY
from .egress import FIRST, dns_lines
from .host_input import ESSENTIAL_ICMP, ESSENTIAL_ICMPV6, MULTICAST_LISTENERS
from .swarm_ports import TRAFFIC, nodes

TABLE = owners.FILTER
HOOK = Hook(TABLE, "OUTPUT", owners.OUTPUT)
_TO_DENIED = "-j " + owners.OUTPUT_DENIED

# To containers: by Docker's bridges, and by those of networks that are made later.
_TO_CONTAINERS = [
    Line("-m set --match-set @%s dst,dst -j RETURN" % reserved_names.BRIDGES),
    Line("-o br-+ -m set ! --match-set @%s dst,dst -j RETURN" % reserved_names.FOREIGN_BRIDGES),
]
# The host would lose its addresses without its DHCP client.
_DHCP = [
    Line("-p udp -m udp --sport 68 --dport 67 -j RETURN", (IPV4,)),
    Line("-p udp -m udp --sport 546 --dport 547 -j RETURN", (IPV6,)),
]
_SPARED = [*_TO_CONTAINERS, *ESSENTIAL_ICMP, MULTICAST_LISTENERS, *ESSENTIAL_ICMPV6, *_DHCP]


def outbound(egress: HostEgress, host: HostFacts, rules: Rules) -> List[Chain]:
    """Return the chains behind OUTPUT, or none if the host is not limited."""
    block = egress.block
    judged = rules.toward(block.deny, owners.OUTPUT_DENIED)
    if block.default == DENY:
        # Without names neither the host nor its engine gets far.
        judged += rules.toward(block.allow, "RETURN") + dns_lines(EVERYBODY if block.dns is None else block.dns, block.path + ".dns", rules)
        if host.swarm:
            judged += rules.toward([Entry(target, nodes(block.path), block.path) for target in TRAFFIC], "RETURN")
        judged.append(Line(_TO_DENIED, path=block.path + ".default"))
    if not judged:
        return []
    return [
        Chain(TABLE, owners.OUTPUT, [Line("-o lo -j RETURN"), *FIRST, *judged]),
        Chain(TABLE, owners.OUTPUT_DENIED, [*_SPARED, Line("-j " + verdict_of(egress.mode), path=block.path)]),
    ]


def as_judged(chain: Chain) -> Chain:
    """Return the first chain with drops in place of what leads to the second one. So it is said who is denied."""
    return chain._replace(lines=[line._replace(text=drops(line.text)) for line in chain.lines])


def drops(rule: str) -> str:
    """Return a rule that drops in place of one that leads to the second chain; any other rule as it is."""
    return rule[: -len(_TO_DENIED)] + "-j DROP" if rule.endswith(_TO_DENIED) else rule
