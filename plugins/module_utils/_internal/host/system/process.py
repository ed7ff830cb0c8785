# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Processes and their network namespaces, from /proc."""

from __future__ import annotations

import os
from typing import Optional

from ...errors import DrawbridgeError
from .system import System

PROC = "/proc"


def netns_path(pid: int, proc: str = PROC) -> str:
    return "%s/%d/ns/net" % (proc, pid)


def netns_inode(path: str) -> Optional[int]:
    """Return the inode number that identifies a namespace, None if the path is not a namespace or is gone.

    Raises DrawbridgeError if this process has no permission to look.
    """
    try:
        found, own = os.stat(path), os.stat(PROC + "/self/ns/net")
    except PermissionError as error:
        raise DrawbridgeError("cannot look at %s: %s" % (ascii(path), error.strerror), None, "run the task as root (become: true)") from None
    except OSError:
        return None
    return found.st_ino if found.st_dev == own.st_dev else None


def started(system: System, pid: int, proc: str = PROC) -> Optional[int]:
    """Return the start time of a process in ticks since boot, None if there is no such process.

    The start time and the process id together identify a process.
    """
    # The process name stands before the state. It may contain any character, parentheses too.
    fields = (system.read("%s/%d/stat" % (proc, pid)) or "").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else None
