# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the kernel asks on each hook, and in which order: by priority, iptables' tables and nftables' base chains in one row. Pure.

Chains of the type nat are in no row with the others: translation has one place on a hook, and asks them there, by their own priorities.
"""

from __future__ import annotations

from itertools import groupby
from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Tuple

from ..matching.nft_rules import ReadyTable
from ..snapshot.foreign_tables import CHANGES, MARKS, TRANSLATES
from ..snapshot.nft_tables import NftBase
from .tables import Table, Variant

TRACKING, NAT, RULES = "tracking", "nat", "rules"
_PLACES: Dict[str, Dict[str, int]] = {
    "PREROUTING": {"raw": -300, TRACKING: -200, "mangle": -150, NAT: -100},
    "INPUT": {"mangle": -150, "filter": 0, "security": 50, NAT: 100},
    "FORWARD": {"mangle": -150, "filter": 0, "security": 50},
    "OUTPUT": {"raw": -300, TRACKING: -200, "mangle": -150, NAT: -100, "filter": 0, "security": 50},
    "POSTROUTING": {"mangle": -150, NAT: 100},
}


class Entry(NamedTuple):
    """One thing that is asked on a hook. kind: tracking, nat (all chains of that type), or rules: those of a table of iptables, or of a base chain of
    nftables. does: what it may do, as the foreign tables say it. reroutes: whether a packet of the host is routed again if it changes."""

    kind: str
    priority: int
    words: str
    does: FrozenSet[str]
    reroutes: bool = False
    name: str = ""
    variant: str = ""
    table: Optional[Table] = None
    nft: Optional[ReadyTable] = None
    base: Optional[NftBase] = None
    is_doubtful: bool = False
    reads_marks: bool = False

    @property
    def all_does(self) -> FrozenSet[str]:
        """What it may do, a table's rules too. These are looked through only where it matters."""
        return self.does if self.table is None else self.table.does

    @property
    def knows_marks(self) -> bool:
        """Whether it asks for a mark or a label, or changes one."""
        return MARKS in self.all_does or self.reads_marks or self.table is not None and self.table.reads_marks


class NftChain(NamedTuple):
    """A base chain of nftables, made ready. does: what its rules may do. reads_marks: whether they ask for a mark or a label."""

    table: ReadyTable
    base: NftBase
    does: FrozenSet[str]
    is_doubtful: bool
    reads_marks: bool


Groups = List[List[Entry]]


class Order:
    """The rows of all hooks. Each is put in order once."""

    def __init__(self, variants: List[Variant], chains: List[NftChain]) -> None:
        self._variants = variants
        self._chains = chains
        self._ready: Dict[Tuple[str, bool], Groups] = {}

    def on(self, hook: str) -> Groups:
        """Return what is asked on a hook, in order. Those of one priority are in one group."""
        return self._row(hook, False)

    def nat_on(self, hook: str) -> Groups:
        """Return what translation asks on a hook, in the same way."""
        return self._row(hook, True)

    def _row(self, hook: str, is_nat: bool) -> Groups:
        if (hook, is_nat) not in self._ready:
            entries = [*(self._of_nat(hook) if is_nat else self._others(hook)), *self._nft(hook, is_nat)]
            # Where both variants of iptables have one table, they are asked in a row.
            entries.sort(key=lambda entry: entry.priority)
            self._ready[hook, is_nat] = [list(group) for _priority, group in groupby(entries, key=lambda entry: entry.priority)]
        return self._ready[hook, is_nat]

    def _others(self, hook: str) -> Iterable[Entry]:
        for name, priority in _PLACES[hook].items():
            if name == NAT:
                yield Entry(NAT, priority, "the translation of addresses", frozenset((TRANSLATES,)), reroutes=True)
            elif name == TRACKING:
                yield Entry(TRACKING, priority, "connection tracking", frozenset((CHANGES,)))
            else:
                yield from self._tables(hook, name, priority)

    def _of_nat(self, hook: str) -> Iterable[Entry]:
        return self._tables(hook, NAT, _PLACES[hook][NAT])

    def _tables(self, hook: str, name: str, priority: int) -> Iterable[Entry]:
        for variant in self._variants:
            table = variant.tables.get(name)
            chain = table.chain(hook) if table is not None else None
            if table is not None and chain is not None and (chain.rules or chain.policy not in ("ACCEPT", "-")):
                words = "iptables' table %s" % name if not variant.name else "the table %s of iptables-%s" % (name, variant.name)
                yield Entry(RULES, priority, words, frozenset(), name == "mangle", name, variant.name, table)

    def _nft(self, hook: str, is_nat: bool) -> Iterable[Entry]:
        for table, base, does, is_doubtful, reads_marks in self._chains:
            if base.hook == hook and (base.kind == NAT) == is_nat:
                words = "chain %s of nftables' table %s" % (base.name, table.words)
                yield Entry(RULES, base.priority, words, does, base.kind == "route", nft=table, base=base, is_doubtful=is_doubtful,
                            reads_marks=reads_marks)


def commute(one: Entry, other: Entry) -> bool:
    """Tell whether the order of two makes no difference to any verdict. The two variants of iptables are asked in their order, but for translation."""
    if one.table is not None and other.table is not None and one.name != NAT:
        return True
    ones, others = one.all_does, other.all_does
    if not ones or not others:
        return True
    both = ones | others
    if both & {CHANGES, TRANSLATES} or MARKS in both and one.knows_marks and other.knows_marks:
        return False
    # Of two that may stop a packet in different ways, the first one says which.
    return len(both - {MARKS}) < 2
