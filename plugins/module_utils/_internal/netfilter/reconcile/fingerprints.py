# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Fingerprints of a plan: for each chain, set and table one of what it holds now, and one of what it is to hold. Pure.

Two plans with the same fingerprints lead from the same rules to the same rules. A set's name has two generations, which mean the same.
"""

from __future__ import annotations

import hashlib
import re
from typing import Dict, Iterable, List, Mapping, Optional

from ...address import IPV4
from ..kernel.ipset import LiveSet, SetTarget
from ..kernel.nft_table import spoken
from ..kernel.state import Change, TableState
from ..rules.ownership import any_generation
from .diff import shown_rule, whole
from .plan import FamilyPlan, Plan

# Before and after, by what they are of.
Fingerprints = Dict[str, List[str]]
NOTHING = ""
# What the kernel counts in an entry while it stays the same entry.
_COUNTED = re.compile(r" (?:timeout|packets|bytes) [0-9]+")


def fingerprints(plan: Plan, sets: Mapping[str, LiveSet]) -> Fingerprints:
    """Return the fingerprints of a plan, by words for people. sets: the kernel's sets that the plan was made from."""
    found: Fingerprints = {}
    for family, part in plan.families.items():
        _add_family(found, "iptables" if family == IPV4 else "ip6tables", part)
    changes = whole(plan.sets)
    for held in sets.values():
        if held.entries is not None:
            found["set " + any_generation(held.name)] = [_of_set(held), _of_set(held)]
    found.update({"set " + change.name: [_of_set(change.live), _of_set(change.target)] for change in changes})
    for table in plan.tables:
        found["nftables " + spoken(table.key)] = [_of_text(table.before), _of_text(table.after)]
    return found


def fingerprint(lines: Iterable[str]) -> str:
    """Return the fingerprint of lines, whose order matters."""
    digest = hashlib.sha256()
    for line in lines:
        data = line.encode("utf-8", "surrogateescape")
        digest.update(b"%d " % len(data) + data)
    return digest.hexdigest()


def _add_family(found: Fingerprints, program: str, part: FamilyPlan) -> None:
    for table in sorted({*part.old, *part.new}):
        old, new = part.old.get(table, TableState()), part.new.get(table, TableState())
        for what, before, after in (
            ("%s", old.chains, new.chains), ("%s, jumps of ours", old.jumps, new.jumps), ("%s, lines of others", old.foreign, new.foreign),
        ):
            for chain in sorted({*before, *after}):
                name = "%s %s %s" % (program, table, what % chain)
                found[name] = [NOTHING if side.get(chain) is None else fingerprint(map(shown_rule, side[chain])) for side in (before, after)]
    for change in part.commits:
        placed = _placed(change)
        if placed:
            found["%s %s, places of jumps" % (program, change.table)] = [NOTHING, fingerprint(placed)]


def _placed(change: Change) -> List[str]:
    """Return what a change does about the places of jumps, which no state tells."""
    kinds = (("make", change.make), ("enter", change.enter), ("moved", change.moved))
    return ["%s %s" % (kind, item) for kind, items in kinds for item in items]


def _of_set(held: object) -> str:
    if not isinstance(held, (LiveSet, SetTarget)):
        return NOTHING
    return fingerprint([held.type.name, held.type.options, *sorted(_COUNTED.sub("", entry) for entry in held.entries or ())])


def _of_text(text: Optional[str]) -> str:
    return NOTHING if text is None else fingerprint([text])
