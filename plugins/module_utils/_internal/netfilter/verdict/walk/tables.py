# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables of iptables, made ready chain by chain, when a packet comes to them. Pure."""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterator, Mapping, NamedTuple, Optional, Set

from ...rules.saved_ruleset import SavedChain, target_of
from ..matching.chains import Chain, MakeConditions, Rule
from ..matching.effects import WITHOUT_EFFECT
from ..snapshot.foreign_tables import CHANGES, MARKS, REJECTS, STOPS

_STOPPING = {"DROP": STOPS, "REJECT": REJECTS}
_MARKING = ("MARK", "CONNMARK")
_PASSING = WITHOUT_EFFECT | {"ACCEPT", "RETURN", "LOG", "NFLOG", "", None}


class Table:
    """One table of one variant."""

    def __init__(self, chains: Mapping[str, SavedChain], make: MakeConditions) -> None:
        self._saved = chains
        self._make = make
        self._ready: Dict[str, Chain] = {}
        self._does: Optional[FrozenSet[str]] = None

    def __contains__(self, name: str) -> bool:
        return name in self._saved

    def chain(self, name: str) -> Optional[Chain]:
        if name not in self._ready:
            saved = self._saved.get(name)
            if saved is None:
                return None
            self._ready[name] = Chain(name, saved, self._make)
        return self._ready[name]

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of all chains."""
        for name in self._saved:
            chain = self.chain(name)
            yield from chain.rules if chain is not None else ()

    @property
    def does(self) -> FrozenSet[str]:
        """What its rules may do to a packet, in the words of the foreign tables."""
        if self._does is None:
            self._does = frozenset(self._doings())
        return self._does

    @property
    def reads_marks(self) -> bool:
        """Whether a rule asks for a mark or a label."""
        return any("mark" in rule or "connlabel" in rule for chain in self._saved.values() for rule in chain.rules)

    def _doings(self) -> Set[str]:
        found = {STOPS for chain in self._saved.values() if chain.policy == "DROP"}
        for chain in self._saved.values():
            for rule in chain.rules:
                target = target_of(rule)
                if target in _STOPPING:
                    found.add(_STOPPING[target])
                elif target in _MARKING or "connlabel" in rule:
                    found.add(MARKS)
                elif target not in self._saved and target not in _PASSING:
                    found.add(CHANGES)
        return found


class Variant(NamedTuple):
    """One variant of iptables. name: empty where there is only one."""

    name: str
    tables: Dict[str, Table]
