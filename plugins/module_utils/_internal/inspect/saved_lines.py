# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Compare our live chains with those that the last run saved for a boot: find every line that somebody removed or added. Only on hosts
with the role boot_restore."""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterator, List, Mapping, Tuple

from ..host.system.paths import COMMIT
from ..host.system.system import System
from ..netfilter.kernel.state import State, live_state
from ..netfilter.reconcile.diff import shown_rule
from ..netfilter.rules.ownership import is_ours, is_staged
from ..netfilter.rules.saved_ruleset import Ruleset, target_of
from ..persistence.difference import states
from ..persistence.lookup import boot_files

# Chains of opened ports. After a boot these ports are closed until the containers' addresses are known.
_FOLLOWING = ("DB-PUBLISH-", "DB-HAIRPIN-")


def saved_states(system: System, variant: str) -> Dict[int, State]:
    """Return, by family, our chains and jumps in the newest generation; empty if there is none, or if it is damaged or outdated by a killed run."""
    files = boot_files(system, COMMIT)
    if files is None or not files.are_whole:
        return {}
    saved = files.saved("next" if files.has_next else "current")
    return states(saved) if saved.get("variant", "").strip() == variant else {}


def unlike_saved(saved: Mapping[int, State], rulesets: Mapping[int, Ruleset]) -> Iterator[str]:
    """Yield the differences, as ``4 mangle DB-GUARD-PORTS lost: -j DROP``."""
    for family, ruleset in sorted(rulesets.items()):
        if family in saved:
            chains = [(table, name) for table, held in ruleset.tables.items() for name in held]
            ours = [(table, name) for table, name in chains if is_ours(name)]
            yield from _differing(family, saved[family], live_state(ruleset, ours, [key for key in chains if key not in ours]))


def _differing(family: int, saved: State, live: State) -> Iterator[str]:
    before, after = _lines(saved), _lines(live)
    for table, chain in sorted({**before, **after}):
        if chain.startswith(_FOLLOWING) or is_staged(chain):
            continue
        held, wanted = Counter(after.get((table, chain), ())), Counter(before.get((table, chain), ()))
        where = "%d %s %s" % (family, table, chain)
        yield from ("%s lost: %s" % (where, rule) for rule in (wanted - held).elements())
        yield from ("%s got: %s" % (where, rule) for rule in (held - wanted).elements())


def _lines(state: State) -> Dict[Tuple[str, str], List[str]]:
    found = {(table, chain): [shown_rule(rule) for rule in rules] for table, held in state.items() for chain, rules in held.chains.items()}
    for table, held in state.items():
        for parent, rules in held.jumps.items():
            # A generation also has Docker's own jump to DOCKER-USER.
            ours = [rule for rule in rules if is_ours(target_of(rule) or "") and not (target_of(rule) or "").startswith(_FOLLOWING)]
            found[(table, parent)] = ours
    return found
