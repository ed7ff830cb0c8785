# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find the published ports that the guard in mangle PREROUTING judges, by its rules and sets. No policy's text is needed."""

from __future__ import annotations

from typing import Dict, FrozenSet, List

from ..engine.api.answers import PublishedPort
from ..netfilter.kernel.ipset import LiveSet
from ..netfilter.rules.matches import ProtocolMatch, Verdict
from ..netfilter.rules.ownership import called
from ..netfilter.rules.saved_rule import SavedRule, parse
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.blocks.engine_sets import known_by
from ..policy.chains import guard
from ..policy.compile.denials import is_open
from .guard_lines import lost_lines, open_by_loss
from .jumps import jumps_to

Rulesets = Dict[int, Ruleset]
Sets = Dict[str, LiveSet]


def guarded_ports(rulesets: Rulesets, sets: Sets, published: List[PublishedPort]) -> FrozenSet[PublishedPort]:
    """Return the published ports that the guard judges. A guard that nothing jumps to judges none, nor does one that only observes some ports:
    which ones is not looked at."""
    hooked = {family: ruleset for family, ruleset in rulesets.items() if is_hooked(ruleset) and not is_open(ruleset.rules(guard.TABLE, guard.PORTS))}
    judged = [port for port in published if port.family in hooked and _is_judged(hooked[port.family], sets, port)]
    return frozenset(judged) - open_by_loss(lost_lines(rulesets, sets), judged)


def is_hooked(ruleset: Ruleset) -> bool:
    """Whether every packet reaches the guard."""
    jumps = jumps_to(ruleset, guard.TABLE, guard.HOOK.parent, guard.CHAIN)
    return any(jump.passed_by is None for jump in jumps)


def closes_containers(ruleset: Ruleset, sets: Sets) -> bool:
    """Whether the guard drops packets from outside to the containers' own addresses."""
    return is_hooked(ruleset) and any(
        rule.target == Verdict("DROP") and found in sets and sets[found].type.name == "hash:net"
        for rule in _rules(ruleset)
        for found in _asked_sets(rule)
    )


def is_in_a_set(sets: Sets, port: PublishedPort) -> bool:
    """Whether a set of published ports has the port. If so, the guard's rules judge it."""
    name, _entries = known_by(*port[:4])
    return any(called(kernel) == name and _holds(live, port) for kernel, live in sets.items() if kernel.endswith(("-%da" % port.family, "-%db" % port.family)))


def _is_judged(ruleset: Ruleset, sets: Sets, port: PublishedPort) -> bool:
    """Whether a rule judges the port. The rule's other matches are ignored, known or not: ``lost_lines`` finds missing rules."""
    return any(
        _holds(sets[name], port)
        for rule in _rules(ruleset) if all(match.holds(port.protocol) for match in rule.matches if isinstance(match, ProtocolMatch) and match.option == "-p")
        for name in _asked_sets(rule) if name in sets
    )


def _asked_sets(rule: SavedRule) -> List[str]:
    """Return the sets that a packet's destination has to be in."""
    return [match.name for match in rule.sets if match.sides in ("dst", "dst,dst") and not match.negated]


def _rules(ruleset: Ruleset) -> List[SavedRule]:
    chains = ruleset.tables.get(guard.TABLE, {})
    return [parse(rule) for name, chain in chains.items() if name.startswith(guard.CHAIN) for rule in chain.rules]


def _holds(live: LiveSet, port: PublishedPort) -> bool:
    _name, entries = known_by(*port[:4])
    return (live.entries or frozenset()).issuperset(entries)
