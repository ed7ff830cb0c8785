# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan's change, and what goes with it: a checkpoint armed before, the boot files written after."""

from __future__ import annotations

from typing import Callable, Optional

from ..errors import DrawbridgeError
from ..netfilter.apply import apply
from ..netfilter.host import Live, Netfilter
from ..netfilter.plan import Plan, Planner
from .checkpoint import Armed, Checkpoint, arm_before_change
from .files import BootFiles
from .keep import change_with_files, write_if_outdated


class Change:
    """live: what the kernel held when the plan was made. files: None where no boot files are kept."""

    def __init__(self, netfilter: Netfilter, planner: Planner, plan: Plan, live: Live, files: Optional[BootFiles]) -> None:
        self.netfilter = netfilter
        self.planner = planner
        self.plan = plan
        self.live = live
        self.files = files

    def make(self, confirm_timeout: int, before: Callable[[Netfilter], None]) -> Optional[Armed]:
        """Raises DrawbridgeError, and the old rules are then in force unless it says otherwise.

        confirm_timeout: seconds until the host takes the change back unless it is confirmed; 0 for never. before: what goes ahead of the
        rules. Returns what to confirm.
        """
        if not self.plan.is_change:
            before(self.netfilter)
            if self.files:
                write_if_outdated(self.files, self.netfilter, self.live)
            return None
        if not confirm_timeout:
            before(self.netfilter)
            self._apply()
            return None
        checkpoint = Checkpoint(self.netfilter.system)
        files = self.files or BootFiles(self.netfilter.system)
        armed = arm_before_change(checkpoint, files, files.texts(self.netfilter, self.live), confirm_timeout)
        try:
            before(self.netfilter)
            self._apply()
        except DrawbridgeError:
            if armed:
                checkpoint.roll_back(armed)
            raise
        return armed

    def _apply(self) -> None:
        def work() -> None:
            apply(self.planner, self.plan)

        if self.files is None:
            work()
        else:
            change_with_files(self.files, self.netfilter, self.planner.read, self.live, work)
