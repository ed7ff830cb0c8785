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
# The first releases that count levels from the namespace that a rule was made in, and that tell a socket's cgroup wherever version 1 is used
# beside version 2, whatever its net_cls and net_prio do.
_COUNTS_FROM_NAMESPACE, _TELLS_BESIDE_VERSION_1 = (6, 11), (5, 15)


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


def tells_sockets(proc: str = PROC, mount: str = MOUNT, release: str = "") -> bool:
    """Whether what the kernel says of a socket's cgroup can be relied on, and it counts levels from where our paths begin."""
    found = re.match(r"(\d+)\.(\d+)", release or os.uname().release)
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if not os.path.exists(os.path.join(mount, _CONTROLLERS)) and version < _TELLS_BESIDE_VERSION_1:
        return False
    try:
        return os.readlink(proc + "/self/ns/cgroup") == _FIRST_NAMESPACE or version >= _COUNTS_FROM_NAMESPACE
    except OSError:
        return False
