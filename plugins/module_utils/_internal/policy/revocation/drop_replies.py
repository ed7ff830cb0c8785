# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Drop a server's UDP packets to a client that lost its permission. Such a server may go on sending without hearing from the client.
Its packets are replies, which no policy rule judges. So nftables tables of our own drop them, flow by flow. The tables exist only after
flows were cut. A client whose packets pass again gets its answers again. A silent flow is forgotten."""

from __future__ import annotations

from typing import Dict, List, Optional

from ...address import FAMILIES, IPV4, IPV6
from ...errors import DrawbridgeError
from ...host.network.conntrack import Flow
from ...host.system.system import System
from ...netfilter.kernel.nft_table import CUT_TABLE, Nft, TableChange, table_text, transaction

_WORD = {IPV4: "ip", IPV6: "ip6"}
_TYPE = {IPV4: "ipv4_addr", IPV6: "ipv6_addr"}
_MOST = 100000


def cut_answers(system: System, flows: List[Flow]) -> Optional[str]:
    """Drop the answers of these UDP flows, and of no other flow. Returns why that failed; None on success."""
    nft = Nft(system)
    if not nft.is_installed:
        return "nft is not installed (package nftables)" if flows else None
    by_family: Dict[int, List[Flow]] = {}
    for flow in flows[:_MOST]:
        by_family.setdefault(flow.family, []).append(flow)
    tables = {(family, CUT_TABLE): by_family.get(family) for family in FAMILIES}
    texts = {key: None if cut is None else table_text(key, _body(key[0], cut)) for key, cut in tables.items()}
    try:
        if not flows and not any(nft.read(tables).values()):
            return None
        nft.load(transaction(TableChange(key, None, text) for key, text in texts.items()))
    except DrawbridgeError as error:
        return error.message
    return None


def _body(family: int, flows: List[Flow]) -> List[str]:
    header = "{0} saddr . udp sport . {0} daddr . udp dport".format(_WORD[family])
    answer = "ct reply {0} saddr . ct reply proto-src . ct original {0} saddr . ct original proto-src".format(_WORD[family])
    elements = ("%s . %d . %s . %d" % (flow.answers_from, flow.answers_from_port, flow.source, flow.source_port) for flow in flows)
    return [
        "set answers {",
        "type {0} . inet_service . {0} . inet_service".format(_TYPE[family]),
        "size 262144",
        "flags dynamic,timeout",
        # Longer than connection tracking remembers a UDP flow.
        "timeout 10m",
        "elements = { %s }" % ", ".join(dict.fromkeys(elements)),
        "}",
        # After the guard in mangle: a client's packet that passed it lets the answers pass again.
        "chain heard {",
        "type filter hook prerouting priority -149; policy accept;",
        "meta l4proto udp ct direction original delete @answers { %s }" % answer,
        "}",
        # Here the packet still has the server's own address.
        "chain cut {",
        "type filter hook postrouting priority -151; policy accept;",
        "meta l4proto udp %s @answers update @answers { %s } drop" % (header, header),
        "}",
    ]
