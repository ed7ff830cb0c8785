# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Write, enable and remove our systemd units."""

from __future__ import annotations

import os
from typing import Callable, FrozenSet, Optional, Sequence

from ...errors import DrawbridgeError
from ..system.system import System

FOLDER = "/etc/systemd/system"
# Tells which units run and start at boot.
Running = Callable[[], FrozenSet[str]]


def read(system: System, name: str) -> Optional[str]:
    """Return a unit's text, None if there is no such unit."""
    return system.read(os.path.join(FOLDER, name))


def has_systemd(system: System) -> bool:
    """Tell whether systemd runs this host."""
    return os.path.isdir("/run/systemd/system") and system.which("systemctl") is not None


def running(system: System, names: Sequence[str]) -> FrozenSet[str]:
    """Return those of the units that are active and start at boot. systemd is asked once for all of them."""
    program = system.which("systemctl")
    if program is None:
        return frozenset()
    told = system.run([program, "show", "--property=Id,ActiveState,UnitFileState", *names]).stdout
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in told.split("\n\n")]
    return frozenset(block.get("Id", "") for block in blocks if block.get("ActiveState") == "active" and block.get("UnitFileState") == "enabled")


def install(system: System, name: str, text: str) -> None:
    """Write a unit and enable it as its [Install] section says. The unit is not started now.

    If the host waits for a confirmation, the unit is enabled on confirmation.
    """
    system.write(os.path.join(FOLDER, name), text.encode("utf-8"))
    if system.waits:
        return
    _systemctl(system, "daemon-reload")
    _systemctl(system, "reenable", name)


def uninstall(system: System, name: str) -> None:
    """Remove a unit. An active unit is not stopped."""
    if read(system, name) is None:
        return
    if not system.waits:
        _systemctl(system, "disable", name)
    system.remove(os.path.join(FOLDER, name))
    if not system.waits:
        _systemctl(system, "daemon-reload")


def _systemctl(system: System, *words: str) -> None:
    done = system.run([system.require("systemctl", "systemd"), "--quiet", *words])
    if done.rc != 0:
        raise DrawbridgeError("systemctl %s failed: %s" % (" ".join(words), done.stderr.strip()[:500]))
