# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A flow in the words of nft and of iptables. Pure."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Tuple

from ...address import IPV4
from ...errors import DrawbridgeError
from ..verdict.matching.packet import spelt
from ..verdict.walk.asked import Asked

# Other names would need quotes, which nft and iptables do not share.
_NAME = re.compile(r"[A-Za-z0-9_.@:-]{1,15}")
_ICMP = {"icmp": ("icmp", "icmp-type"), "ipv6-icmp": ("icmpv6", "icmpv6-type")}


class Flow(NamedTuple):
    """Packets of one direction. source: None for whatever the host chooses. interface: empty for any."""

    family: int
    protocol: str
    source: Optional[int]
    destination: int
    sport: Optional[int]
    dport: Optional[int]
    icmp: Optional[Tuple[int, int]]
    interface: str
    state: str
    is_local: bool

    @property
    def is_icmp(self) -> bool:
        return self.protocol in _ICMP

    def nft(self) -> str:
        """Return the conditions of a rule of nftables."""
        ip = "ip" if self.family == IPV4 else "ip6"
        words = ['iifname "%s"' % self.interface] if self.interface else []
        if self.source is not None:
            words.append("%s saddr %s" % (ip, spelt(self.family, self.source)))
        words.append("%s daddr %s" % (ip, spelt(self.family, self.destination)))
        words.append("meta l4proto %s" % self.protocol)
        words += ["%s %s %d" % (self.protocol, side, port) for side, port in (("sport", self.sport), ("dport", self.dport)) if port is not None]
        if self.icmp is not None:
            kind = _ICMP[self.protocol][0]
            words.append("%s type %d %s code %d" % (kind, self.icmp[0], kind, self.icmp[1]))
        return " ".join(words)

    def plain(self) -> List[str]:
        """Return the conditions of a rule of iptables about the packet's own header, as it came."""
        words = ["-i", self.interface] if self.interface else []
        if self.source is not None:
            words += ["-s", spelt(self.family, self.source)]
        words += ["-d", spelt(self.family, self.destination), "-p", self.protocol]
        for side, port in (("--sport", self.sport), ("--dport", self.dport)):
            words += ["-m", self.protocol, side, str(port)] if port is not None else []
        if self.icmp is not None:
            match = "icmp" if self.family == IPV4 else "icmp6"
            words += ["-m", match, "--%s" % _ICMP[self.protocol][1], "%d/%d" % self.icmp]
        return words

    def tracked(self) -> List[str]:
        """Return the conditions of a rule of iptables about the flow's first packet as it came, whatever translated it since."""
        words = ["-m", "conntrack", "--ctdir", "ORIGINAL", "--ctproto", self.protocol, "--ctorigdst", spelt(self.family, self.destination)]
        words += ["--ctorigsrc", spelt(self.family, self.source)] if self.source is not None else []
        words += ["--ctorigsrcport", str(self.sport)] if self.sport is not None else []
        return words + (["--ctorigdstport", str(self.dport)] if self.dport is not None else [])


def flow_of(asked: Asked, master: str) -> Flow:
    """Return the flow of a packet that a user asks about. master: the bridge or bond of its interface, else empty. Raises DrawbridgeError."""
    if asked.state not in ("new", "established"):
        hint = "trace the flow's own packets (new or established), or name the answer as a packet of its own"
        raise DrawbridgeError("packets of the state %s cannot be told from others while they are on their way" % asked.state, "packet.state", hint)
    interface = master or asked.interface
    if interface and not _NAME.fullmatch(interface):
        raise DrawbridgeError("%s is no name that rules can have" % ascii(interface), "packet.interface", "leave it out")
    return Flow(asked.family, asked.protocol, asked.source, asked.destination, asked.sport, asked.dport, asked.icmp, interface, asked.state, asked.is_local)
