# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The drop-in of the engine's unit: before each start it tells the kernel the unit's new cgroup.

It uses ExecStartPre, not systemd's own NFTSet: NFTSet needs systemd 255, and does not report a missing table.
"""

from __future__ import annotations

import os
from typing import List, Optional

from ...engine.daemon.arguments import UNIT
from ...engine.daemon.process import Daemon
from ...host.boot import unit
from ...host.system import cgroup
from ...host.system.paths import ETC, PROGRAM
from ...host.system.system import System
from ...policy.blocks.engine_table import is_usable

# The default slice of a unit.
_SLICE = "system.slice"

# "-": the engine starts even if this fails. "+": full rights, even if the unit restricts its own programs.
DROP_IN = """# Written by the Ansible collection drawbridge.docker: the kernel is told whose sockets docker-proxy's will be.
[Service]
ExecStartPre=-+/bin/sh %s/%s engine
""" % (ETC, PROGRAM)


def cgroup_of(system: System, daemon: Optional[Daemon]) -> Optional[str]:
    """Return the cgroup of the engine's unit, or its future cgroup if the engine does not run, or is not even installed. None if it has no unit."""
    if daemon is not None:
        found = cgroup.of_process(system, daemon.pid)
        return found if is_usable(found) else None
    return "%s/%s" % (_SLICE, UNIT) if unit.has_systemd(system) else None


def drop_in(path: str) -> str:
    """Return the path of the drop-in for the unit with this cgroup."""
    return os.path.join(unit.FOLDER, os.path.basename(path) + ".d", "drawbridge.conf")


def drop_ins(path: Optional[str]) -> List[str]:
    """Return the paths of all needed drop-ins. Docker's own unit always has one: it may be started instead of another unit."""
    return list(dict.fromkeys(drop_in(name) for name in (UNIT, path) if name))
