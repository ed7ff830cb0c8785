# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Addresses of the host in a VRF: mangle INPUT, every packet.

They are in the VRF's own routing table, so that neither the guard nor Docker's DNAT finds them among the host's. docker-proxy serves them
where net.ipv4.tcp_l3mdev_accept or udp_l3mdev_accept is 1.
"""

from __future__ import annotations

from typing import List

from ..netfilter.model import IPV4, IPV6, Chain, Line
from .guard import LOCAL, TABLE, VRF
from .model import Policy, PublishedPorts
from .outside import judged_from_outside

JUDGED_BY_THE_GUARD = [
    Line("-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -j RETURN", (IPV4,)),
    Line("-m addrtype --dst-type LOCAL,ANYCAST -j RETURN", (IPV6,)),
    Line("-d ff00::/8 -j RETURN", (IPV6,)),
]


def guard_vrfs(policy: Policy, ports: PublishedPorts) -> List[Chain]:
    """The chains behind INPUT; none where the policy limits no port."""
    if not ports.denies and not ports.allow:
        return []
    first = [] if policy.external_interfaces else [Line("-i lo -j RETURN")]
    first.append(Line("-m conntrack --ctdir REPLY -j RETURN"))
    return judged_from_outside(policy, TABLE, VRF, first, [*JUDGED_BY_THE_GUARD, Line("-g " + LOCAL)])
