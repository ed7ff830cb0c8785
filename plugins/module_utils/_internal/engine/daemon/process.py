# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The engine's process and configuration file on this host."""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple, Optional

from ...host.system.system import System
from .proxy import config_file

PROC = "/proc"
PIDFILE = "/var/run/docker.pid"


class Daemon(NamedTuple):
    """A running dockerd.

    cmdline: its arguments. The first is its own name.
    config: the text of its daemon.json, None if there is none or it cannot be read.
    """

    pid: int
    cmdline: List[str]
    config: Optional[str]


def find_daemon(system: System, proc: str = PROC, pidfile: str = PIDFILE) -> Optional[Daemon]:
    """Find this host's dockerd. None if there is none.

    The process in the pid file is tried first, then every process. The host's /proc also shows engines inside containers:
    their namespaces differ. A process can choose its own name, and this module trusts its arguments.
    So its program must be dockerd, and all of its user ids must be root's.
    """
    for pid in _pids(system, proc, pidfile):
        text = system.read(os.path.join(proc, pid, "cmdline")) or ""
        cmdline = [word for word in text.split("\0") if word]
        if cmdline and os.path.basename(cmdline[0]) == "dockerd" and _is_ours(system, proc, pid):
            return Daemon(int(pid), cmdline, system.read(config_file(cmdline)))
    return None


def _pids(system: System, proc: str, pidfile: str) -> List[str]:
    noted = (system.read(pidfile) or "").strip()
    first = [noted] if noted.isascii() and noted.isdigit() else []
    try:
        names = os.listdir(proc)
    except OSError:
        return first
    return first + [name for name in names if name.isascii() and name.isdigit()]


def _is_ours(system: System, proc: str, pid: str) -> bool:
    if any(_link(proc, pid, kind) != _link(proc, "self", kind) for kind in ("ns/net", "ns/pid")):
        return False
    # A wrapped program's name has additions. The owner of the /proc folder proves nothing: it is root for any undumpable process.
    if "dockerd" not in os.path.basename(_link(proc, pid, "exe") or ""):
        return False
    users = re.search(r"^Uid:(.*)$", system.read(os.path.join(proc, pid, "status")) or "", re.MULTILINE)
    return users is not None and set(users.group(1).split()) == {"0"}


def _link(proc: str, pid: str, name: str) -> Optional[str]:
    try:
        return os.readlink(os.path.join(proc, pid, name))
    except OSError:
        return None
