# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bring sets, without rules, to their desired state, and update the boot files."""

from __future__ import annotations

from typing import Callable, Dict, Protocol

from ..host.system.system import System
from ..netfilter.kernel.ipset import LiveSet
from ..netfilter.kernel.netfilter import Live, Netfilter
from ..netfilter.reconcile.plan import Plan
from ..netfilter.reconcile.user_set import SetPlanner, UserSet
from ..persistence.lookup import boot_files
from .converge import Outcome, Settings, locked


class PlansSets(Protocol):
    """Compares sets with the kernel, and writes the differences."""

    def read(self) -> Dict[str, LiveSet]:
        """Return all sets by name, with the entries of those that matter."""

    def plan(self, live: Dict[str, LiveSet]) -> Plan:
        """Return the changes to make."""

    def apply(self, plan: Plan) -> None:
        """Make the changes, and read the kernel again. Raises DrawbridgeError."""


def converge_set(system: System, settings: Settings, wanted: UserSet) -> Outcome:
    """Bring a named set, one for each family, to its desired state."""
    planner = SetPlanner(system, wanted)
    return converge_sets(system, settings, lambda: planner)


def converge_sets(system: System, settings: Settings, wanted: Callable[[], PlansSets]) -> Outcome:
    """Bring sets to their desired state. ``wanted`` is called under the lock."""
    with locked(settings):
        planner = wanted()
        plan = planner.plan(planner.read())
        files = boot_files(system, settings.settles)
        written = files is not None and (plan.is_change or not files.are_whole)
        if not settings.check_mode and files is not None and written:
            from .boot_files import change_with_files, write_if_outdated  # pylint: disable=import-outside-toplevel

            netfilter = Netfilter(system, files.variant)

            def read() -> Live:
                return Live(netfilter.rulesets(), {})

            if plan.is_change:
                change_with_files(files, netfilter, read, read(), lambda: planner.apply(plan))
            else:
                write_if_outdated(files, netfilter, read())
        elif not settings.check_mode:
            planner.apply(plan)
    return Outcome(plan, "", [], written)
