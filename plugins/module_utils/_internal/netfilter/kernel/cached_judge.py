# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The judge for many namespaces of one host: it checks the same rules only once."""

from __future__ import annotations

import threading
from typing import Dict, List, Tuple

from ..rules.saved_ruleset import target_of
from .judge import Bench, ChainKey, Judge


class CachedJudge(Judge):
    """A judge with a cache. Its input differs between namespaces only in the existing chains. Of these, only the targets of the rules
    matter, so the cache ignores the others. Thread-safe."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(judge.system, judge.variant)
        self._known: Dict[Tuple[object, ...], Dict[ChainKey, List[str]]] = {}
        self._guard = threading.Lock()

    def canonical(
        self, family: int, chains: Dict[ChainKey, List[str]], bench: Bench
    ) -> Dict[ChainKey, List[str]]:
        targets = {(table, target_of(rule)) for (table, _name), rules in chains.items() for rule in rules}
        needed = Bench([key for key in bench.chains if key in targets or key in chains], bench.sets)
        key = (
            family,
            tuple((chain, tuple(rules)) for chain, rules in chains.items()),
            frozenset(needed.chains),
            tuple(needed.sets),
        )
        with self._guard:
            if key not in self._known:
                self._known[key] = super().canonical(family, chains, needed)
            return self._known[key]
