# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sets that users keep by name: what the module address_set wants, compared and written. Needs no iptables."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, List, NamedTuple, Optional

from ..errors import DrawbridgeError
from ..host.system import System
from . import ipset
from .address import quoted
from .entries import canonical_entries
from .ipset import Ipset, IpsetFailed, LiveSet, SetTarget
from .model import FAMILIES, SetType
from .names import user_set
from .plan import Plan, SetChange

TYPES = ("hash:net", "hash:ip", "hash:ip,port", "hash:net,port", "hash:net,net", "hash:net,iface")
MAX_NAME = 24
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class UserSet(NamedTuple):
    """What a task says of a set. mode: exact, add or remove. path: where its entries stand, for errors."""

    name: str
    type: str
    entries: FrozenSet[str]
    mode: str
    present: bool
    path: str


class SetPlanner:
    """Compares a named set's twins with the kernel's."""

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
        changed: List[SetChange] = []
        lines: List[str] = []
        for family, name in self.names.items():
            held = live.get(name)
            target = SetTarget(name, SetType(self.wanted.type), family, self._entries(family, held))
            if held is None:
                added = ipset.fill_lines(target)
            elif ipset.same_kind(held, target):
                added = ipset.update_lines(target, held)
            else:
                added = ["destroy %s" % name] + ipset.fill_lines(target)
            if added:
                lines.extend(added)
                changed.append(SetChange(name, held, target))
        return Plan({}, changed, lines, [], [])

    def _entries(self, family: int, held: Optional[LiveSet]) -> FrozenSet[str]:
        kind = SetType(self.wanted.type)
        live = held.entries if held and held.type == kind and held.entries is not None else frozenset()
        try:
            given = canonical_entries(self.wanted.entries, kind, family, live, self.ipset.spelt, self.wanted.path)
        except IpsetFailed as error:
            raise DrawbridgeError(error.message.replace("add judged ", ""), self.wanted.path) from None
        return {"exact": given, "add": live | given, "remove": live - given}[self.wanted.mode]

    def _removal(self, live: Dict[str, LiveSet]) -> Plan:
        gone = [name for name in self.names.values() if name in live]
        return Plan(
            {}, [SetChange(name, live[name], None) for name in gone], [], gone, []
        )

    def apply(self, plan: Plan) -> None:
        """Write the plan and read the sets again. Raises DrawbridgeError where the kernel refuses or differs."""
        if not plan.is_change:
            return
        try:
            self.ipset.restore(plan.before)
            self.ipset.destroy(plan.unused)
        except IpsetFailed as error:
            hint = "rules still name it: remove them first" if "in use" in error.message else None
            raise DrawbridgeError(error.message, None, hint) from None
        live = self.read()
        for change in plan.sets:
            held = live.get(change.name)
            if (held.entries if held else None) != (change.target.entries if change.target else None):
                raise DrawbridgeError("the kernel does not hold what was written: %s" % change.name)
