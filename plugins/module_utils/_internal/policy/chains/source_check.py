# -*- coding: utf-8 -*-
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop packets whose source cannot be where they come from: mangle PREROUTING, ahead of every line that lets replies pass.

Replies pass everywhere. For connection tracking, a reply comes from the receiver of a flow's first packet. A forged first packet, from
the host's own address to the attacker's, would make the attacker's next packet a reply. So packets that would start a flow are checked
by their source. Packets of known flows are not checked.
"""

from __future__ import annotations

from ...address import IPV4, IPV6
from ...netfilter.rules.desired import Chain, Hook, Line
from ..blocks.outside import FROM_BRIDGES
from ..values import reserved_names

TABLE = "mangle"
CHAIN = "DB-SOURCE"
# A packet that may start a flow. Untracked packets are checked each time. The host's own multicast and broadcast packets come back to it by
# the interface that they went out by, with the host's own address as source. Their flow is confirmed by then.
_IS_FIRST = "-m conntrack ! --ctstate RELATED,ESTABLISHED ! --ctstatus CONFIRMED"
# Source and interface belong to the same Docker network.
_IN_ITS_NETWORK = "-m set --match-set @%s src,src" % reserved_names.SAME_NETWORK
# A network that was created after the last run is in no set yet.
_FROM_LATER_BRIDGES = "-i br-+ -m set ! --match-set @%s src,src" % reserved_names.FOREIGN_BRIDGES
# The host would answer this source by another interface than the one that the packet came in by.
ELSEWHERE = "-m rpfilter --invert"
# 0.0.0.0 is the source of DHCP requests, and counts as a broadcast address. :: asks neighbours. On the loopback, only untracked packets come here.
IMPOSSIBLE = [
    Line("-i lo -j RETURN"),
    Line("-s ::/128 ! -d ff02::/16 -j DROP", (IPV6,)),
    Line("! -s 0.0.0.0/32 -m addrtype --src-type LOCAL,BROADCAST,ANYCAST,MULTICAST -j DROP", (IPV4,)),
    Line("-m addrtype --src-type LOCAL,ANYCAST -j DROP", (IPV6,)),
]
# These addresses never leave their link.
LINK_LOCAL = [Line("-s fe80::/10 -j RETURN", (IPV6,))]
# With --loose this matches only a source that is the host's own, or that the host has no route to, in any routing table.
OTHER_TABLES = Line("-m rpfilter --loose --invert -j DROP")


def source_check(chain: str, other_tables: bool) -> Chain:
    """Return the chain, under this name. other_tables: whether addresses of the host may be in other routing tables than the usual one.

    A container's source is in its bridge's network, or in a network that the host routes through it (a VPN gateway in a container).
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
    """Return the hook of such a chain."""
    return Hook(TABLE, "PREROUTING", chain, match=_IS_FIRST)
