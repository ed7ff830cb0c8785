# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A saved state, and a timer on the host that restores it unless the change is confirmed in time."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Dict, NamedTuple, Optional

from ..errors import DrawbridgeError
from ..host.system.folder import Folder
from ..host.system.paths import PROGRAM, STATE
from ..host.system.system import System
from ..netfilter.kernel.iptables import words_of
from .boot_program.run import run_program
from .boot_program.script import SCRIPT
from .texts import Generation

NAME = "checkpoint"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
# Armed by a task for its own change, which it confirms itself, or by firewall_checkpoint for all tasks that follow.
BY_TASK = "task"
BY_PLAY = "play"
# A rollback may still be running this many seconds after the deadline.
_LATE = 30


class Armed(NamedTuple):
    """A checkpoint that waits to be confirmed. deadline: seconds on the host's monotonic clock."""

    id: str
    by: str
    deadline: float

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


class Checkpoint:
    """The host's only checkpoint. Callers of methods that change it hold the host's lock."""

    def __init__(self, system: System, path: str = STATE) -> None:
        self.system = system
        self.folder = Folder(path)

    def armed(self) -> Optional[Armed]:
        """Return the checkpoint that waits to be confirmed; None if there is none or a reboot ended it."""
        if not self.folder.exists:
            return None
        words = (self.folder.read("%s/armed" % NAME) or "").split()
        if len(words) != 4 or words[3] != self._boot_id():
            return None
        return Armed(words[0], words[1], float(words[2]))

    def waiting(self) -> Optional[Armed]:
        """Return the checkpoint if it can still be confirmed, else None."""
        found = self.armed()
        return found if found and found.seconds_left > 0 else None

    def belongs_to_another_run(self) -> Optional[Armed]:
        """Return the checkpoint of a task that another run is about to confirm, or None."""
        found = self.armed()
        return found if found and found.by == BY_TASK and found.deadline + _LATE > time.monotonic() else None

    def arm(self, saved: Generation, timeout: int, by: str) -> Armed:
        """Roll back to ``saved`` after ``timeout`` seconds. Raises DrawbridgeError if no timer can be started; nothing is armed then."""
        armed = Armed(os.urandom(8).hex(), by, time.monotonic() + timeout)
        self.folder.make()
        self.folder.write_folder(NAME, self._files(saved, armed))
        try:
            if os.path.isdir("/run/systemd/system"):
                self._start_timer(armed, timeout)
            else:
                self._start_waiter(armed, timeout)
        except DrawbridgeError:
            self.folder.remove_folder(NAME)
            raise
        return armed

    def confirm(self, armed: Armed) -> None:
        """Keep the changes. Raises DrawbridgeError if they were rolled back already."""
        self._run("confirm", armed)

    def roll_back(self, armed: Armed) -> None:
        """Roll back now."""
        self._run("rollback", armed)

    def _run(self, verb: str, armed: Armed) -> None:
        run_program(self.system, self._program, verb, armed.id)

    @property
    def _program(self) -> str:
        return os.path.join(self.folder.path, NAME, PROGRAM)

    def _files(self, saved: Generation, armed: Armed) -> Dict[str, str]:
        note = "%s %s %f %s\n" % (armed.id, armed.by, armed.deadline, self._boot_id())
        return dict(saved.files, **{"digest": saved.digest, "armed": note, "id": armed.id + "\n", PROGRAM: SCRIPT})

    def _boot_id(self) -> str:
        return (self.system.read(_BOOT_ID) or "unknown").strip()

    def _start_timer(self, armed: Armed, timeout: int) -> None:
        output = self.system.run(
            [
                self.system.require("systemd-run", "systemd"),
                "--quiet",
                "--collect",
                "--unit=drawbridge-rollback-%s" % armed.id,
                "--description=Drawbridge: take back a change that nobody confirmed",
                "--on-active=%d" % timeout,
                # systemd's default is a minute.
                "--timer-property=AccuracySec=100ms",
                "/bin/sh",
                self._program,
                "rollback",
                armed.id,
            ]
        )
        if output.rc != 0:
            raise DrawbridgeError("no rollback can be armed: systemd-run: %s; nothing was changed" % words_of(output))

    def _start_waiter(self, armed: Armed, timeout: int) -> None:
        """Without systemd: start a process in its own session. Its PID and start time identify it."""
        # The process has to outlive this module.
        waiter = subprocess.Popen(  # pylint: disable=ansible-bad-function
            ["/bin/sh", self._program, "wait", armed.id, str(timeout)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        started = (self.system.read("/proc/%d/stat" % waiter.pid) or "").rpartition(")")[2].split()
        Folder(os.path.join(self.folder.path, NAME)).write("waiter", "%d %s\n" % (waiter.pid, started[19]))
