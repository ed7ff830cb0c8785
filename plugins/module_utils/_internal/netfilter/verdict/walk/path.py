# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet's path, and how it ends: values."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional

from ..matching.packet import Packet

ACCEPTED, DROPPED, REJECTED, UNKNOWN = "accepted", "dropped", "rejected", "unknown"


class Step(NamedTuple):
    """A rule that matched, or another place of the way.

    table, chain: empty for what is no table's. rule: its number, None for a chain's policy and for other places. text: the rule, the route, or
    words. change: what became of the packet. variant: nft or legacy where both have rules.
    """

    table: str
    chain: str
    rule: Optional[int]
    text: str
    change: str = ""
    variant: str = ""

    @property
    def place(self) -> str:
        """The step's place in words."""
        if not self.table:
            return self.text
        what = "the policy" if self.rule is None else "rule %d" % self.rule
        return "%s of chain %s in table %s%s" % (what, self.chain, self.table, " of iptables-%s" % self.variant if self.variant else "")

    @property
    def shown(self) -> Dict[str, object]:
        return {"table": self.table or None, "chain": self.chain or None, "rule": self.rule, "text": self.text, "change": self.change or None,
                "variant": self.variant or None}  # fmt: skip


class EndPoint(NamedTuple):
    """kind: listener, nobody, host, interface, bridge or none. words: a text about it."""

    kind: str
    words: str


NOWHERE = EndPoint("none", "")


class Ended(Exception):
    """The packet's way is over. reason: in words."""

    def __init__(self, verdict: str, reason: str, end: EndPoint = NOWHERE) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.reason = reason
        self.end = end


class Outcome(NamedTuple):
    """One run: how it ended, its path, and the packet at its end."""

    verdict: str
    reason: str
    end: EndPoint
    path: List[Step]
    packet: Packet
