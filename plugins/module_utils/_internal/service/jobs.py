# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The functions that apply a record again, by the record's module."""

from __future__ import annotations

from typing import Callable, Dict

from ..engine.api.client import Inspector, WholeEngine
from ..persistence.records.port_records import MODULE as CONTAINER_PORT
from ..persistence.records.quarantine_notes import MODULE as QUARANTINE
from ..persistence.records.task_records import TaskRecords
from ..policy.compile.record_in_force import MODULE as HOST_POLICY
from ..tasks.container_port import open_port
from ..tasks.container_rules import MODULE as CONTAINER_RULES
from ..tasks.container_rules import put_rules
from ..tasks.quarantine import put_quarantine
from ..tasks.task import Result, Task
from .policy_records import follow_policy

# Inside the chosen containers, in all of them alike.
IN_CONTAINERS: Dict[str, Callable[[Task, Callable[[str], Inspector], TaskRecords], Result]] = {
    CONTAINER_RULES: put_rules,
    QUARANTINE: put_quarantine,
}
# On the host. These see the whole engine, also containers that ended.
ON_THE_HOST: Dict[str, Callable[[Task, Callable[[str], WholeEngine], TaskRecords], Result]] = {
    CONTAINER_PORT: open_port,
    HOST_POLICY: follow_policy,
}
