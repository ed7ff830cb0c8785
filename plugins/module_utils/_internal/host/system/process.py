# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Processes and their network namespaces, as /proc shows them."""

from __future__ import annotations

import os
from typing import Optional

from ...errors import DrawbridgeError
from .system import System

PROC = "/proc"


def netns_path(pid: int, proc: str = PROC) -> str:
    return "%s/%d/ns/net" % (proc, pid)


def netns_inode(path: str) -> Optional[int]:
    """The number that tells one namespace from another; None for a path that is no namespace, or is gone.

    Raises DrawbridgeError where this process may not look.
    """
    try:
        found, own = os.stat(path), os.stat(PROC + "/self/ns/net")
    except PermissionError as error:
        raise DrawbridgeError("cannot look at %s: %s" % (ascii(path), error.strerror), None, "run the task as root (become: true)") from None
    except OSError:
        return None
    return found.st_ino if found.st_dev == own.st_dev else None


def started(system: System, pid: int, proc: str = PROC) -> Optional[int]:
    """When a process was started, in ticks since boot: with its id it tells it from every other. None: no such process."""
    # The name before the state may hold anything, parentheses included.
    fields = (system.read("%s/%d/stat" % (proc, pid)) or "").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else None
