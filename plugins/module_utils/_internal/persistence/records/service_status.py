# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell whether the event service is installed and runs."""

from __future__ import annotations

import os
import re

from ...engine.api.unix_socket import socket_path
from ...host.boot import unit
from ...host.system.system import System

UNIT = "drawbridge-events.service"
UNIT_FILE = os.path.join(unit.FOLDER, UNIT)
ABSENT, RUNNING, STOPPED = "absent", "running", "stopped"
# The service's option by which systemd has it close, once it ended, what entries by containers' names open. Releases that do not follow names
# have units without it.
ENDED = " --ended"
_ENGINE = re.compile(r"^ExecStart=.* --docker-host (\S+)", re.MULTILINE)


def event_service(system: System) -> str:
    """Return absent, running or stopped."""
    systemctl = system.which("systemctl")
    if systemctl is None or unit.read(system, UNIT) is None:
        return ABSENT
    return RUNNING if system.run([systemctl, "is-active", UNIT]).stdout.strip() == "active" else STOPPED


def follows_names(system: System, docker_host: str) -> bool:
    """Whether the event service runs, follows this engine, and knows of entries that name containers."""
    text = unit.read(system, UNIT) or ""
    engine = _ENGINE.search(text)
    return engine is not None and ENDED in text and place_of(engine.group(1)) == place_of(docker_host) and event_service(system) == RUNNING


def place_of(docker_host: str) -> str:
    """Return one spelling for all spellings of the same socket."""
    path = socket_path(docker_host)
    return docker_host if path is None else os.path.realpath(path)
