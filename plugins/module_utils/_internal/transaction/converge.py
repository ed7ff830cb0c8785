# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bring a host to its desired state: lock, read, plan and, outside of check mode, apply.

Most modules give ``converge`` a function that returns the desired state. A policy takes the same steps one by one, see
``policy_pipeline/pipeline.py``.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, NamedTuple, Optional

from ..errors import DrawbridgeError
from ..host.system.lock import HostLock
from ..host.system.parallel import begun
from ..host.system.paths import COMMIT
from ..host.system.system import System
from ..netfilter.kernel.cross_check import NEVER, Report
from ..netfilter.kernel.ipset import LiveSet
from ..netfilter.kernel.iptables import LEGACY
from ..netfilter.kernel.netfilter import Live, Netfilter
from ..netfilter.reconcile.diff import before_and_after
from ..netfilter.reconcile.plan import Plan, Planner
from ..netfilter.rules.desired import DesiredState
from ..netfilter.rules.saved_ruleset import Ruleset
from ..persistence.lookup import boot_files, change_to_confirm
from .host_change import HostChange

if TYPE_CHECKING:
    from ..persistence.checkpoint import Armed

_POLL_SECONDS = 0.1


class Settings(NamedTuple):
    """How a task runs. transport: nft, legacy or auto. lock_timeout: seconds to wait for other runs on the host. confirm_timeout: seconds until
    the host rolls an unconfirmed change back, 0 for never. armed: id of the checkpoint that this run itself has armed; the run does not
    wait for it. settles: how the boot files take a change, COMMIT or FOLLOW. cross_check: whether a second reader checks the written rules."""

    transport: str
    lock_timeout: float
    check_mode: bool
    confirm_timeout: int = 0
    armed: str = ""
    settles: str = COMMIT
    cross_check: str = NEVER


class Outcome(NamedTuple):
    """The result of a task, or in check mode the result it would have. files: whether the boot files were written. armed: the checkpoint that
    covers the change. cross_checked: the second reader's report, None if it did not run."""

    plan: Plan
    transport: str
    warnings: List[str]
    files: bool = False
    armed: Optional[Armed] = None
    cross_checked: Optional[Report] = None

    @property
    def is_change(self) -> bool:
        return self.plan.is_change or self.files

    def result(self) -> Dict[str, object]:
        """Return the part of a module's result that all modules share."""
        values: Dict[str, object] = {"changed": self.is_change, "transport": self.transport, "diff": before_and_after(self.plan)}
        if self.armed is not None:
            values["checkpoint"] = {"id": self.armed.id, "seconds": self.armed.seconds_left}
        if self.cross_checked is not None and self.transport == LEGACY:
            values["cross_checked"] = self.cross_checked._asdict()
        return values


class Reading(NamedTuple):
    """The reads of a host, which run while the caller determines the desired state. rulesets and sets wait for these reads. sets is None if the
    owner of the sets is not known yet."""

    netfilter: Netfilter
    rulesets: Callable[[], Dict[int, Ruleset]]
    sets: Optional[Callable[[], Dict[str, LiveSet]]]


class Planned(NamedTuple):
    """A plan, and the kernel's state when it was made."""

    planner: Planner
    live: Live
    plan: Plan


def converge(system: System, settings: Settings, wanted: Callable[[Netfilter], DesiredState]) -> Outcome:
    """Bring the host to the desired state. ``wanted`` is called under the lock, so that nothing it looks up changes before the rules do."""
    with locked(settings):
        return converge_locked(system, settings, wanted)


def converge_locked(system: System, settings: Settings, wanted: Callable[[Netfilter], DesiredState]) -> Outcome:
    """Do the same for a caller that holds the lock and needs it for more."""
    reading = begin(system, settings)
    return commit(planned(reading, wanted(reading.netfilter), settings), settings)


def begin(system: System, settings: Settings, owner: str = "") -> Reading:
    """Begin to read the host; the caller holds the lock. owner: the owner of the sets to read, empty if it is not known yet."""
    netfilter = Netfilter(system, settings.transport, settings.cross_check)
    return Reading(netfilter, begun(netfilter.rulesets), begun(lambda: netfilter.sets(owner)) if owner else None)


def planned(reading: Reading, wanted: DesiredState, settings: Settings) -> Planned:
    """Plan the changes that bring the host to the desired state. Raises DrawbridgeError if the host refuses a rule."""
    planner = Planner(reading.netfilter, wanted, assume_missing=settings.check_mode)
    live = planner.read_by(reading.rulesets, reading.sets or planner.sets)
    return Planned(planner, live, planner.plan(live))


def commit(change: Planned, settings: Settings, beside: HostChange = HostChange()) -> Outcome:
    """Make the planned change, unless in check mode; the caller still holds the lock. Raises DrawbridgeError; the old rules are then in force
    unless the message says otherwise."""
    planner, live, plan = change
    netfilter = planner.netfilter
    files = boot_files(netfilter.system, settings.settles)
    written = files is not None and (plan.is_change or not files.are_in_step(live))
    armed: Optional[Armed] = None
    more = beside.changes(netfilter)
    if (plan.is_change or written or more) and not settings.check_mode:
        from .change import Change  # pylint: disable=import-outside-toplevel

        armed = Change(netfilter, planner, plan, live, files, beside if more else None).make(settings.confirm_timeout)
    second = netfilter.cross_check
    warnings = netfilter.warnings + plan.warnings + (second.warnings if second else [])
    return Outcome(plan, netfilter.variant, warnings, written, armed, second.report if second else None)


def bring(netfilter: Netfilter, wanted: DesiredState, settings: Settings) -> Plan:
    """Bring this thread's network namespace to the desired state; the caller holds the lock."""
    planner = Planner(netfilter, wanted, assume_missing=settings.check_mode)
    plan = planner.plan(planner.read())
    if plan.is_change and not settings.check_mode:
        _apply(planner, plan)
    return plan


def _apply(planner: Planner, plan: Plan) -> None:
    """Apply the plan. Imported late: most runs change nothing, and the host compiles every import anew."""
    from ..netfilter.reconcile.apply import apply  # pylint: disable=import-outside-toplevel

    apply(planner, plan)


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Hold the host's lock, and wait until no change of another run waits for confirmation. Check mode writes nothing, not even a lock.
    Raises DrawbridgeError after the lock timeout."""
    if settings.check_mode:
        yield
        return
    deadline = time.monotonic() + settings.lock_timeout
    while True:
        with HostLock(max(0.0, deadline - time.monotonic())):
            armed = change_to_confirm(System())
            if armed is None or armed.id == settings.armed:
                yield
                return
        if time.monotonic() >= deadline:
            raise DrawbridgeError(
                "another run's change waits to be confirmed, for %d s at most" % (armed.seconds_left + 1), None, "raise lock_timeout"
            )
        time.sleep(_POLL_SECONDS)
