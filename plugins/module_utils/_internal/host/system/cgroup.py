# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Version 2 cgroups. The kernel uses them to tell a socket's owner. Hosts with version 1 may also have version 2."""

from __future__ import annotations

import os
import re
from typing import Optional

from .process import PROC
from .system import System

MOUNT = "/sys/fs/cgroup"
# systemd mounts version 2 here: alone, or beside version 1. nft looks for paths only below MOUNT.
_PLACES = ("", "unified/")
_CONTROLLERS = "cgroup.controllers"
# The first cgroup namespace, which contains all others. See PROC_CGROUP_INIT_INO.
_FIRST_NAMESPACE = "cgroup:[4026531835]"
# Since 6.11 the kernel counts levels from the namespace that made the rule.
# Since 5.15 it tells a socket's version 2 cgroup also if version 1's net_cls or net_prio are in use.
_COUNTS_FROM_NAMESPACE, _TELLS_BESIDE_VERSION_1 = (6, 11), (5, 15)


def of_process(system: System, pid: int, proc: str = PROC) -> Optional[str]:
    """Return a process's version 2 cgroup without the leading slash, None if it is only in the root cgroup."""
    for line in (system.read("%s/%d/cgroup" % (proc, pid)) or "").splitlines():
        if line.startswith("0::/"):
            path = line[len("0::/"):]
            return path if path and ".." not in path.split("/") else None
    return None


def as_nft_names(path: str, mount: str = MOUNT) -> Optional[str]:
    """Return a cgroup's path in nft's form, None if there is no such cgroup now."""
    for place in _PLACES:
        if os.path.exists(os.path.join(mount, place, _CONTROLLERS)):
            return place + path if os.path.isdir(os.path.join(mount, place, path)) else None
    return None


def tells_sockets(proc: str = PROC, mount: str = MOUNT, release: str = "") -> bool:
    """Tell whether the kernel's cgroup of a socket is reliable, and whether the kernel counts levels from the start of our paths."""
    found = re.match(r"(\d+)\.(\d+)", release or os.uname().release)
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if not os.path.exists(os.path.join(mount, _CONTROLLERS)) and version < _TELLS_BESIDE_VERSION_1:
        return False
    try:
        return os.readlink(proc + "/self/ns/cgroup") == _FIRST_NAMESPACE or version >= _COUNTS_FROM_NAMESPACE
    except OSError:
        return False
