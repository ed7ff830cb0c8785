# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host cut off but for SSH from a few addresses: three chains that know nothing of connections, engines and policies. Pure."""

from __future__ import annotations

from typing import Iterable, List

from ...address import IPV4, IPV6, Network
from ...netfilter.rules.desired import Chain, DesiredState, Hook, Line
from .host_input import ESSENTIAL_ICMP, ESSENTIAL_ICMPV6

TABLE = "mangle"
# Whatever comes in; whatever the host itself sends; and what would pass through, for which a host needs nothing: a container can write
# any sender into its packets, and anything into an ICMP error.
INBOUND = "DB-LOCK"
OUTBOUND = "DB-LOCK-OUT"
THROUGH = "DB-LOCK-FWD"
_OWNED = [(TABLE, INBOUND), (TABLE, OUTBOUND), (TABLE, THROUGH)]
_PRIORITY = 10
_DHCP = [("67", "68", IPV4), ("547", "546", IPV6)]


def cut_off(ssh_from: Iterable[Network], port: int) -> DesiredState:
    """Nothing but SSH to this port of the host from these networks, and what a host needs to have neighbours and an address."""
    inbound = [Line("-i lo -j RETURN")]
    outbound = [Line("-o lo -j RETURN")]
    for network in ssh_from:
        inbound.append(Line("-s %s -p tcp -m tcp --dport %d -j RETURN" % (network, port), (network.family,)))
        outbound.append(Line("-d %s -p tcp -m tcp --sport %d -j RETURN" % (network, port), (network.family,)))
    for server, client, family in _DHCP:
        inbound.append(Line("-p udp -m udp --sport %s --dport %s -j RETURN" % (server, client), (family,)))
        outbound.append(Line("-p udp -m udp --sport %s --dport %s -j RETURN" % (client, server), (family,)))
    essential: List[Line] = ESSENTIAL_ICMP + ESSENTIAL_ICMPV6
    drop = [Line("-j DROP")]
    return DesiredState(
        [
            Chain(TABLE, INBOUND, inbound + essential + drop),
            Chain(TABLE, OUTBOUND, outbound + essential + drop),
            Chain(TABLE, THROUGH, drop),
        ],
        [
            Hook(TABLE, "PREROUTING", INBOUND, _PRIORITY),
            Hook(TABLE, "OUTPUT", OUTBOUND, _PRIORITY),
            Hook(TABLE, "FORWARD", THROUGH, _PRIORITY),
        ],
        _OWNED,
    )


def not_cut_off() -> DesiredState:
    """As it was before."""
    return DesiredState([], [], _OWNED)
