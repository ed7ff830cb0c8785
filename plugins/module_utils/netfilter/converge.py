# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bring a host to what is wanted: lock, read, plan and, outside of check mode, apply."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Callable, ContextManager, Dict, List, NamedTuple, Optional

from ..boot.files import BootFiles
from ..boot.keep import changed_with_files
from ..host.lock import HostLock
from ..host.system import System
from .apply import apply
from .diff import before_and_after
from .host import Live, Netfilter
from .model import Wanted
from .plan import Plan, Planner
from .user_set import SetPlanner, UserSet


class Settings(NamedTuple):
    """How a task runs. transport: nft, legacy or auto. lock_timeout: seconds to wait for other runs on the host."""

    transport: str
    lock_timeout: float
    check_mode: bool


class Outcome(NamedTuple):
    """What a task did, or would do. files: whether the boot files were written."""

    plan: Plan
    transport: str
    warnings: List[str]
    files: bool = False

    @property
    def is_change(self) -> bool:
        return self.plan.is_change or self.files

    def result(self) -> Dict[str, object]:
        """The part of a module's result that all modules share."""
        return {"changed": self.is_change, "transport": self.transport, "diff": before_and_after(self.plan)}


def converge(system: System, settings: Settings, wanted: Callable[[Netfilter], Wanted]) -> Outcome:
    """``wanted`` is asked once the lock is held, so that what it looks up is what the rules are made for."""
    with locked(settings):
        netfilter = Netfilter(system, settings.transport)
        planner = Planner(netfilter, wanted(netfilter), assume_missing=settings.check_mode)
        live = planner.read()
        plan = planner.plan(live)
        files = BootFiles(system)
        written = files.are_kept and (plan.is_change or not files.are_in_step(live))
        if not settings.check_mode:
            work = (lambda: apply(planner, plan)) if plan.is_change else None
            if written:
                changed_with_files(files, netfilter, planner.read, live, work, files.has_next)
            elif work:
                work()
    return Outcome(plan, netfilter.variant, netfilter.warnings + plan.warnings, written)


def bring(netfilter: Netfilter, wanted: Wanted, settings: Settings) -> Plan:
    """Bring the network namespace that this thread is in to what is wanted; the caller holds the lock."""
    planner = Planner(netfilter, wanted, assume_missing=settings.check_mode)
    plan = planner.plan(planner.read())
    if not settings.check_mode:
        apply(planner, plan)
    return plan


def converge_set(system: System, settings: Settings, wanted: UserSet) -> Outcome:
    """Bring a named set's twins to what is wanted."""
    planner = SetPlanner(system, wanted)
    with locked(settings):
        plan = planner.plan(planner.read())
        files = BootFiles(system)
        written = files.are_kept and (plan.is_change or not files.are_whole)
        if not settings.check_mode and written:
            netfilter = Netfilter(system, files.variant)

            def read() -> Live:
                return Live(netfilter.rulesets(), {})

            work = (lambda: planner.apply(plan)) if plan.is_change else None
            changed_with_files(files, netfilter, read, read(), work, files.has_next)
        elif not settings.check_mode:
            planner.apply(plan)
    return Outcome(plan, "", [], written)


def locked(settings: Settings) -> ContextManager[Optional[HostLock]]:
    """Check mode writes nothing, not even a lock."""
    return nullcontext() if settings.check_mode else HostLock(settings.lock_timeout)
