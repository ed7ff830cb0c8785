# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet on its way, and what connection tracking knows of its flow. Both change on the way."""

from __future__ import annotations

import socket
from typing import Dict, FrozenSet, NamedTuple, Optional, Set, Tuple

from ....address import IPV4

NEW, ESTABLISHED = "NEW", "ESTABLISHED"
ORIGINAL, REPLY = "ORIGINAL", "REPLY"
# The types of ICMP that begin a flow; those of ICMPv6 that the kernel never tracks: neighbours, routers, members of groups.
_OPENING = {4: (8, 13, 15, 17), 6: (128, 139)}
_NEVER_TRACKED = (130, 131, 132, 133, 134, 135, 136, 143)
WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
_AF = {4: (socket.AF_INET, 4), 6: (socket.AF_INET6, 16)}


def spelt(family: int, value: int) -> str:
    """Return an address as text."""
    kind, size = _AF[family]
    return socket.inet_ntop(kind, value.to_bytes(size, "big"))


class Ends(NamedTuple):
    """Both ends of a flow, in one direction. Addresses are numbers. A port is None if it is unknown, or the protocol has none."""

    source: int
    destination: int
    sport: Optional[int] = None
    dport: Optional[int] = None

    @property
    def back(self) -> Ends:
        return Ends(self.destination, self.source, self.dport, self.sport)


class Connection:
    """A tracked flow.

    origin: the first packet's ends. destination, source: where DNAT leads it, and what SNAT makes of its source; None without. mark: None if
    unknown. chosen: the kinds of translation that are decided: the table nat is asked once for each.
    """

    def __init__(self, origin: Ends) -> None:
        self.origin = origin
        self.destination: Optional[Tuple[int, Optional[int]]] = None
        self.source: Optional[Tuple[int, Optional[int]]] = None
        self.state = NEW
        self.direction = ORIGINAL
        self.mark: Optional[int] = 0
        self.labels: Set[str] = set()
        self.chosen: Set[str] = set()
        self.is_confirmed = False

    @property
    def reply(self) -> Ends:
        """The ends of the replies, before any of them is translated back."""
        place, port = self.destination or (self.origin.destination, self.origin.dport)
        source, sport = self.source or (self.origin.source, self.origin.sport)
        return Ends(place, source, port, sport)

    def goes_on(self, direction: str) -> None:
        """Later packets of the flow."""
        self.state, self.direction, self.is_confirmed = ESTABLISHED, direction, True


class Packet:
    """iif, oif: interfaces, empty where there is none. ports_in, ports_out: the bridge ports that it may come and leave by, none if iptables sees no
    frame of a bridge. icmp: type and code. flags: of TCP. is_local: whether the host itself sends it. hook: where it is. set_changes: by set of
    nftables, the elements that its own rules have put in (True) or out (False)."""

    # A packet has many parts.
    def __init__(self, family: int, protocol: str, ends: Ends, iif: str = "", mark: Optional[int] = 0) -> None:
        self.family = family
        self.bits = 32 if family == IPV4 else 128
        self.protocol = protocol
        self.source, self.destination, self.sport, self.dport = ends
        self.iif = iif
        self.oif = ""
        self.mark = mark
        self.icmp: Optional[Tuple[int, int]] = None
        self.flags: FrozenSet[str] = frozenset()
        self.ports_in: Tuple[str, ...] = ()
        self.ports_out: Tuple[str, ...] = ()
        self.connection: Optional[Connection] = None
        self.is_untracked = False
        self.is_local = False
        self.hook = ""
        self.set_changes: Dict[str, Dict[object, bool]] = {}

    @property
    def ends(self) -> Ends:
        return Ends(self.source, self.destination, self.sport, self.dport)

    @ends.setter
    def ends(self, ends: Ends) -> None:
        self.source, self.destination, self.sport, self.dport = ends

    @property
    def has_ports(self) -> bool:
        return self.protocol in WITH_PORTS

    @property
    def opens_flow(self) -> bool:
        """Whether tracking takes the packet for the first of a flow, where it knows none: errors and answers are not."""
        return self.icmp is None or self.icmp[0] in _OPENING[self.family]

    @property
    def is_never_tracked(self) -> bool:
        return self.family != IPV4 and self.icmp is not None and self.icmp[0] in _NEVER_TRACKED

    def end(self, address: int, port: Optional[int]) -> str:
        """Return an end of the packet as text: ``192.0.2.7:80``."""
        place = spelt(self.family, address)
        if port is None:
            return place
        return "%s:%d" % (place if self.family == IPV4 else "[%s]" % place, port)

    def __str__(self) -> str:
        kind = " type %d/%d" % self.icmp if self.icmp is not None else ""
        return "%s from %s to %s%s" % (self.protocol, self.end(self.source, self.sport), self.end(self.destination, self.dport), kind)
