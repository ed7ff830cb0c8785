# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Base chains of nftables that judge frames, below IP: those of bridges and of devices. Pure.

Their rules are not walked. What they may do to a packet is told, so that a verdict is open where one of them may decide.
"""

from __future__ import annotations

from typing import FrozenSet, Iterable, Iterator, List, NamedTuple, Tuple

from ....host.system.json_values import mapping
from .nft_tables import NftBase, NftTable, pairs, reachable

STOPS, REJECTS, TRANSLATES, MARKS, CHANGES = "drop", "reject", "translate", "mark", "change"
_DOES = {
    "drop": STOPS, "reject": REJECTS, "queue": STOPS, "synproxy": STOPS, "tproxy": CHANGES, "dnat": TRANSLATES, "redirect": TRANSLATES, "snat": TRANSLATES,
    "masquerade": TRANSLATES, "notrack": CHANGES, "fwd": CHANGES, "mangle": CHANGES,
}  # fmt: skip
_BELOW_IP = ("INGRESS", "EGRESS")


class ForeignChain(NamedTuple):
    """A base chain. does: what its rules, or those that they jump to, may do. is_bridge: whether it judges the frames of bridges alone."""

    words: str
    device: str
    is_bridge: bool
    does: FrozenSet[str]

    def __str__(self) -> str:
        return self.words


def foreign_chains(tables: Iterable[NftTable]) -> List[ForeignChain]:
    """Return the base chains below IP that may do anything to a packet. Those that only count, log or accept are left out."""
    found = []
    for table in tables:
        for base in table.bases:
            does = doings(table, base)
            if does and (table.family in ("bridge", "netdev") or table.family == "inet" and base.hook in _BELOW_IP):
                found.append(ForeignChain("nftables' table %s, chain %s" % (table, base.name), base.device, table.family == "bridge", does))
    return found


def doings(table: NftTable, base: NftBase) -> FrozenSet[str]:
    """Return what a base chain's rules, or those that they jump to, may do."""
    named = (set_.elements for set_ in table.sets.values() if set_.is_map)
    rules = list(reachable(table, base.name))
    found = set(_doings([rule.statements for rule in rules])) | (set(_doings(list(named))) if rules else set())
    return frozenset(found | ({STOPS} if base.drops else set()))


def reads_marks(table: NftTable, base: NftBase) -> bool:
    """Tell whether a base chain's rules, or those that they jump to, ask for a mark or a label."""
    found = pairs([rule.statements for rule in reachable(table, base.name)])
    return any(key == "key" and value in ("mark", "label") for key, value in found)


def _doings(statements: object) -> Iterator[str]:
    for key, value in pairs(statements):
        if key == "mangle" and not _only_traces(value):
            yield MARKS if _sets_mark(value) else CHANGES
        elif key == "set" and "op" in mapping(value):
            yield MARKS
        elif key in _DOES:
            yield _DOES[key]


def _only_traces(value: object) -> bool:
    """Tell whether a statement has the kernel tell of a packet, which changes nothing in it."""
    return mapping(mapping(mapping(value).get("key")).get("meta")).get("key") == "nftrace"


def _sets_mark(value: object) -> bool:
    """Tell whether a statement sets a mark or a label of the connection, and nothing that decides about a packet's way."""
    key = mapping(mapping(value).get("key"))
    return bool(mapping(key.get("meta")) or mapping(key.get("ct")))


def below_ip(chains: List[ForeignChain], devices: Tuple[str, ...], is_bridged: bool) -> List[ForeignChain]:
    """Return the chains that judge frames: those of a device, and those of bridges for a frame that comes by one."""
    return [chain for chain in chains if (is_bridged if chain.is_bridge else chain.device in ("", *devices))]
