# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Turn desired lines into each family's rules: replace set names by the kernel's, select the lines that fit the family, and spell
every rule as iptables-save prints it."""

from __future__ import annotations

import time
from typing import Dict, FrozenSet, List, Optional, Tuple

from ...errors import DrawbridgeError
from ...host.system.netns import NamespaceUnavailable
from ..kernel.ipset import Ipset, IpsetFailed, LiveSet, SetTarget, create_line
from ..kernel.judge import Bench, ChainKey, RuleRefused, restore_text
from ..kernel.netfilter import Live, Netfilter
from ..rules.canonical import is_plain, leads_to
from ..rules.desired import AddressSet, Chain, DesiredState, Line, SetType
from ..rules.loops import leads_back, ways_from
from ..rules.ownership import owned_set, taken_for_empty, user_set
from ..rules.saved_rule import set_names, with_set_names
from ..rules.set_entries import canonical_entries
from ..rules.timed_entries import TIMED, in_force

GENERATIONS = ("a", "b")
_ASSUMED = SetType("hash:net")


class Resolver:
    """The names and spellings of one plan. ``assume_missing``: in check mode a set that an earlier task would create counts as an empty
    hash:net, with a warning."""

    def __init__(self, netfilter: Netfilter, wanted: DesiredState, live: Live, assume_missing: bool) -> None:
        self.netfilter = netfilter
        self.wanted = wanted
        self.live = live
        self.assume_missing = assume_missing
        self.warnings: List[str] = []
        self.names = {
            (name, family): owned_set(wanted.owner, name, family, self._generation(name, family))
            for name in wanted.sets
            for family in netfilter.families
        }
        self._assumed: Dict[str, Tuple[SetType, int]] = {}

    def _generation(self, name: str, family: int) -> str:
        """Return the generation in use: the one that live rules name, else the one that exists, else the first."""
        candidates = [owned_set(self.wanted.owner, name, family, generation) for generation in GENERATIONS]
        existing = [candidate for candidate in candidates if candidate in self.live.sets]
        if len(existing) > 1:
            existing = [candidate for candidate in existing if self.is_referenced(candidate, family)] or existing
        return existing[0][-1] if existing else GENERATIONS[0]

    def is_referenced(self, set_name: str, family: int) -> bool:
        """Return whether a live rule of the family names the set. Rules without the set's name in their text are not parsed: there may be 10,000."""
        needle = "--match-set %s " % set_name
        ruleset = self.live.rulesets[family]
        return any(
            needle in rule and set_name in set_names(rule) for table in ruleset.tables.values() for chain in table.values() for rule in chain.rules
        )

    def targets(self) -> Dict[Tuple[str, int], SetTarget]:
        """Return the owner's sets with the names of their current generation, and entries in the kernel's spelling."""
        result: Dict[Tuple[str, int], SetTarget] = {}
        for (name, family), kernel_name in self.names.items():
            result[(name, family)] = set_target(self.netfilter.ipset, self.wanted.sets[name], family, kernel_name, self.live.sets)
        return result

    def rules(self, family: int) -> Dict[ChainKey, Tuple[str, ...]]:
        """Return the desired chains of one family in canonical spelling."""
        result: Dict[ChainKey, Tuple[str, ...]] = {}
        unsettled: Dict[ChainKey, List[Line]] = {}
        ruleset = self.live.rulesets[family]
        for chain in self.wanted.chains:
            if family not in chain.families:
                continue
            key = (chain.table, chain.name)
            lines = self._family_lines(chain, family)
            if self._is_settled(key, lines, ruleset.rules(*key)):
                result[key] = tuple(line.text for line in lines)
            else:
                unsettled[key] = lines
        if unsettled:
            result.update(self._judged(family, unsettled))
        self._refuse_circles(family, result)
        written = [(chain.table, chain.name) for chain in self.wanted.chains]
        return {key: result[key] for key in written if key in result}

    def _refuse_circles(self, family: int, rules: Dict[ChainKey, Tuple[str, ...]]) -> None:
        ruleset = self.live.rulesets[family]
        if all(list(texts) == ruleset.rules(*key) for key, texts in rules.items()):
            return
        for chain in self.wanted.chains:
            table = {name: saved.rules for name, saved in ruleset.tables.get(chain.table, {}).items()}
            table.update((name, list(texts)) for (of, name), texts in rules.items() if of == chain.table)
            way = leads_back(chain.name, table)
            if way:
                target = (way + way[:1])[1]
                path = next((line.path for line in chain.lines if target in ways_from([line.text])), None)
                raise DrawbridgeError("the chain %s leads back to itself: %s" % (chain.name, " -> ".join(way + way[:1])), path)

    def _is_settled(self, key: ChainKey, lines: List[Line], live: List[str]) -> bool:
        """Return whether all lines are known to be spelt as iptables prints them. A line is if it is a live rule, or if it is plain and
        leads only to other desired chains."""
        known = frozenset(live)
        ways = {chain.name for chain in self.wanted.chains if chain.table == key[0] and chain.name != key[1]} | {None}
        return all(
            line.is_common or line.text in known or (is_plain(line.text) and leads_to(line.text) in ways) for line in lines
        )

    def _family_lines(self, chain: Chain, family: int) -> List[Line]:
        lines = []
        for line in chain.lines:
            if family not in line.families:
                continue
            text: Optional[str] = line.text
            if "--match-set " in line.text:
                text = self._with_set_names(line, family)
            if text is not None:
                lines.append(line if text is line.text else line._replace(text=text))
        return lines

    def _with_set_names(self, line: Line, family: int) -> Optional[str]:
        """Return the line with kernel names for ``@name``; None if it names one of the user's own ipsets of the other family."""
        for word in set_names(line.text):
            if not word.startswith("@") and self._user_family(word, line) not in (None, family):
                return None
        return with_set_names(line.text, lambda word: self._kernel_name(word, family, line))

    def _user_family(self, name: str, line: Line) -> Optional[int]:
        if name in self.live.sets:
            return self.live.sets[name].family
        raise DrawbridgeError("there is no ipset %s on this host" % ascii(name), line.path, "create it first, or use @name")

    def _kernel_name(self, word: str, family: int, line: Line) -> str:
        if not word.startswith("@"):
            return word
        name = word[1:]
        if name in self.wanted.sets:
            return self.names[(name, family)]
        kernel_name = user_set(name, family)
        if kernel_name not in self.live.sets:
            if not self.assume_missing:
                raise DrawbridgeError(
                    "unknown address set %s" % ascii(word), line.path, "define it, or keep it with the module address_set"
                )
            self._assumed[kernel_name] = (_ASSUMED, family)
            told = taken_for_empty(name, line.path)
            if told not in self.warnings:
                self.warnings.append(told)
        return kernel_name

    def _judged(self, family: int, chains: Dict[ChainKey, List[Line]]) -> Dict[ChainKey, Tuple[str, ...]]:
        texts = {key: [line.text for line in lines] for key, lines in chains.items()}
        bench = self._bench(family, texts)
        try:
            canonical = self.netfilter.judge.canonical(family, texts, bench)
        except RuleRefused as error:
            raise DrawbridgeError(error.message, chains[error.chain][error.index].path) from None
        except NamespaceUnavailable as error:
            self.warnings.append("%s: rules are compared as written, not as iptables spells them" % error.message)
            self.netfilter.transport.test(family, restore_text(texts, bench.chains))
            return {key: tuple(lines) for key, lines in texts.items()}
        return {key: tuple(lines) for key, lines in canonical.items()}

    def _bench(self, family: int, texts: Dict[ChainKey, List[str]]) -> Bench:
        """Return the chains that rules may jump to, and the sets that they name."""
        tables = {table for table, _name in texts}
        declared = [(table, name) for table in tables for name in self.live.rulesets[family].tables.get(table, {})]
        declared += [(chain.table, chain.name) for chain in self.wanted.chains if chain.table in tables]
        named = [name for lines in texts.values() for text in lines for name in set_names(text)]
        kinds = {kernel: (self.wanted.sets[name].type, of) for (name, of), kernel in self.names.items()}
        kinds.update(self._assumed)
        for name, live in self.live.sets.items():
            kinds.setdefault(name, (live.type, live.family or family))
        stand_ins = [create_line(name, *kinds[name]) for name in dict.fromkeys(named) if name in kinds]
        return Bench(declared, stand_ins)


def set_target(
    ipset: Ipset, wanted: AddressSet, family: int, kernel_name: str, live: Dict[str, LiveSet]
) -> SetTarget:
    """Return one family's set, with its kernel name and with entries in the kernel's spelling."""
    written = wanted.entries.get(family)
    entries: Optional[FrozenSet[str]] = None
    if written is not None:
        held = live.get(kernel_name)
        try:
            entries = canonical_entries(
                written, wanted.type, family, held.entries if held else None, ipset.spelt, wanted.path
            )
        except IpsetFailed as error:
            raise DrawbridgeError(error.message.replace("add judged ", ""), wanted.path) from None
    if entries is not None and wanted.type.options == TIMED:
        # What is over by now the kernel has dropped already.
        entries = in_force(entries, time.time())
    return SetTarget(kernel_name, wanted.type, family, entries)
