# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Make a plan's change: arm a checkpoint before it, make the other changes on the host, and write the boot files after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from ..errors import DrawbridgeError
from ..netfilter.kernel.netfilter import Live, Netfilter
from ..netfilter.reconcile.apply import apply
from ..netfilter.reconcile.plan import Plan, Planner
from ..persistence.checkpoint import Armed, Checkpoint
from ..persistence.generations import BootFiles
from ..policy.compile.labels import takes_answers
from .boot_files import arm_before_change, change_with_files, write_if_outdated

if TYPE_CHECKING:
    from .host_change import HostChange

# Seconds until the rollback of a change that needs a checkpoint to be rolled back, if the task sets no confirm_timeout.
BY_ITSELF = 60


class Change:
    """live: the kernel's state when the plan was made. files: None if no boot files are kept. beside: the other changes on the host, None
    if there are none."""

    def __init__(
        self, netfilter: Netfilter, planner: Planner, plan: Plan, live: Live, files: Optional[BootFiles], beside: Optional[HostChange]
    ) -> None:
        self.netfilter = netfilter
        self.planner = planner
        self.plan = plan
        self.live = live
        self.files = files
        self.beside = beside

    def make(self, confirm_timeout: int) -> Optional[Armed]:
        """Make the change. Raises DrawbridgeError; the old rules are then in force unless the message says otherwise.

        confirm_timeout: seconds until the host rolls an unconfirmed change back; 0 for never. Return the checkpoint to confirm. There is
        also one with 0 if boot files are kept and there are other changes on the host, so that the boot files know of these.
        """
        timeout = confirm_timeout or (BY_ITSELF if self.files and self.beside else 0)
        if not timeout or not (self.plan.is_change or self.beside):
            self._make()
            return None
        checkpoint = Checkpoint(self.netfilter.system)
        files = self.files or BootFiles(self.netfilter.system)
        armed = arm_before_change(checkpoint, files, files.texts(self.netfilter, self.live), timeout)
        try:
            self._make()
        except DrawbridgeError:
            if armed:
                checkpoint.roll_back(armed)
            raise
        return armed

    def _make(self) -> None:
        if self.beside:
            self.beside.narrow()
        if self.plan.is_change:
            self._apply()
        elif self.files:
            write_if_outdated(self.files, self.netfilter, self.live)

    def _apply(self) -> None:
        def work() -> None:
            apply(self.planner, self.plan)

        if self.files is None:
            work()
        else:
            if takes_answers(self.plan):
                self.files.run("relax")
            change_with_files(self.files, self.netfilter, self.planner.read, self.live, work)
