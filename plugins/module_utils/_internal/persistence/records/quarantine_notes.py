# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a host knows of its quarantines: who asked for each, when and why. Kept whether or not the event service is there."""

from __future__ import annotations

import os
import pwd
import time
from typing import Dict, List, NamedTuple, Optional, Sequence

from ...engine.containers.target import Target
from ...host.network.ssh import controlling_connection
from ...host.system.folder import Folder
from ...host.system.system import System
from . import records as kept_records
from .records import Record, Records
from .task_records import TaskRecords, record_name

MODULE = "quarantine"
# What chooses containers. A record's name is made of these.
SELECTORS = ("name", "id", "compose_project")
_FOLDER = "quarantines"
_NO_LOGIN = 0xFFFFFFFF


class Note(NamedTuple):
    """selector: the module's arguments that choose containers, those that were given. since: in UTC, as 2026-12-01T18:00:00Z."""

    selector: Dict[str, str]
    reason: str
    by: str
    since: str


class Notes:
    """The notes of this host. Callers that write hold the host's lock."""

    def __init__(self) -> None:
        self._folder = Folder(os.path.join(os.path.dirname(kept_records.FOLDER), _FOLDER))
        self._records = Records(self._folder.path)

    def all(self) -> List[Note]:
        """Return all notes, oldest first."""
        return [_note(record) for record in self._records.all()]

    def find(self, selector: Dict[str, str]) -> Optional[Note]:
        """Return the note of a quarantine by its selector."""
        found = self._records.find(MODULE, _name(selector))
        return None if found is None else _note(found)

    def put(self, note: Note) -> None:
        """Write a note. It replaces the one of the same selector."""
        self._folder.make()
        self._records.put(Record(MODULE, _name(note.selector), note._asdict()))

    def remove(self, selector: Dict[str, str]) -> None:
        """Remove a note, if it exists; the last one with its folder."""
        self._records.remove(MODULE, _name(selector))
        if not self._folder.names():
            self._folder.discard()


class QuarantineRecords(TaskRecords):
    """For the event service: one record for each quarantine. Lifting it removes the record: other quarantines of the same container hold on."""

    def __init__(self, records: Records, arguments: Dict[str, object], writes: bool) -> None:
        """arguments: the module's, with the selector that the note has. writes: False in check mode."""
        self._records = records
        self._record = Record(MODULE, record_name(MODULE, arguments), arguments)
        self._writes = writes
        self.lasts = arguments["state"] == "present"

    def begin(self) -> None:
        if self.lasts and self._writes:
            self._records.require_room(MODULE, self._record.name)

    def settle(self, targets: Sequence[Target]) -> bool:
        return self._records.settle(self._record, self.lasts, self._writes)


def quarantine_memory(arguments: Dict[str, object], writes: bool) -> TaskRecords:
    """Return the task's records. They record nothing if the host keeps none."""
    records = Records()
    return QuarantineRecords(records, arguments, writes) if records.are_kept else TaskRecords()


def who_asks(system: System) -> str:
    """Return the user who logged in to this host, and the address that they came from if it was by SSH."""
    login = (system.read("/proc/self/loginuid") or "").strip()
    number = int(login) if login.isdigit() and int(login) != _NO_LOGIN else os.getuid()
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = "user %d" % number
    connection = controlling_connection(system)
    return user if connection is None else "%s from %s" % (user, connection.remote_address)


def now() -> str:
    """Return the present time as notes have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _name(selector: Dict[str, str]) -> str:
    return record_name(MODULE, dict(selector))


def _note(record: Record) -> Note:
    given = record.arguments.get("selector")
    selector = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
    return Note(selector, *(str(record.arguments.get(key, "")) for key in ("reason", "by", "since")))
