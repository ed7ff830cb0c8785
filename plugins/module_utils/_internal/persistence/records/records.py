# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Records: tasks' arguments, kept on the host so that the event service can apply them again when a container starts."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Dict, List, NamedTuple, Optional

from ...errors import DrawbridgeError
from ...host.system.folder import Folder

FOLDER = "/var/lib/drawbridge/records"
# Each start of a container reads all records.
MAX_RECORDS = 1000
_VERSION = 1


class Record(NamedTuple):
    """module: the module that the arguments belong to, as ``container_port``. name: of the record, unique for its module.
    arguments: the module's arguments with defaults, as JSON values. order: a later record has a higher one;
    :meth:`Records.put` sets it."""

    module: str
    name: str
    arguments: Dict[str, object]
    order: int = 0

    def says_the_same(self, other: Optional[Record]) -> bool:
        return other is not None and self.arguments == other.arguments


class Records:
    """The records of this host: one file each, for root only, written atomically."""

    def __init__(self, folder: Optional[str] = None) -> None:
        self._folder = Folder(folder or FOLDER)

    @property
    def are_kept(self) -> bool:
        """Whether this host keeps records: the event service's installation makes the folder."""
        return self._folder.exists

    @property
    def stamp(self) -> object:
        """A value that changes whenever a record is put or removed."""
        try:
            return os.stat(self._folder.path).st_mtime_ns
        except OSError:
            return None

    def all(self) -> List[Record]:
        """Return all records, oldest first. Raises DrawbridgeError with the file's name if one cannot be read."""
        found = [self._read(name) for name in self._files()]
        return sorted(found, key=lambda record: (record.order, record.module, record.name))

    def find(self, module: str, name: str) -> Optional[Record]:
        """Return one record, or None."""
        file = _file(module, name)
        return self._read(file) if self._folder.read(file) is not None else None

    def put(self, record: Record) -> None:
        """Save a record as the newest. It replaces the record of the same module and name. Raises DrawbridgeError beyond
        MAX_RECORDS. The caller holds the host's lock."""
        self.require_room(record.module, record.name)
        kept = self.all()
        if kept and kept[-1] == record._replace(order=kept[-1].order):
            return
        text = dict(record._asdict(), version=_VERSION, order=kept[-1].order + 1 if kept else 1)
        self._folder.write(_file(record.module, record.name), json.dumps(text, indent=1, sort_keys=True) + "\n")

    def settle(self, record: Record, stays: bool, writes: bool) -> bool:
        """Save the record if it stays, else remove it → whether that is a change. writes: False changes nothing."""
        held = self.find(record.module, record.name)
        if writes and stays:
            self.put(record)
        elif writes:
            self.remove(record.module, record.name)
        return not record.says_the_same(held) if stays else held is not None

    def require_room(self, module: str, name: str) -> None:
        """Raises DrawbridgeError if a record of this name would exceed MAX_RECORDS."""
        if self.find(module, name) is None and len(self._files()) >= MAX_RECORDS:
            raise DrawbridgeError("%s holds %d records already" % (self._folder.path, MAX_RECORDS), None, "remove some with state: absent")

    def remove(self, module: str, name: str) -> None:
        """Remove a record, if it exists."""
        if self.are_kept:
            self._folder.remove(_file(module, name))

    def _files(self) -> List[str]:
        return [name for name in self._folder.names() if name.endswith(".json")]

    def _read(self, file: str) -> Record:
        try:
            data = json.loads(self._folder.read(file) or "")
            if data["version"] != _VERSION:
                raise ValueError("version %s" % ascii(data["version"]))
            return Record(str(data["module"]), str(data["name"]), dict(data["arguments"]), int(data["order"]))
        except (ValueError, KeyError, TypeError) as error:
            place = "%s/%s" % (self._folder.path, file)
            raise DrawbridgeError("%s is not a record: %s" % (place, error), None, "remove it, and run the task again") from None


def _file(module: str, name: str) -> str:
    """Return a safe file name: hashed, so that no user's name can leave the folder."""
    return "%s-%s.json" % (module, hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32])
