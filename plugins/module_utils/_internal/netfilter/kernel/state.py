# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The live state, the desired state, and the iptables-restore texts that lead from one to the other. Pure.

A *state* contains, for each table, our chains and our jumps in foreign chains. One function of two states makes both the text that
applies a change and the text that rolls back a failed one.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..rules.desired import Hook
from ..rules.matches import Jump
from ..rules.ownership import Owned, is_ours, owns, staged
from ..rules.saved_rule import parse
from ..rules.saved_ruleset import Ruleset, SavedChain, Table, target_of

Rules = Tuple[str, ...]


class TableState(NamedTuple):
    """chains: our chains and their rules. jumps: by parent chain, our jumps in it, in order. foreign: by parent chain, foreign lines
    to delete (only in the old state of a purge)."""

    chains: Dict[str, Rules] = {}
    jumps: Dict[str, Rules] = {}
    foreign: Dict[str, Rules] = {}


State = Dict[str, TableState]
_EMPTY = TableState()


def live_state(ruleset: Ruleset, owned: Iterable[Owned], parents: Iterable[Tuple[str, str]]) -> State:
    """Return this owner's live chains, and the Drawbridge jumps of all owners in its parent chains."""
    owned, parents = list(owned), list(parents)
    state: State = {}
    for name, table in ruleset.tables.items():
        chains = {chain: tuple(saved.rules) for chain, saved in table.items() if owns(owned, name, chain)}
        jumps: Dict[str, Rules] = {}
        for parent, saved in table.items():
            if is_ours(parent):
                continue
            mine = tuple(rule for rule in saved.rules if _is_jump_of_ours(rule))
            if mine and ((name, parent) in parents or _targets(mine, name, owned)):
                jumps[parent] = mine
        if chains or jumps:
            state[name] = TableState(chains, jumps)
    return state


def _is_jump_of_ours(rule: str) -> bool:
    if "DB" not in rule and "DOCKER-FILTER" not in rule:
        return False
    return is_ours(target_of(rule) or "")


def _targets(rules: Rules, table: str, owned: Sequence[Owned]) -> bool:
    return any(owns(owned, table, target_of(rule) or "") for rule in rules)


def hook_line(hook: Hook) -> str:
    """Return the hook as iptables-save prints it."""
    place = "" if hook.priority is None else '-m comment --comment "drawbridge:%d"' % hook.priority
    return " ".join(part for part in (hook.match, place, "-j " + hook.target) if part)


def _priority(rule: str) -> int:
    """Return the priority that ``hook_line`` wrote; 0 for a line with another comment or none, which puts it first."""
    comments = [comment.partition(":") for comment in parse(rule).comments]
    return next((int(number) for mark, _colon, number in comments if mark == "drawbridge" and number.isdigit() and len(number) <= 4), 0)


def wanted_state(
    live: State, owned: Sequence[Owned], rules: Dict[Tuple[str, str], Rules], hooks: List[Hook]
) -> State:
    """Return the state after the change: our complete chains, and our hooks among those of Drawbridge's other owners, by priority and
    name."""
    state: State = {}
    tables = dict.fromkeys(list(live) + [table for table, _name in rules] + [hook.table for hook in hooks])
    for table in tables:
        was = live.get(table, _EMPTY)
        content = {name: chain for (of, name), chain in rules.items() if of == table}
        jumps: Dict[str, Rules] = {}
        here = [hook for hook in hooks if hook.table == table]
        for parent in dict.fromkeys(list(was.jumps) + [hook.parent for hook in here]):
            others = [rule for rule in was.jumps.get(parent, ()) if not owns(owned, table, target_of(rule) or "")]
            lines = others + [hook_line(hook) for hook in here if hook.parent == parent]
            if lines:
                # Equal priorities are sorted by name. Otherwise two owners would swap places in every run.
                jumps[parent] = tuple(sorted(lines, key=lambda rule: (_priority(rule), target_of(rule) or "")))
        if content or jumps:
            state[table] = TableState(content, jumps)
    return state


def in_place(ruleset: Ruleset, hook: Hook) -> bool:
    """Return whether no line before our last jump in the hook's parent can let a packet bypass that jump."""
    rules = ruleset.rules(hook.table, hook.parent)
    table = ruleset.tables.get(hook.table, {})
    last = max((index for index, rule in enumerate(rules) if _is_jump_of_ours(rule)), default=-1)
    before = [rule for rule in rules[: max(last, 0)] if not _is_jump_of_ours(rule)]
    if hook.ahead_of:
        return not any(target_of(rule) in hook.ahead_of for rule in before)
    return all(only_restricts(rule, table) for rule in before)


RESTRICTING = frozenset(
    ("DROP", "REJECT", "LOG", "NFLOG", "MARK", "CONNMARK", "SET", "TRACE", "AUDIT", "TCPMSS", "DSCP", "TOS", "CT", "NOTRACK")
)


def only_restricts(rule: str, table: Table, depth: int = 0) -> bool:
    """Return whether a rule can only stop a packet, or lets it go on (LOG, MARK and the like). Later rules then see all that passes."""
    target = target_of(rule)
    if target is None or target in RESTRICTING:
        return True
    chain: Optional[SavedChain] = table.get(target)
    if chain is None or chain.is_builtin or depth > 16 or parse(rule).target == Jump(target, True):
        return False
    return all(target_of(inner) == "RETURN" or only_restricts(inner, table, depth + 1) for inner in chain.rules)


class Change(NamedTuple):
    """The change of one table from one state to another.

    make: foreign chains to create, empty. enter: lines that add a jump to such a chain, as Docker itself would, or move that jump to its
    place. A rollback keeps both, because they belong to Docker then. enters_anew: the jump existed, but a line before it could let packets
    bypass it. moved: parents in which our jumps are not in their place.
    """

    table: str
    old: TableState
    new: TableState
    make: Rules = ()
    enter: Rules = ()
    moved: Rules = ()
    enters_anew: bool = False

    @property
    def is_needed(self) -> bool:
        return bool(self.make or self.enter or self.moved or self.old != self.new)


def changes(old: State, new: State) -> List[Change]:
    """Return a change for each table of the two states."""
    return [Change(table, old.get(table, _EMPTY), new.get(table, _EMPTY)) for table in sorted({**old, **new})]


def commit(change: Change, counters: Dict[str, Dict[str, str]]) -> str:
    """Return one table's block of iptables-restore input (``--noflush``). It changes the old state to the new one in one commit.

    counters: the initial counters, by chain and rule.
    """
    old, new = change.old, change.new
    rewritten = [name for name in new.chains if new.chains[name] != old.chains.get(name)]
    gone = [name for name in old.chains if name not in new.chains]
    text = ["*" + change.table]
    text.extend(":%s - [0:0]" % name for name in list(change.make) + rewritten + gone)
    text.extend(change.enter)
    for parent in dict.fromkeys(list(old.jumps) + list(new.jumps)):
        before, after = old.jumps.get(parent, ()), new.jumps.get(parent, ())
        if before != after or parent in change.moved:
            text.extend("-D %s %s" % (parent, rule) for rule in before)
            text.extend("-I %s %d %s" % (parent, place, rule) for place, rule in enumerate(after, 1))
    for parent, rules in old.foreign.items():
        text.extend("-D %s %s" % (parent, rule) for rule in rules)
    for parent, rules in new.foreign.items():
        text.extend("-A %s %s" % (parent, rule) for rule in rules)
    for name in rewritten:
        kept = counters.get(name, {})
        append = "-A %s " % name
        text.extend(kept.get(rule, "") + append + rule for rule in new.chains[name])
    text.extend("-X %s" % name for name in gone)
    return "\n".join(text) + "\nCOMMIT\n"


def returning(parent: str, before: Sequence[str], now: Sequence[str]) -> List[str]:
    """Return the lines that put foreign lines back to their places: those that a chain had ``before`` and has not ``now``. Our jumps
    must be back already."""
    left = [rule for rule in now if not _is_jump_of_ours(rule)]
    length = len(left) + sum(map(_is_jump_of_ours, before))
    lines = []
    for place, rule in enumerate(before, 1):
        if _is_jump_of_ours(rule):
            continue
        if rule in left:
            left.remove(rule)
            continue
        lines.append("-I %s %d %s" % (parent, min(place, length + 1), rule))
        length += 1
    return lines


def kept_counters(ruleset: Ruleset, table: str) -> Dict[str, Dict[str, str]]:
    """Return the counters of our chains' rules, so that rules that stay keep them."""
    kept: Dict[str, Dict[str, str]] = {}
    for name, chain in ruleset.tables.get(table, {}).items():
        if is_ours(name):
            kept[name] = {rule: count + " " for rule, count in zip(chain.rules, chain.counters) if count}
    return kept


def staged_change(change: Change) -> Change:
    """Return the change's first half: old and new content side by side. Both are hooked in, so a packet passes only if both accept it.

    This is needed if more than one table changes, because each table is a separate commit. Between two commits no packet may pass that
    neither the old nor the new policy accepts.
    """
    new_names = frozenset(change.new.chains)

    def renamed(rule: str) -> str:
        """A jump ends with the chain's name. Other rules are not parsed: there may be 10,000."""
        if rule.rpartition(" ")[2] not in new_names:
            return rule
        read = parse(rule)
        return str(read._replace(target=read.target._replace(name=staged(read.target.name)))) if isinstance(read.target, Jump) else rule

    chains = dict(change.old.chains)
    for name, rules in change.new.chains.items():
        chains[staged(name)] = tuple(renamed(rule) for rule in rules)
    jumps = dict(change.old.jumps)
    for parent, lines in change.new.jumps.items():
        entering = tuple(renamed(rule) for rule in lines if target_of(rule) in new_names)
        jumps[parent] = entering + jumps.get(parent, ())
    return change._replace(new=TableState(chains, jumps))


def in_order(needed: List[Change]) -> List[Change]:
    """Return a family's commits in order. One table is one commit. Several tables are ordered so that at every moment all tables together
    hold the complete old policy, or the complete new one, or both."""
    if len(needed) < 2:
        return needed
    first: List[Change] = []
    last: List[Change] = []
    *leading, final = needed
    for change in leading:
        if not change.old.chains and not change.old.foreign:
            first.append(change)
        elif not change.new.chains:
            last.append(change)
        else:
            half = staged_change(change)
            first.append(half)
            last.append(Change(change.table, half.new, change.new))
    return first + [final] + last
