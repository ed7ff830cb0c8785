# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host while a change waits to be confirmed, for changes beside rules.

The checkpoint's folder remembers the old values of settings that take effect at once; a rollback restores them with the rules. Files take
effect at a boot or a start of the engine; the confirmation writes them. A host that boots before that needs no rollback of files.
The boot program reads this folder (``changed_files.sh``, ``settings.sh``).
"""

from __future__ import annotations

import os
import time
from typing import Dict, Mapping, Optional

from ..errors import DrawbridgeError
from ..host.boot.sysctl import place
from ..host.system import files
from ..host.system.files import Held
from ..host.system.folder import Folder
from ..host.system.paths import BESIDE, STATE
from ..host.system.system import System
from .checkpoint import NAME, Armed, Checkpoint

_SETTINGS = "settings"
_PATHS = "paths"


def settings_in(folder: Folder) -> Dict[str, str]:
    """Return the remembered settings with their values before the change."""
    lines = [line.split() for line in (folder.read(_SETTINGS) or "").splitlines()]
    return {words[0]: words[1] for words in lines if len(words) == 2}


def numbers_in(folder: Folder) -> Dict[str, str]:
    """Return, by path of each file to be exchanged, the number that names its texts in the folder (``.old`` and ``.new``)."""
    lines = [line.partition(" ") for line in (folder.read(_PATHS) or "").splitlines()]
    return {path: number for number, _space, path in lines}


class CheckpointedSystem(System):
    """This host under a checkpoint. Callers of methods that change it hold the host's lock."""

    waits = True

    def __init__(self, armed: Armed, state: str = STATE) -> None:
        super().__init__()
        self._armed = armed
        self._checkpoint = Checkpoint(self, state)
        self._folder = Folder(os.path.join(state, NAME, BESIDE))
        self._numbers = numbers_in(self._folder)

    def refuse_if_over(self) -> None:
        """Raises DrawbridgeError if the checkpoint is gone, so that nothing is added to a change that was rolled back."""
        found = self._checkpoint.armed()
        if found is None or found.id != self._armed.id:
            raise DrawbridgeError("the change took longer than the host waits for its confirmation: it was taken back", "confirm_timeout", "raise it")

    def read(self, path: str) -> Optional[str]:
        number = self._numbers.get(path) if self._numbers else None
        return super().read(path) if number is None else self._folder.read(number + ".new")

    def look(self, path: str) -> Optional[Held]:
        number = self._numbers.get(files.target_of(path))
        held = super().look(path)
        if number is None:
            return held
        text = self._folder.read(number + ".new")
        if text is None:
            return None
        data = text.encode("utf-8", "surrogateescape")
        return Held(data, 0o644, (0, 0), time.time()) if held is None else held._replace(data=data)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self._prepare(path, data.decode("utf-8", "surrogateescape"))

    def remove(self, path: str) -> None:
        self._prepare(path, None)

    def back_up(self, path: str) -> Optional[str]:
        """Do nothing: the confirmation backs up the file that exists by then."""
        return None

    def remember(self, values: Mapping[str, str]) -> None:
        # The first remembered value is the one from before the change.
        before = dict(values, **settings_in(self._folder))
        self._folder.make()
        self._folder.write(_SETTINGS, "".join("%s %s\n" % (name, before[name]) for name in sorted(before, key=place)))

    def _prepare(self, path: str, text: Optional[str]) -> None:
        """Have the confirmation write a file, or remove it if text is None."""
        target = files.target_of(path)
        if "\n" in target:
            raise DrawbridgeError("a name with a line break", ascii(target))
        self._folder.make()
        number = self._numbers.get(target) or str(len(self._numbers) + 1)
        if target not in self._numbers:
            self._put(number + ".old", super().read(target))
        self._put(number + ".new", text)
        if target not in self._numbers:
            self._numbers[target] = number
            self._folder.write(_PATHS, "".join("%s %s\n" % (key, name) for name, key in self._numbers.items()))

    def _put(self, name: str, text: Optional[str]) -> None:
        if text is None:
            self._folder.remove(name)
        else:
            self._folder.write(name, text)
