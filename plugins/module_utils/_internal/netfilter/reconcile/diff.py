# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan's diff for people: before and after, in the syntax of iptables-save and ipset."""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, Tuple

from ...address import IPV4
from ..kernel.state import Change, TableState
from ..rules.desired import SetType
from ..rules.ownership import any_generation
from ..rules.saved_rule import with_set_names
from ..rules.saved_ruleset import Table
from ..rules.timed_entries import TIMED
from .parent_jump import PARENT, moved_lines
from .plan import FamilyPlan, Plan, SetChange

# Show so many entries of a set at most; 100,000 addresses would hide the rest of the diff.
_SHOWN_ENTRIES = 50


def before_and_after(plan: Plan) -> Dict[str, str]:
    """Return Ansible's diff of a plan. Both texts are empty if nothing changes."""
    before: List[str] = []
    after: List[str] = []
    for family, part in plan.families.items():
        for side, text in zip((before, after), _family_texts(family, part)):
            side.extend(text)
    for change in whole(plan.sets):
        held, wanted = _set_texts(change)
        before.extend(held)
        after.extend(wanted)
    for table in plan.table_changes:
        before.extend((table.before or "").splitlines())
        after.extend((table.after or "").splitlines())
    return {
        "before_header": "netfilter",
        "after_header": "netfilter",
        "before": "".join(line + "\n" for line in before),
        "after": "".join(line + "\n" for line in after),
    }


def _family_texts(family: int, part: FamilyPlan) -> Tuple[List[str], List[str]]:
    program = "iptables" if family == IPV4 else "ip6tables"
    before: List[str] = []
    after: List[str] = []
    made = {change.table: change for change in part.commits if change.make or change.enter}
    for table in dict.fromkeys(change.table for change in part.commits):
        old, new = part.old.get(table, TableState()), part.new.get(table, TableState())
        moved = [parent for change in part.commits if change.table == table for parent in change.moved]
        old, new = _with_neighbours(old, new, moved, part.ruleset.tables.get(table, {}))
        if table in made and made[table].enters_anew:
            old, new = _with_entrance(old, new, made[table], part.ruleset.tables[table])
        head = "# %s, table %s" % (program, table)
        before += [head] + _state_lines(old, new)
        after += [head] + (_made_lines(made[table]) if table in made else []) + _state_lines(new, new)
    return before, after


def _with_neighbours(old: TableState, new: TableState, moved: List[str], table: Table) -> Tuple[TableState, TableState]:
    """If our jumps move, add the other lines of their parent to both sides."""
    before, after = dict(old.jumps), dict(new.jumps)
    for parent in moved:
        ours = old.jumps.get(parent, ())
        before[parent] = tuple(table[parent].rules)
        after[parent] = new.jumps.get(parent, ()) + tuple(rule for rule in table[parent].rules if rule not in ours)
    return old._replace(jumps=before), new._replace(jumps=after)


def _with_entrance(old: TableState, new: TableState, change: Change, table: Table) -> Tuple[TableState, TableState]:
    """If the jump to a foreign chain moves, add the other lines of FORWARD to both sides."""
    rules = table[PARENT].rules
    ours = old.jumps.get(PARENT, ())
    others = moved_lines(change.enter, [rule for rule in rules if rule not in ours])
    return (
        old._replace(jumps={**old.jumps, PARENT: tuple(rules)}),
        new._replace(jumps={**new.jumps, PARENT: new.jumps.get(PARENT, ()) + tuple(others)}),
    )


def _made_lines(change: Change) -> List[str]:
    return [":%s -" % name for name in change.make] + [line for line in change.enter if not change.enters_anew]


def _state_lines(state: TableState, order: TableState) -> List[str]:
    """Return a table's lines, with its chains in the order of another state. So chains that both have do not look moved."""
    lines = [":%s -" % name for name in _ordered(state.chains, order.chains)]
    for rules_of, ordered in ((state.jumps, order.jumps), (state.chains, order.chains), (state.foreign, order.foreign)):
        lines.extend("-A %s %s" % (chain, shown_rule(rule)) for chain in _ordered(rules_of, ordered) for rule in rules_of[chain])
    return lines


def _ordered(names: Iterable[str], order: Iterable[str]) -> List[str]:
    there, first = dict.fromkeys(names), dict.fromkeys(order)
    return [name for name in first if name in there] + [name for name in there if name not in first]


def shown_rule(rule: str) -> str:
    """Return the rule with set names without their generation."""
    return with_set_names(rule, any_generation)


def whole(sets: Iterable[SetChange]) -> List[SetChange]:
    """Merge the changes of a set's two generations into one change of one set."""
    found: Dict[str, SetChange] = {}
    for change in sets:
        name = any_generation(change.name)
        known = found.get(name, SetChange(name, None, None))
        found[name] = SetChange(name, known.live or change.live, known.target or change.target)
    return list(found.values())


def _set_texts(change: SetChange) -> Tuple[List[str], List[str]]:
    held: FrozenSet[str] = frozenset()
    wanted: FrozenSet[str] = frozenset()
    before: List[str] = []
    after: List[str] = []
    if change.live is not None:
        held = change.live.entries or frozenset()
        before.append(_created(change.name, change.live.type))
    if change.target is not None:
        wanted = change.target.entries or frozenset()
        after.append(_created(change.name, change.target.type))
    before += entry_lines(change.name, held - wanted, len(held & wanted))
    after += entry_lines(change.name, wanted - held, len(held & wanted))
    return before, after


def _created(name: str, kind: SetType) -> str:
    return "create %s %s%s" % (name, kind.name, " " + TIMED if kind.options == TIMED else "")


def entry_lines(name: str, entries: FrozenSet[str], same: int) -> List[str]:
    """Return the lines for entries that only one side has; the first ones are listed. same: the number of entries that both have."""
    ordered = sorted(entries)
    lines = ["add %s %s" % (name, entry) for entry in ordered[:_SHOWN_ENTRIES]]
    if len(ordered) > _SHOWN_ENTRIES:
        lines.append("# and %d more entries of %s" % (len(ordered) - _SHOWN_ENTRIES, name))
    if same:
        lines.append("# %d entries of %s stay" % (same, name))
    return lines
