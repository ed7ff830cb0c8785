# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The plan: one value that check mode reports and ``--diff`` shows. An apply writes it, and rolls it back after a failure."""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ...host.system.parallel import at_once
from ..kernel import ipset
from ..kernel.ipset import LiveSet, SetTarget
from ..kernel.netfilter import Live, Netfilter
from ..kernel.nft_table import TableChange
from ..kernel.state import Change, Rules, State, TableState, changes, commit, in_order, in_place, kept_counters, live_state, wanted_state
from ..rules.desired import INET, DesiredState, Hook
from ..rules.ownership import is_ours, owned_set_prefix
from ..rules.saved_rule import set_names, with_set_names
from ..rules.saved_ruleset import Ruleset, target_of
from .parent_jump import entering_lines, entrance
from .resolve import Resolver


class FamilyPlan(NamedTuple):
    """One family's rules, before and after. commits: in the order in which they are written."""

    old: State
    new: State
    commits: List[Change]
    ruleset: Ruleset

    @property
    def apply_text(self) -> str:
        """iptables-restore input that makes the change."""
        return "".join(commit(change, kept_counters(self.ruleset, change.table)) for change in self.commits)


class SetChange(NamedTuple):
    """A set that is created (live None), changed, or removed (target None)."""

    name: str
    live: Optional[LiveSet]
    target: Optional[SetTarget]


class Plan(NamedTuple):
    """families: the rules' changes by family. sets: the changed sets. before: the ipset lines to run before the rules. unused: the sets to
    destroy after the rules. tables: our tables in nftables, before and after. set_count: the number of the owner's sets after the change."""

    families: Dict[int, FamilyPlan]
    sets: List[SetChange]
    before: List[str]
    unused: List[str]
    warnings: List[str]
    tables: List[TableChange] = []
    set_count: int = 0

    @property
    def rule_count(self) -> int:
        """The number of rules in the owner's chains after the change."""
        states = [table for family in self.families.values() for table in family.new.values()]
        return sum(len(rules) for table in states for rules in table.chains.values())

    @property
    def states(self) -> Tuple[Dict[int, State], Dict[int, State]]:
        """The states by family, before the change and after it."""
        return {family: part.old for family, part in self.families.items()}, {family: part.new for family, part in self.families.items()}

    @property
    def is_change(self) -> bool:
        return bool(
            self.before or self.unused or self.table_changes or any(family.commits for family in self.families.values())
        )

    @property
    def table_changes(self) -> List[TableChange]:
        return [change for change in self.tables if change.is_needed]


class Planner:
    """Compares the desired state with the live state. Changes nothing."""

    def __init__(self, netfilter: Netfilter, wanted: DesiredState, assume_missing: bool = False) -> None:
        self.netfilter = netfilter
        self.wanted = wanted
        self.assume_missing = assume_missing

    def read(self) -> Live:
        """Return the part of the kernel's state that this plan needs."""
        return self.read_by(self.netfilter.rulesets, self.sets)

    def read_by(self, rulesets: Callable[[], Dict[int, Ruleset]], sets: Callable[[], Dict[str, LiveSet]]) -> Live:
        """Return the same, with these functions to read rules and sets."""
        tables = [key for key in self.wanted.tables if key[0] == INET or key[0] in self.netfilter.families]
        return Live(*at_once(rulesets, sets, lambda: self.netfilter.nft.read(tables)))

    def sets(self) -> Dict[str, LiveSet]:
        """Return the kernel's sets; empty if the plan needs none."""
        return self.netfilter.sets(self.wanted.owner) if self._sets_matter() else {}

    def _sets_matter(self) -> bool:
        if self.wanted.owner or self.wanted.sets:
            return True
        return any(set_names(line.text) for chain in self.wanted.chains for line in chain.lines)

    def _owns_set(self, name: str) -> bool:
        return bool(self.wanted.owner) and name.startswith(owned_set_prefix(self.wanted.owner))

    def plan(self, live: Live) -> Plan:
        """Return the plan. Raises DrawbridgeError, with the place in the user's data, if the kernel would refuse a rule or an entry."""
        resolver = Resolver(self.netfilter, self.wanted, live, self.assume_missing)
        targets = resolver.targets()
        families: Dict[int, FamilyPlan] = {}
        final: List[SetTarget] = []
        for family in self.netfilter.families:
            rules = resolver.rules(family)
            mine = {key: target for key, target in targets.items() if key[1] == family}
            plan = self._family_plan(family, live, rules)
            renamed = _next_generations(mine.values(), live, resolver, family)
            # A set that changes alone needs no second name: ipset goes from its old to its new content without a gap.
            if renamed and (plan.commits or len(renamed) > 1):
                rules = {key: tuple(_renamed(rule, renamed) for rule in chain) for key, chain in rules.items()}
                mine = {key: target._replace(name=renamed.get(target.name, target.name)) for key, target in mine.items()}
                plan = self._family_plan(family, live, rules)
            families[family] = plan
            final.extend(mine.values())
        return self._with_tables(self._with_sets(families, final, live, resolver.warnings), live)

    def _with_tables(self, plan: Plan, live: Live) -> Plan:
        if not live.tables:
            return plan
        wanted, warnings = self.netfilter.nft.canonical({key: self.wanted.tables[key] for key in live.tables})
        tables = [TableChange(key, text, wanted[key]) for key, text in live.tables.items()]
        return plan._replace(tables=tables, warnings=plan.warnings + warnings)

    def _family_plan(self, family: int, live: Live, rules: Dict[Tuple[str, str], Rules]) -> FamilyPlan:
        ruleset = live.rulesets[family]
        hooks = [hook for hook in self.wanted.hooks if family in hook.families]
        old = live_state(ruleset, self.wanted.owned, [(hook.table, hook.parent) for hook in hooks])
        new = wanted_state(old, self.wanted.owned, rules, hooks)
        for table, name in self.wanted.purge:
            foreign = tuple(rule for rule in ruleset.rules(table, name) if _is_purged(rule))
            if foreign:
                old[table] = old.get(table, TableState())._replace(foreign={name: foreign})
        needed = [self._placed(change, hooks, ruleset) for change in changes(old, new)]
        commits = in_order([change for change in needed if change.is_needed])
        return FamilyPlan(old, new, commits, ruleset)

    def _placed(self, change: Change, hooks: List[Hook], ruleset: Ruleset) -> Change:
        """Return the change with additions for the hooks' parents: create them, add the jump to them, move our jumps to their place."""
        here = [hook for hook in hooks if hook.table == change.table]
        moved = [hook.parent for hook in here if ruleset.chain(*hook[:2]) is not None and not in_place(ruleset, hook)]
        make: List[str] = []
        enter: List[str] = []
        is_anew = False
        for table, name in self.wanted.shared:
            if not any((hook.table, hook.parent) == (table, name) for hook in here):
                continue
            if ruleset.chain(table, name) is None:
                make.append(name)
            enter.extend(entering_lines(ruleset, table, name))
            is_anew = is_anew or bool(enter) and entrance(ruleset, table, name).line is not None
        return change._replace(make=tuple(make), enter=tuple(enter), moved=tuple(dict.fromkeys(moved)), enters_anew=is_anew)

    def _with_sets(
        self, families: Dict[int, FamilyPlan], targets: List[SetTarget], live: Live, warnings: List[str]
    ) -> Plan:
        changed: List[SetChange] = []
        before: List[str] = []
        unused: List[str] = []
        for target in targets:
            held = live.sets.get(target.name)
            lines = ipset.bring_lines(target, held)
            if lines:
                before.extend(lines)
                changed.append(SetChange(target.name, held, target))
        kept = {target.name for target in targets}
        for name in live.sets:
            if self._owns_set(name) and name not in kept:
                unused.append(name)
                changed.append(SetChange(name, live.sets[name], None))
        return Plan(families, changed, before, unused, warnings, set_count=len(targets))


def _next_generations(
    targets: Iterable[SetTarget], live: Live, resolver: Resolver, family: int
) -> Dict[str, str]:
    """Return new names for sets whose content changes: those of the other generation. So all sets switch together with the rules."""
    renamed: Dict[str, str] = {}
    for target in targets:
        held = live.sets.get(target.name)
        if held is None or not resolver.is_referenced(target.name, family):
            continue
        if ipset.bring_lines(target, held):
            renamed[target.name] = target.name[:-1] + ("b" if target.name.endswith("a") else "a")
    return renamed


def _renamed(rule: str, names: Dict[str, str]) -> str:
    return with_set_names(rule, lambda name: names.get(name, name))


# The chains of Docker's resolver inside a container's namespace.
_RESOLVER = ("DOCKER_OUTPUT", "DOCKER_POSTROUTING")


def _is_purged(rule: str) -> bool:
    target = target_of(rule) or ""
    return rule != "-j RETURN" and not is_ours(target) and target not in _RESOLVER
