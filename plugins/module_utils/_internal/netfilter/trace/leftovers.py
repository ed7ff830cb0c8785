# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Names of probes: each says whose it is and until when, so that a later run knows those that nobody takes away any more."""

from __future__ import annotations

import os
import re
import time
from typing import NamedTuple, Optional

from ...host.system.process import started
from ...host.system.system import System

_LABEL = re.compile(r"drawbridge-trace-([0-9]+)-([0-9]+)-([0-9]+)")
# Seconds beyond a trace's own time, for a machine that is busy.
GRACE = 30


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
