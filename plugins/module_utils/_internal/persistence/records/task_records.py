# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How a task updates the records of this host, while it holds the host's lock."""

from __future__ import annotations

import json
from typing import Dict, List, Optional, Sequence

from ...engine.containers.selector import SELECTOR_ARGUMENTS, Selector, parse_selector
from ...engine.containers.target import Target
from ...errors import DrawbridgeError
from .records import Record, Records

# Selectors by which a container cannot be found again.
_NOT_FOLLOWED = ("pid", "path")


class RecordGone(DrawbridgeError):
    """The record to apply again was removed or replaced."""


class TaskRecords:
    """For a task that leaves no record. The methods are called with the host's lock held, unless nothing is to be written."""

    # Whether the task's work will be applied again to containers that start.
    lasts = False

    def begin(self) -> None:
        """Called before anything is changed. Raises DrawbridgeError if no record could be kept, RecordGone if there is nothing to do."""

    def settle(self, targets: Sequence[Target]) -> bool:
        """Called once everything is in place for these targets. Return whether a record was changed."""
        return False

    def refused(self, error: DrawbridgeError) -> None:
        """Called if a part cannot be done. Raises the error, unless the rest is to be done all the same."""
        raise error

    def forget(self) -> None:
        """Called if the record is no longer in force anywhere."""


class ReplayedRecords(TaskRecords):
    """For the event service: a record may have been removed or replaced since it was read."""

    def __init__(self, records: Records, record: Record) -> None:
        self._records = records
        self._record = record
        self.refusals: List[DrawbridgeError] = []

    def begin(self) -> None:
        if not self._record.says_the_same(self._records.find(self._record.module, self._record.name)):
            raise RecordGone("it is not asked for any more")

    def refused(self, error: DrawbridgeError) -> None:
        # Another container may have the port's target address by now: the port has to be closed even if a part fails.
        self.refusals.append(error)

    def forget(self) -> None:
        self._records.remove(self._record.module, self._record.name)


class SelectorRecords(TaskRecords):
    """For a task that applies one subject, as a section of rules, to containers chosen by a selector.

    A new record removes older ones of its subject if it chooses all of their containers. A task with ``state: absent`` leaves a record
    itself if a remaining record may choose some of the same containers: the later record wins.
    """

    def __init__(self, records: Records, module: str, subject: str, arguments: Dict[str, object], writes: bool) -> None:
        """arguments: the module's, validated, with ``state`` and the selector's keys. writes: False in check mode."""
        self._records = records
        self._module = module
        self._subject = subject
        self._arguments = arguments
        self._writes = writes
        self.lasts = arguments["state"] == "present"

    def begin(self) -> None:
        if self.lasts and self._writes:
            self._records.require_room(self._module, record_name(self._subject, self._arguments))

    def settle(self, targets: Sequence[Target]) -> bool:
        arguments = dict(self._arguments)
        if arguments["id"] is not None:
            if len(targets) != 1:
                return False
            # A short id that matches one container today may match two tomorrow.
            arguments["id"] = targets[0].id
        mine = Record(self._module, record_name(self._subject, arguments), arguments)
        selector = selector_of(arguments)
        others = [record for record in self._others() if record.name != mine.name]
        covered = [record for record in others if covers(selector, selector_of(record.arguments))]
        left = [record for record in others if record not in covered and not disjoint(selector, selector_of(record.arguments))]
        for record in covered if self._writes else ():
            self._records.remove(record.module, record.name)
        return self._records.settle(mine, self.lasts or bool(left), self._writes) or bool(covered)

    def _others(self) -> List[Record]:
        return [
            record
            for record in self._records.all()
            if record.module == self._module and json.loads(record.name)[0] == self._subject
        ]


def memory_of(module: str, subject: str, arguments: Dict[str, object], writes: bool) -> TaskRecords:
    """Return a task's records. They record nothing if the host keeps none, or if the selector cannot be followed."""
    records = Records()
    if not records.are_kept or any(arguments[key] is not None for key in _NOT_FOLLOWED):
        return TaskRecords()
    return SelectorRecords(records, module, subject, arguments, writes)


def record_name(subject: str, arguments: Dict[str, object]) -> str:
    """Return a name that is unique for subject and selector."""
    given = {key: arguments[key] for key in SELECTOR_ARGUMENTS if arguments.get(key) is not None}
    return json.dumps([subject, given], sort_keys=True)


def selector_of(arguments: Dict[str, object]) -> Selector:
    """Return the selector in a record's arguments."""
    return parse_selector({key: arguments.get(key) for key in SELECTOR_ARGUMENTS})


def covers(broad: Selector, narrow: Selector) -> bool:
    """Whether ``broad`` chooses every container that ``narrow`` can choose."""
    labels = dict(narrow.labels)
    return all(
        wanted is None or wanted == given
        for key, wanted, given in zip(broad._fields, broad, narrow)
        if key not in ("labels", "cri_socket")
    ) and all(key in labels and value in (None, labels[key]) for key, value in broad.labels)


def disjoint(one: Selector, other: Selector) -> bool:
    """Whether no container matches both."""

    def differ(first: Optional[str], second: Optional[str]) -> bool:
        return first is not None and second is not None and first != second

    labels = dict(other.labels)
    by_name = any(differ(getattr(one, key), getattr(other, key)) for key in ("name", "id", "pod", "pod_namespace"))
    return by_name or any(differ(value, labels.get(key)) for key, value in one.labels)
