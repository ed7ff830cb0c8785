# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The words of a seen packet's path: rules as iptables-save prints them, translations, where it ended. Pure."""

from __future__ import annotations

from typing import List, Mapping, Tuple

from ...address import IPV4
from ..kernel.iptables import NFT
from ..rules.saved_ruleset import Ruleset, target_of
from ..verdict.matching.packet import Ends, spelt
from ..verdict.walk.path import EndPoint, Step
from .headers import Header
from .nft_probes import NftRule, Rules

_TRANSLATING = ("DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP")
_FAMILY = {4: "ip", 6: "ip6"}


class Texts:
    """One family's rules. saved: by variant. rules: those of nftables with their handles."""

    def __init__(self, family: int, saved: Mapping[str, Ruleset], rules: Rules) -> None:
        self.family = family
        self.saved = saved
        self._rules = rules

    def named(self, variant: str) -> str:
        """Return the variant's name as steps have it: only where both have rules."""
        return variant if len(self.saved) > 1 else ""

    def is_iptables(self, family: str, table: str, chain: str) -> bool:
        """Tell whether a chain of nftables is one of iptables."""
        ruleset = self.saved.get(NFT)
        return family == _FAMILY[self.family] and ruleset is not None and ruleset.chain(table, chain) is not None

    def rule(self, family: str, table: str, chain: str, handle: int) -> Step:
        """Return the step of a rule of nftables."""
        known = self._rules.get((family, table, chain), {})
        found = known.get(handle, NftRule(0, "a rule that was not there when the trace began"))
        if not self.is_iptables(family, table, chain):
            return Step("%s %s" % (family, table), chain, found.number or None, found.text)
        lines = self.saved[NFT].rules(table, chain)
        text = lines[found.number - 1] if found.number and len(lines) == len(known) else found.text
        return Step(table, chain, found.number or None, text, variant=self.named(NFT))

    def policy(self, family: str, table: str, chain: str) -> Step:
        """Return the step of a policy that drops."""
        ours = self.is_iptables(family, table, chain)
        return Step(table if ours else "%s %s" % (family, table), chain, None, "policy DROP", variant=self.named(NFT) if ours else "")


def rejects(step: Step) -> bool:
    """Tell whether a rule that stops a packet answers its sender."""
    return target_of(step.text) == "REJECT" or step.text.split(" comment ")[0].rstrip().endswith("reject") or " reject with " in step.text


def translated(path: List[Step], before: Header, after: Header) -> None:
    """Note at the last rule of the table nat what became of the packet's ends."""
    changes = [
        "%s is %s" % (kind, spelt_end(after.family, *new))
        for kind, old, new in (("destination", _to(before.ends), _to(after.ends)), ("source", _from(before.ends), _from(after.ends)))
        if old != new
    ]
    if not changes:
        return
    place = next((number for number in range(len(path) - 1, -1, -1) if path[number].table == "nat"), None)
    words = ", ".join(changes)
    if place is None or path[place].change or path[place].rule is not None and target_of(path[place].text) not in _TRANSLATING:
        path.append(Step("", "", None, "connection tracking or another table translates it", words))
    else:
        path[place] = path[place]._replace(change=words)


def spelt_end(family: int, address: int, port: object) -> str:
    place = spelt(family, address)
    return place if port is None else "%s:%s" % (place if family == IPV4 else "[%s]" % place, port)


def _to(ends: Ends) -> Tuple[int, object]:
    return ends.destination, ends.dport


def _from(ends: Ends) -> Tuple[int, object]:
    return ends.source, ends.sport


def leaves(header: Header, device: str) -> EndPoint:
    """Return the end point of a packet that leaves by an interface."""
    return EndPoint("interface", "%s, by %s" % (spelt_end(header.family, header.ends.destination, header.ends.dport), device))


def arrives(header: Header, protocol: str) -> EndPoint:
    """Return the end point of a packet that comes to the host."""
    return EndPoint("host", "the host, %s/%s" % (spelt_end(header.family, header.ends.destination, header.ends.dport), protocol))
