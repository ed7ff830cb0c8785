# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Cgroups of version 2, by which the kernel tells whose a socket is. Hosts with version 1 may have them beside it."""

from __future__ import annotations

import os
import re
from typing import Optional

from .process import PROC
from .system import System

MOUNT = "/sys/fs/cgroup"
# Where systemd mounts them: alone, or beside version 1. nft looks for paths below MOUNT only.
_PLACES = ("", "unified/")
_CONTROLLERS = "cgroup.controllers"
# Of the namespace that every other one is within, see PROC_CGROUP_INIT_INO.
_FIRST_NAMESPACE = "cgroup:[4026531835]"
# The first release that counts levels from the namespace that a rule was made in.
_COUNTS_FROM_NAMESPACE = (6, 11)


def of_process(system: System, pid: int, proc: str = PROC) -> Optional[str]:
    """A process's cgroup, without a slash at its beginning; None where version 2 has none for it but the root."""
    for line in (system.read("%s/%d/cgroup" % (proc, pid)) or "").splitlines():
        if line.startswith("0::/"):
            path = line[len("0::/"):]
            return path if path and ".." not in path.split("/") else None
    return None


def as_nft_names(path: str, mount: str = MOUNT) -> Optional[str]:
    """A cgroup's path as nft wants it; None where there is no such cgroup now."""
    for place in _PLACES:
        if os.path.exists(os.path.join(mount, place, _CONTROLLERS)):
            return place + path if os.path.isdir(os.path.join(mount, place, path)) else None
    return None


def levels_are_ours(proc: str = PROC, release: str = "") -> bool:
    """Whether the kernel counts a cgroup's level from where our paths begin."""
    try:
        if os.readlink(proc + "/self/ns/cgroup") == _FIRST_NAMESPACE:
            return True
    except OSError:
        return False
    found = re.match(r"(\d+)\.(\d+)", release or os.uname().release)
    return found is not None and (int(found.group(1)), int(found.group(2))) >= _COUNTS_FROM_NAMESPACE
