# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The configuration that the running engine was started with. The file may have changed since.

An engine reads the firewall's keys of daemon.json only at its start, and does not report them.
So the old keys are noted before the file is changed. The note is valid for that one process. It is gone after the next boot.
"""

from __future__ import annotations

import json
import os
import time
from typing import Dict, NamedTuple, Optional

from ...host.system import files
from ...host.system.system import System
from .process import PROC, Daemon

NOTE = "/run/drawbridge.daemon"


class Running(NamedTuple):
    """A running engine. identity: identifies this one process. started: seconds since the epoch."""

    identity: str
    started: float


def running(system: System, daemon: Optional[Daemon], proc: str = PROC) -> Optional[Running]:
    """Return the daemon's identity and start time, None if none runs."""
    if daemon is None:
        return None
    # The process name stands before the state. It may contain any character, parentheses too.
    fields = (system.read("%s/%d/stat" % (proc, daemon.pid)) or "").rpartition(")")[2].split()
    if len(fields) < 20:
        return None
    since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot
    return Running("%d.%s" % (daemon.pid, fields[19]), time.time() - age)


def started_with(
    system: System, engine: Running, now: Dict[str, object], changed_at: Optional[float], note: str = NOTE
) -> Optional[Dict[str, object]]:
    """Return the keys that the engine was started with, None if unknown.

    now: the file's keys. changed_at: the time of the file's last change, None if there is no file.
    """
    noted = _noted(system, note)
    keys = None if noted is None or noted.get("engine") != engine.identity else noted.get("keys")
    if isinstance(keys, dict):
        return keys
    return now if changed_at is None or changed_at <= engine.started else None


def remember(engine: Running, keys: Dict[str, object], note: str = NOTE) -> None:
    """Note the keys that an engine was started with, before its file is changed."""
    files.replace(note, json.dumps({"engine": engine.identity, "keys": keys}).encode(), 0o600)


def _noted(system: System, note: str) -> Optional[Dict[str, object]]:
    try:
        found = json.loads(system.read(note) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
