# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One thing that the kernel says of a packet, and a packet's way as it was seen: values."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional

from ..verdict.walk.path import EndPoint, Step
from .headers import Header

# How exactly a path is known: rule by rule, or chain by chain.
RULES, CHAINS = "rules", "chains"
ACCEPT, DROP, QUEUE, GOES_ON = "accept", "drop", "queue", ""


class Hit(NamedTuple):
    """identity: the packet's number at the kernel. family: the table's, as nft calls it. handle: of the rule, None for a chain's policy.
    header: where the kernel shows it. iif, oif: interfaces, empty where there is none."""

    identity: int
    family: str
    table: str
    chain: str
    handle: Optional[int]
    verdict: str
    header: Optional[Header]
    iif: str
    oif: str


class SeenPacket(NamedTuple):
    """A packet's way. first, last: its header where it came and where it was seen last. path: in the words of the verdict's.
    detail: RULES or CHAINS. chains: with CHAINS, the user-defined chains that it came to, each as variant, table and name."""

    first: Header
    last: Header
    iif: str
    verdict: str
    reason: str
    end: EndPoint
    path: List[Step]
    detail: str
    chains: List[List[str]]

    @property
    def shown(self) -> Dict[str, object]:
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "end_point": {"kind": self.end.kind, "text": self.end.words},
            "path": [step.shown for step in self.path],
            "detail": self.detail,
        }
