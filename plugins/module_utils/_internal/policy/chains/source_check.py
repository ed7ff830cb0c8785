# -*- coding: utf-8 -*-
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets whose source cannot be where they come from: mangle PREROUTING, ahead of every line that lets replies pass.

Replies are let through everywhere, and who replies is told by connection tracking: the other end of whoever sent a flow's first packet.
A forged first packet, from the host's own address to the attacker's, would make the attacker's next packet a reply. So packets that would
make a flow are judged by their source; those of flows that are known are not looked at.
"""

from __future__ import annotations

from ...address import IPV4, IPV6
from ...netfilter.rules.desired import Chain, Hook, Line
from ..blocks.outside import FROM_BRIDGES
from ..language import reserved_names

TABLE = "mangle"
CHAIN = "DB-SOURCE"
# What nobody tracks is judged each time.
_IS_FIRST = "-m conntrack ! --ctstate RELATED,ESTABLISHED"
# Source and interface, as a Docker network has them.
_IN_ITS_NETWORK = "-m set --match-set @%s src,src" % reserved_names.SAME_NETWORK
# A network that was made after the last run is in no set yet.
_FROM_LATER_BRIDGES = "-i br-+ -m set ! --match-set @%s src,src" % reserved_names.FOREIGN_BRIDGES
# The host would not answer this source by the interface that the packet came in by.
ELSEWHERE = "-m rpfilter --invert"
# What the host sends to a multicast or broadcast address comes back to it by the interface that it went out by, from the host's own
# address: its flow is in the table by then. 0.0.0.0 asks for an address by DHCP, and counts as a broadcast address; :: asks neighbours.
IMPOSSIBLE = [
    Line("-i lo -j RETURN"),
    Line("-m conntrack --ctstatus CONFIRMED -j RETURN"),
    Line("-s ::/128 ! -d ff02::/16 -j DROP", (IPV6,)),
    Line("! -s 0.0.0.0/32 -m addrtype --src-type LOCAL,BROADCAST,ANYCAST,MULTICAST -j DROP", (IPV4,)),
    Line("-m addrtype --src-type LOCAL,ANYCAST -j DROP", (IPV6,)),
]
# They never leave their link.
LINK_LOCAL = [Line("-s fe80::/10 -j RETURN", (IPV6,))]
# With --loose only a source that the host has itself, or does not answer at all, in whichever table, is matched.
OTHER_TABLES = Line("-m rpfilter --loose --invert -j DROP")


def source_check(chain: str, other_tables: bool) -> Chain:
    """The chain, of this name. other_tables: whether addresses of the host may be in other routing tables than its own.

    A container has an address of its bridge's network, or one that the host routes through it (a VPN gateway in a container).
    """
    lines = [
        *IMPOSSIBLE,
        Line(_IN_ITS_NETWORK + " -j RETURN"),
        Line("-m set --match-set @%s src -j DROP" % reserved_names.CONTAINER_NETWORKS),
        Line("-m set --match-set @%s src %s -j DROP" % (reserved_names.BEHIND_CONTAINERS, ELSEWHERE)),
        *LINK_LOCAL,
        Line("%s %s -j DROP" % (FROM_BRIDGES, ELSEWHERE)),
        Line("%s %s -j DROP" % (_FROM_LATER_BRIDGES, ELSEWHERE)),
    ]
    return Chain(TABLE, chain, [*lines, OTHER_TABLES] if other_tables else lines)


def source_hook(chain: str) -> Hook:
    """Where such a chain is entered from."""
    return Hook(TABLE, "PREROUTING", chain, match=_IS_FIRST)
