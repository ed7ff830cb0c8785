# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Install or remove the event service: what the modules event_service and harden do."""

from __future__ import annotations

from typing import Optional

from ..host.boot.unit import Running
from ..persistence.records.service_status import UNIT
from ..tasks.task import Result, Task
from .install import Installation


def keep_service(task: Task, runs: Optional[Running] = None) -> Result:
    """Install or remove the service. runs: see Installation."""
    installation = Installation(task.system, runs)
    is_absent = task.params["state"] == "absent"
    if is_absent:
        changes, extra = installation.present(), installation.folders()
    else:
        changes = installation.missing(task.params["docker_host"], task.params["closed_until_ready"], task.params["metrics_file"] or None)
        extra = [] if not changes and installation.is_complete else [UNIT]
    if not task.check_mode:
        if (changes or extra) and is_absent:
            installation.remove()
        elif changes or extra:
            installation.install(changes)
        if not is_absent:
            installation.note_sources()
    written = [change.path for change in changes] + extra
    return Result({"changed": bool(written), "written": written, "diff": [change.as_diff() for change in changes]})
