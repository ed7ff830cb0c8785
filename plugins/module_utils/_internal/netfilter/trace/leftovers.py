# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Probes are taken away whatever becomes of the task: by a process that looks after them, or by a later run, which knows them by their names."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from typing import Callable, NamedTuple, Optional

from ...host.system.process import started
from ...host.system.system import System

_LABEL = re.compile(r"drawbridge-trace-([0-9]+)-([0-9]+)-([0-9]+)")
# Seconds beyond a trace's own time, for a machine that is busy.
GRACE = 30
_DONE = b"."
_MOST_FILES = 65536


class Label(NamedTuple):
    """pid, born: the process that takes the probes away. until: in seconds since boot."""

    pid: int
    born: int
    until: int

    def __str__(self) -> str:
        return "drawbridge-trace-%d-%d-%d" % self


def own_label(system: System, seconds: float) -> Label:
    """Return the name for probes of this process."""
    pid = os.getpid()
    return Label(pid, started(system, pid) or 0, int(_now() + seconds + GRACE))


def find_label(text: str) -> Optional[Label]:
    """Return the name in a text, None if there is none."""
    found = _LABEL.search(text)
    return Label(*map(int, found.groups())) if found else None


def is_left_over(system: System, label: Label) -> bool:
    """Tell whether nobody takes these probes away any more."""
    return _now() > label.until or started(system, label.pid) != label.born


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Guard:
    """Made before the probes are put. It waits until this process ends in whatever way, or the time is over, and then cleans.

    clean: runs in the guard's own process. It imports nothing: by then the module's own files are gone.
    """

    def __init__(self, clean: Callable[[], None], seconds: float) -> None:
        ear, self._mouth = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _stand_apart(ear)
                _wait(ear, seconds, clean)
            finally:
                os._exit(0)
        os.close(ear)

    def dismiss(self) -> None:
        """Nothing is left to be taken away."""
        mouth, self._mouth = self._mouth, -1
        if mouth < 0:
            return
        try:
            os.write(mouth, _DONE)
        except OSError:
            # It is over already: its time was, or somebody killed it.
            pass
        os.close(mouth)
        os.waitpid(self._pid, 0)


def _stand_apart(ear: int) -> None:
    """Leave the session and the files of the process that is guarded: nobody waits for this one, and what ends that one does not end it."""
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.closerange(3, ear)
    os.closerange(ear + 1, _MOST_FILES)


def _wait(ear: int, seconds: Optional[float], clean: Callable[[], None]) -> None:
    is_heard = bool(select.select([ear], [], [], seconds)[0])
    if not is_heard or os.read(ear, 1) != _DONE:
        clean()
