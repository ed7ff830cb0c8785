# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bring a host to what is wanted: lock, read, plan and, outside of check mode, apply."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Callable, ContextManager, Dict, List, NamedTuple, Optional

from ..boot.kept import boot_files
from ..host.lock import HostLock
from ..host.system import System
from .diff import before_and_after
from .host import Netfilter
from .model import Wanted
from .plan import Plan, Planner


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
        files = boot_files(system)
        written = files is not None and (plan.is_change or not files.are_in_step(live))
        if not settings.check_mode:
            work = (lambda: _apply(planner, plan)) if plan.is_change else None
            if files is not None and written:
                from ..boot.keep import changed_with_files  # pylint: disable=import-outside-toplevel

                changed_with_files(files, netfilter, planner.read, live, work, files.has_next)
            elif work:
                work()
    return Outcome(plan, netfilter.variant, netfilter.warnings + plan.warnings, written)


def bring(netfilter: Netfilter, wanted: Wanted, settings: Settings) -> Plan:
    """Bring the network namespace that this thread is in to what is wanted; the caller holds the lock."""
    planner = Planner(netfilter, wanted, assume_missing=settings.check_mode)
    plan = planner.plan(planner.read())
    if plan.is_change and not settings.check_mode:
        _apply(planner, plan)
    return plan


def _apply(planner: Planner, plan: Plan) -> None:
    """Imported late: most runs change nothing, and every import is compiled anew on the host."""
    from .apply import apply  # pylint: disable=import-outside-toplevel

    apply(planner, plan)


def locked(settings: Settings) -> ContextManager[Optional[HostLock]]:
    """Check mode writes nothing, not even a lock."""
    return nullcontext() if settings.check_mode else HostLock(settings.lock_timeout)
