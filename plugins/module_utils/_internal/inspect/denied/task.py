# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The job of the module denied_info: who was denied, by the kernel's log."""

from __future__ import annotations

from typing import List, Tuple

from ...engine.api.connect import connect
from ...engine.facts.gather import ask
from ...errors import DrawbridgeError
from ...tasks.task import Result, Task
from .kernel_log import read_file, read_log
from .named_sets import NamedSets, read_sets
from .proposal import as_policy, as_yaml, proposed
from .who import Names, as_value, grouped

# Where no time is asked for.
_MINUTES = 60


def tell_denied(task: Task) -> Result:
    """Read the log and report. Raises DrawbridgeError if there is no log to read."""
    params = task.params
    minutes, most = params["minutes"], params["limit"]
    for option, value, largest in (("minutes", minutes, 525600), ("limit", most, 100000)):
        if value is not None and not 1 <= value <= largest:
            raise DrawbridgeError("%d is not from 1 to %d" % (value, largest), option)
    read = read_log(task.system, minutes or _MINUTES) if params["path"] is None else read_file(params["path"], minutes)
    names, warnings = _names(task) if params["resolve"] else (Names(), [])
    sets = read_sets(task.system) if params["resolve"] else NamedSets([])
    groups = grouped(read.denials, names)
    proposal = proposed(groups)
    values = {
        "changed": False, "log": read.log, "packets": len(read.denials),
        "denied": [dict(as_value(group), source_sets=sets.of(group.subject.family, group.subject.source)) for group in groups[:most]],
        "left_out": max(0, len(groups) - most), "proposal": as_policy(proposal), "proposal_yaml": as_yaml(proposal),
    }
    return Result(values, read.warnings + warnings)


def _names(task: Task) -> Tuple[Names, List[str]]:
    asked = ask(connect(task.params["docker_host"]), task.system)
    if not asked.facts.known:
        return Names(), ["the engine cannot be asked, so no container is named"]
    return Names(asked.published, asked.facts.containers), []
