# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bring an engine's daemon.json to the desired configuration, and check that the engine would start with it."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Dict, List, NamedTuple, Optional, Tuple

from ...errors import DrawbridgeError
from ...host.system.system import System
from . import running_config
from .arguments import arguments, without_config_file
from .config_file import DaemonFile, same
from .config_keys import KEYS, Release, check_known, check_together, dotted, effective, flags_given, parse_release
from .process import PROC, Daemon, find_daemon
from .proxy import config_file

# The first release with `dockerd --validate`.
_VALIDATES = (23,)


class DesiredConfig(NamedTuple):
    """values: keys of the file and their desired values, already checked. absent: keys to remove.

    path: the file, None for the one that the engine reads. place: the place in the user's data.
    """

    values: Dict[str, object]
    absent: Tuple[str, ...] = ()
    path: Optional[str] = None
    place: Optional[str] = None

    def place_of(self, key: str) -> str:
        option = key.replace("-", "_")
        return option if self.place is None else "%s.%s" % (self.place, option)


class Configured(NamedTuple):
    """The result of configuring, or of check mode.

    changes: by key, its values before and after, None if the key is not in the file.
    before, after: the keys that affect the firewall.
    restart_required: whether the running engine's configuration differs from the file.
    """

    path: str
    changes: Dict[str, Dict[str, object]]
    restart_required: bool
    backup_file: Optional[str]
    warnings: List[str]
    before: Dict[str, object]
    after: Dict[str, object]

    @property
    def changed(self) -> bool:
        return bool(self.changes)


def configure(system: System, wish: DesiredConfig, check_mode: bool, note: str = running_config.NOTE) -> Configured:
    """Configure the engine. Raises DrawbridgeError if the engine would not start with the new file. The file is unchanged then."""
    daemon = find_daemon(system)
    program = _program(system, daemon)
    engine = () if program is None else parse_release(system.run([program, "--version"]).stdout)
    words = arguments(system, daemon)
    path = wish.path or config_file(words.next)
    held = system.look(path)
    old = DaemonFile("" if held is None else held.data.decode("utf-8", "surrogateescape"), path)
    for key in wish.values:
        check_known(key, engine, wish.place_of(key))
    changes = _changes(old, wish)
    _refuse_flags(words.all, wish)
    warnings = ["a key stands in %s twice, the engine takes the last: %s" % (path, found) for found in old.duplicates()]
    text = old.changed(wish.values, wish.absent)
    new = DaemonFile(text, path)
    backup = None
    its_own = path == config_file(words.all if words.running is None else words.running)
    before = _before(system, daemon if its_own else None, old, None if held is None else held.mtime, note)
    if changes:
        check_together(new.values, engine, path)
        warnings += _validate(system, _Installed(program, engine, without_config_file(words.next)), text, path)
        if not check_mode:
            if before.running is not None and before.keys is not None:
                running_config.remember(before.running, before.keys, note)
            backup = system.back_up(path)
            system.write(path, text.encode("utf-8", "surrogateescape"))
    if before.running is not None and before.keys is None:
        warnings.append("%s was changed after the engine was started: what the engine runs with is not known" % path)
    restart = _restart_required(before, new, engine)
    return Configured(path, changes, restart, backup, warnings, _keys(old), _keys(new))


def shown(done: Configured) -> Dict[str, str]:
    """Return Ansible's diff. It has only the firewall's keys: the rest of the file may hold secrets."""
    before, after = (json.dumps(keys, indent=4) + "\n" if done.changed else "" for keys in (done.before, done.after))
    return {"before_header": done.path, "after_header": done.path, "before": before, "after": after}


class _Before(NamedTuple):
    """running: the engine's process. keys: the keys that it was started with, None if unknown."""

    running: Optional[running_config.Running]
    keys: Optional[Dict[str, object]]


def _before(system: System, daemon: Optional[Daemon], old: DaemonFile, mtime: Optional[float], note: str) -> _Before:
    process = running_config.running(system, daemon)
    if process is None:
        return _Before(None, None)
    return _Before(process, running_config.started_with(system, process, _keys(old), mtime, note))


def _keys(file: DaemonFile) -> Dict[str, object]:
    return {key: value for key, value in file.values.items() if key in KEYS}


def _restart_required(before: _Before, new: DaemonFile, engine: Release) -> bool:
    if before.running is None:
        return False
    return before.keys is None or not same(effective(before.keys, engine), effective(_keys(new), engine))


def _changes(old: DaemonFile, wish: DesiredConfig) -> Dict[str, Dict[str, object]]:
    found = {}
    for key, value in wish.values.items():
        if key not in old.values or not same(old.values[key], value):
            found[key] = {"before": old.values.get(key), "after": value}
    for key in wish.absent:
        if key in old.values:
            found[key] = {"before": old.values[key], "after": None}
    return found


def _program(system: System, daemon: Optional[Daemon]) -> Optional[str]:
    """Return the path of the dockerd that the next start runs."""
    if daemon is not None and os.path.isabs(daemon.cmdline[0]) and os.access(daemon.cmdline[0], os.X_OK):
        return daemon.cmdline[0]
    found = system.which("dockerd")
    if found is None and daemon is not None:
        return "%s/%d/exe" % (PROC, daemon.pid)
    return found


def _refuse_flags(words: List[str], wish: DesiredConfig) -> None:
    for key in flags_given(words):
        if key in wish.values:
            raise DrawbridgeError(
                "dockerd's command line states %s, and an engine does not start where its file states it too" % key,
                wish.place_of(key),
                "take it out of the unit's ExecStart or its environment file",
            )


class _Installed(NamedTuple):
    """The engine that the next start runs. program: None if there is none. flags: its arguments."""

    program: Optional[str]
    release: Release
    flags: List[str]


def _validate(system: System, engine: _Installed, text: str, path: str) -> List[str]:
    """Run the engine's own validation with the arguments of its next start. Return warnings. Raises DrawbridgeError if it fails."""
    if engine.program is None:
        return ["dockerd is not installed: %s was not checked by it" % path]
    if engine.release and engine.release < _VALIDATES:
        return [
            "engine %s has no dockerd --validate: %s was checked by Drawbridge's own table only"
            % (dotted(engine.release), path)
        ]
    with tempfile.NamedTemporaryFile(prefix="drawbridge-", suffix=".json") as stream:
        stream.write(text.encode("utf-8", "surrogateescape"))
        stream.flush()
        done = system.run([engine.program, "--validate", "--config-file", stream.name, *engine.flags])
        if done.rc == 0:
            return []
        said = (done.stderr.strip() or done.stdout.strip()).replace(stream.name, path)
    raise DrawbridgeError("the engine would not start: %s" % said, path, "nothing was changed")
