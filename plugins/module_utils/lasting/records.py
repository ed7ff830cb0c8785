# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was asked for containers, kept on the host so that it can be done again when one of them starts."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Optional

from ..errors import DrawbridgeError
from ..host.folder import Folder

FOLDER = "/var/lib/drawbridge/lasting"
# Each start of a container reads all of them.
MAX_RECORDS = 1000
_VERSION = 1


class Record(NamedTuple):
    """module: whose arguments these are, as ``container_port``. name: of the record, one of a kind for the module.
    arguments: what the module was given, with defaults, as JSON holds it."""

    module: str
    name: str
    arguments: Dict[str, Any]


class Records:
    """The records of this host: one file each, root's alone, each whole or not there."""

    def __init__(self, folder: str = FOLDER) -> None:
        self._folder = Folder(folder)

    @property
    def are_kept(self) -> bool:
        """Whether this host keeps records: the event service's installation makes the folder."""
        return self._folder.exists

    def all(self) -> List[Record]:
        """Every record, by module and name. Raises DrawbridgeError with the file's name where one cannot be read."""
        return sorted(self._read(name) for name in self._folder.names() if name.endswith(".json"))

    def find(self, module: str, name: str) -> Optional[Record]:
        """One record, None where there is none."""
        file = _file(module, name)
        return self._read(file) if self._folder.read(file) is not None else None

    def put(self, record: Record) -> None:
        """Keep a record in the place of the one of its module and name. Raises DrawbridgeError beyond MAX_RECORDS."""
        file = _file(record.module, record.name)
        kept = [name for name in self._folder.names() if name.endswith(".json")]
        if file not in kept and len(kept) >= MAX_RECORDS:
            raise DrawbridgeError("%s holds %d records already" % (self._folder.path, MAX_RECORDS), None, "remove some with state: absent")
        text = {"version": _VERSION, "module": record.module, "name": record.name, "arguments": record.arguments}
        self._folder.write(file, json.dumps(text, indent=1, sort_keys=True) + "\n")

    def remove(self, module: str, name: str) -> None:
        """Forget a record that may be missing."""
        if self.are_kept:
            self._folder.remove(_file(module, name))

    def _read(self, file: str) -> Record:
        try:
            data = json.loads(self._folder.read(file) or "")
            if data["version"] != _VERSION:
                raise ValueError("version %s" % ascii(data["version"]))
            return Record(str(data["module"]), str(data["name"]), dict(data["arguments"]))
        except (ValueError, KeyError, TypeError) as error:
            place = "%s/%s" % (self._folder.path, file)
            raise DrawbridgeError("%s is not a record: %s" % (place, error), None, "remove it, and run the task again") from None


def _file(module: str, name: str) -> str:
    """A name that nothing in a user's name can reach out of."""
    return "%s-%s.json" % (module, hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32])
