# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Cut a host off except for SSH from a few addresses. The three chains do not depend on connections, engines or policies. Pure functions."""

from __future__ import annotations

from typing import Iterable, List

from ...address import IPV4, IPV6, Network
from ...netfilter.rules.desired import Chain, DesiredState, Hook, Line
from .host_input import ESSENTIAL_ICMP, ESSENTIAL_ICMPV6

TABLE = "mangle"
# Incoming packets, the host's own packets, and forwarded packets. Nothing is forwarded, not even ICMP: a container can forge
# the sender of its packets and the content of an ICMP error.
INBOUND = "DB-LOCK"
OUTBOUND = "DB-LOCK-OUT"
THROUGH = "DB-LOCK-FWD"
_OWNED = [(TABLE, INBOUND), (TABLE, OUTBOUND), (TABLE, THROUGH)]
_PRIORITY = 10
_DHCP = [("67", "68", IPV4), ("547", "546", IPV6)]


def cut_off(ssh_from: Iterable[Network], port: int) -> DesiredState:
    """Allow only SSH to this port of the host from these networks, and the ICMP and DHCP that a host needs for neighbours and an address."""
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
    """Remove the three chains."""
    return DesiredState([], [], _OWNED)
