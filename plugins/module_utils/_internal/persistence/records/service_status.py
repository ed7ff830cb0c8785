# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell whether the event service is installed and runs."""

from __future__ import annotations

import os

from ...host.boot import unit
from ...host.system.system import System

UNIT = "drawbridge-events.service"
UNIT_FILE = os.path.join(unit.FOLDER, UNIT)
ABSENT, RUNNING, STOPPED = "absent", "running", "stopped"


def event_service(system: System) -> str:
    """Return absent, running or stopped."""
    systemctl = system.which("systemctl")
    if systemctl is None or unit.read(system, UNIT) is None:
        return ABSENT
    return RUNNING if system.run([systemctl, "is-active", UNIT]).stdout.strip() == "active" else STOPPED
