# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Named sets of users: compare the desired state of the module address_set with the kernel, and write it. Needs no iptables."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, List, NamedTuple, Optional

from ...address import FAMILIES, quoted
from ...errors import DrawbridgeError
from ...host.system.system import System
from ..kernel import ipset
from ..kernel.ipset import Ipset, IpsetFailed, LiveSet, SetTarget
from ..rules.desired import SetType
from ..rules.ownership import user_set
from ..rules.set_entries import canonical_entries
from .plan import Plan, SetChange

TYPES = ("hash:net", "hash:ip", "hash:ip,port", "hash:net,port", "hash:net,net", "hash:net,iface")
MAX_NAME = 24
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# Reading so many entries again takes longer than the rest of a small change.
_COUNTED_FROM = 10_000


class UserSet(NamedTuple):
    """A task's description of a set. mode: exact, add or remove. path: the place of its entries, for errors."""

    name: str
    type: str
    entries: FrozenSet[str]
    mode: str
    present: bool
    path: str


class SetPlanner:
    """Compares a named set, one for each family, with the kernel, and applies the plan."""

    def __init__(self, system: System, wanted: UserSet) -> None:
        if not _NAME.fullmatch(wanted.name) or len(wanted.name) > MAX_NAME:
            raise DrawbridgeError(
                "%s is not a set's name" % quoted(wanted.name), "name", "letters, digits and _.-, at most %d" % MAX_NAME
            )
        self.wanted = wanted
        self.ipset = Ipset(system)
        self.names = {family: user_set(wanted.name, family) for family in FAMILIES}

    def read(self) -> Dict[str, LiveSet]:
        headers = self.ipset.headers()
        return self.ipset.with_entries(headers, self.names.values())

    def plan(self, live: Dict[str, LiveSet]) -> Plan:
        if not self.wanted.present:
            return self._removal(live)
        self._refuse_another_type(live)
        changed: List[SetChange] = []
        lines: List[str] = []
        for family, name in self.names.items():
            held = live.get(name)
            target = SetTarget(name, SetType(self.wanted.type), family, self._entries(family, live))
            added = ipset.bring_lines(target, held)
            if added:
                lines.extend(added)
                changed.append(SetChange(name, held, target))
        return Plan({}, changed, lines, [], [])

    def _refuse_another_type(self, live: Dict[str, LiveSet]) -> None:
        """Raises DrawbridgeError if the type differs and the mode is not exact. A set that is created anew would lose its other entries."""
        for name in self.names.values() if self.wanted.mode != "exact" else ():
            if name in live and live[name].type != SetType(self.wanted.type):
                held = " ".join(word for word in live[name].type if word)
                raise DrawbridgeError("%s is a %s" % (name, held), "type", "its type changes only in the mode exact")

    def _entries(self, family: int, live: Dict[str, LiveSet]) -> FrozenSet[str]:
        kind = SetType(self.wanted.type)
        held = {of: _entries_of(live.get(name), kind) for of, name in self.names.items()}
        wanted = self.wanted.entries
        for of, entries in held.items():
            if of != family and entries:
                wanted = wanted - entries
        try:
            given = canonical_entries(wanted, kind, family, held[family], self.ipset.spelt, self.wanted.path)
        except IpsetFailed as error:
            raise DrawbridgeError(error.message.replace("add judged ", ""), self.wanted.path) from None
        if self.wanted.mode == "add":
            return held[family] | given
        return held[family] - given if self.wanted.mode == "remove" else given

    def _removal(self, live: Dict[str, LiveSet]) -> Plan:
        gone = [name for name in self.names.values() if name in live]
        return Plan(
            {}, [SetChange(name, live[name], None) for name in gone], [], gone, []
        )

    def apply(self, plan: Plan) -> None:
        """Write the plan and read the sets again. Raises DrawbridgeError if the kernel refuses the change or differs afterwards."""
        if not plan.is_change:
            return
        # Wait for the sets of both families before changing either.
        self.ipset.wait_until_unused([change.name for change in plan.sets if _is_given_up(change)])
        self.ipset.restore(plan.before)
        self.ipset.destroy(plan.unused)
        self._verify(plan.sets)

    def _verify(self, changed: List[SetChange]) -> None:
        """Compare the sets with the kernel. Of long sets only the number of entries: ipset has already reported every refused entry."""
        live = self.ipset.headers()
        live = self.ipset.with_entries(live, [change.name for change in changed if not _is_counted(change, live)])
        for change in changed:
            held, target = live.get(change.name), change.target
            if _is_counted(change, live):
                differs = held is None or target is None or held.size != len(target.entries or ())
            else:
                differs = (held.entries if held else None) != (target.entries if target else None)
            if differs:
                raise DrawbridgeError("the kernel does not hold what was written: %s" % change.name)


def _is_given_up(change: SetChange) -> bool:
    """Return whether the kernel's set must be removed, either for good or to be created anew."""
    return change.live is not None and (change.target is None or not ipset.same_kind(change.live, change.target))


def _entries_of(held: Optional[LiveSet], kind: SetType) -> FrozenSet[str]:
    return held.entries if held and held.type == kind and held.entries is not None else frozenset()


def _is_counted(change: SetChange, live: Dict[str, LiveSet]) -> bool:
    held, target = live.get(change.name), change.target
    if held is None or held.size is None or target is None or target.entries is None:
        return False
    return len(target.entries) >= _COUNTED_FROM
