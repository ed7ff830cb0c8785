# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The network namespace that an engine made for a container.

A container's first process may move to another namespace. Rules would then go to the wrong namespace.
So this module uses the engine's file of the namespace. Its path is valid in the engine's mount namespace.
"""

from __future__ import annotations

import os
from typing import Callable, Iterator, Optional

from ...host.system.json_values import JsonObject, mapping, text
from ...host.system.process import PROC, netns_inode
from ...host.system.system import System
from ..api.client import Inspector, NoSuchContainer
from ..daemon.process import find_daemon

# A container may share the network of a container, and so on. An engine makes no loops, a hostile one could.
_MAX_STEPS = 8
_MAX_LINKS = 40


class NotFound(Exception):
    """The engine names a file that is not visible from here."""


class SandboxLookup:
    """Finds the namespace files of one engine's containers."""

    def __init__(self, system: System, engine: Inspector, daemon: Optional[Callable[[], Optional[int]]] = None) -> None:
        """daemon: returns the engine's process id, None if unknown."""
        self._system = system
        self._engine = engine
        self._daemon = daemon or self._find_daemon
        self._pid: Optional[int] = None
        self._is_asked = False

    def path(self, item: JsonObject, pid: int) -> Optional[str]:
        """Return the file of a running container's namespace, None if the engine names none.

        item: the container's inspect object. Raises NotFound if the file is not visible.
        """
        key = self._key(item)
        if not key:
            return None
        for root in self._roots(pid):
            folder, name = os.path.split(key)
            path = os.path.join(in_root(root, folder), name)
            if netns_inode(path) is not None:
                return path
        raise NotFound("the network namespace that the engine made for it is not to be found at %s" % ascii(key))

    def _key(self, item: JsonObject) -> str:
        for _step in range(_MAX_STEPS):
            kind, _colon, other = text(mapping(item.get("HostConfig")).get("NetworkMode")).partition(":")
            if kind != "container":
                return text(mapping(item.get("NetworkSettings")).get("SandboxKey"))
            try:
                item = self._engine.inspect(other)
            except NoSuchContainer:
                break
            if mapping(item.get("State")).get("Running") is not True:
                # That container does not run, so its network is gone.
                break
        return ""

    def _roots(self, pid: int) -> Iterator[str]:
        """Yield root folders where the engine's path may be valid: the engine's, ours, and that of the container's parent process."""
        if not self._is_asked:
            self._pid, self._is_asked = self._daemon(), True
        for seen_by in (self._pid, None, _parent(self._system, pid)):
            yield "/" if seen_by is None else "%s/%d/root" % (PROC, seen_by)

    def _find_daemon(self) -> Optional[int]:
        daemon = find_daemon(self._system)
        return None if daemon is None else daemon.pid


def in_root(root: str, path: str) -> str:
    """Return a path for a process with that root folder. Links are resolved within it: its /var/run links to its own /run."""
    current = root
    parts = path.split("/")[::-1]
    links = 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            current = root if current == root else os.path.dirname(current)
            continue
        try:
            target = os.readlink(os.path.join(current, part))
        except OSError:
            current = os.path.join(current, part)
            continue
        links += 1
        if links > _MAX_LINKS:
            break
        current = root if target.startswith("/") else current
        parts.extend(target.split("/")[::-1])
    return current


def _parent(system: System, pid: int) -> Optional[int]:
    # The process name stands before the state. It may contain any character, parentheses too.
    fields = (system.read("%s/%d/stat" % (PROC, pid)) or "").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and int(fields[1]) > 0 else None
