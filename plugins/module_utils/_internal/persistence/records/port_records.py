# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Records of opened ports. By its record, a port follows a container that starts again."""

from __future__ import annotations

from typing import Dict, Sequence

from ...engine.containers.target import Target
from .records import Record, Records
from .task_records import TaskRecords

MODULE = "container_port"


class PortRecords(TaskRecords):
    """One record for each port of the host."""

    def __init__(self, records: Records, key: str, arguments: Dict[str, object], writes: bool) -> None:
        """arguments: the module's, validated. writes: False in check mode."""
        self._records = records
        self._key = key
        self._arguments = arguments
        self._writes = writes
        self.lasts = arguments["state"] == "present"

    def settle(self, targets: Sequence[Target]) -> bool:
        arguments = dict(self._arguments)
        if arguments["id"] is not None and targets:
            # A short id that matches one container today may match two tomorrow.
            arguments["id"] = targets[0].id
        return self._records.settle(Record(MODULE, self._key, arguments), self.lasts, self._writes)


def port_memory(key: str, arguments: Dict[str, object], writes: bool) -> TaskRecords:
    """Return the task's records. They record nothing if the host keeps none."""
    records = Records()
    return PortRecords(records, key, arguments, writes) if records.are_kept else TaskRecords()
