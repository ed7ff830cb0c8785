# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the engine's unit does ahead of its first process: tell the kernel the cgroup that it has this time.

By ExecStartPre and not by systemd's own NFTSet: that is known from 255 on only, and does not tell when the table is not there.
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

_VENDOR_UNITS = "/usr/lib/systemd/system", "/lib/systemd/system"
# Where systemd puts a unit that says nothing else.
_SLICE = "system.slice"

# The engine starts in any case. With full rights, whatever the unit leaves its own programs.
DROP_IN = """# Written by the Ansible collection drawbridge.docker: the kernel is told whose sockets docker-proxy's will be.
[Service]
ExecStartPre=-+/bin/sh %s/%s engine
""" % (ETC, PROGRAM)


def cgroup_of(system: System, daemon: Optional[Daemon]) -> Optional[str]:
    """The cgroup of the engine's unit; of one that does not run where it will be. None where there is no unit that is Docker's."""
    if daemon is not None:
        found = cgroup.of_process(system, daemon.pid)
        return found if is_usable(found) else None
    return "%s/%s" % (_SLICE, UNIT) if any(os.path.exists("%s/%s" % (place, UNIT)) for place in (*_VENDOR_UNITS, unit.FOLDER)) else None


def drop_in(path: str) -> str:
    """Where the drop-in of the unit with this cgroup is."""
    return os.path.join(unit.FOLDER, os.path.basename(path) + ".d", "drawbridge.conf")


def drop_ins(path: Optional[str]) -> List[str]:
    """Those that there shall be: Docker's own unit may be started instead of another one."""
    return list(dict.fromkeys(drop_in(name) for name in (UNIT, path) if name))
