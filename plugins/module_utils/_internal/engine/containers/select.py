# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find the network namespaces that a selector chooses, by asking the engine, the CRI and the kernel."""

from __future__ import annotations

from typing import Callable, List, Optional

from ...errors import DrawbridgeError
from ...host.system.system import System
from ..api.client import Inspector
from .containers import EngineSource
from .selector import Selector
from .target import Source, Target, kept, running


class ProcessSource(Source):
    """The namespace of a process. The process's start time tells that it is still the same process."""

    def __init__(self, system: System, pid: int) -> None:
        self._system = system
        self._pid = pid

    def find(self) -> List[Target]:
        return [running(self._system, self, "", "", self._pid)]

    def lost(self, target: Target) -> Optional[str]:
        return None


class PathSource(Source):
    """A namespace by its file. The open file is the namespace."""

    def __init__(self, path: str) -> None:
        self._path = path

    def find(self) -> List[Target]:
        return [kept(self, "", self._path)]

    def lost(self, target: Target) -> Optional[str]:
        return None


def select(selector: Selector, system: System, engine: Callable[[], Inspector]) -> List[Target]:
    """Return the targets by name, empty if nothing matches. ``engine`` is called only if the selector needs an engine.

    If a selector needs several sources (a name and a namespace's path), all of them must find the target's namespace.
    Raises DrawbridgeError.
    """
    sources: List[Source] = []
    if selector.asks_engine:
        sources.append(EngineSource(system, engine(), selector))
    if selector.pod is not None:
        from ..cri.runtime import connect  # pylint: disable=import-outside-toplevel
        from .pods import PodSource  # pylint: disable=import-outside-toplevel

        runtime = connect(system, selector.cri_socket)
        sources.append(PodSource(system, runtime, selector.pod, selector.pod_namespace or "default"))
    if selector.pid is not None:
        sources.append(ProcessSource(system, selector.pid))
    if selector.path is not None:
        sources.append(PathSource(selector.path))
    first, *others = [source.find() for source in sources]
    for other in others:
        inodes = {target.inode for target in other if target.inode is not None}
        first = [target for target in first if target.inode in inodes]
    return first


def every_container(system: System, engine: Inspector) -> List[Target]:
    """Return all of an engine's containers by name."""
    return EngineSource(system, engine, Selector()).find()


def nothing_matches() -> DrawbridgeError:
    """Return the error for a task that chooses nothing."""
    return DrawbridgeError("no container matches", None, "on_missing: ignore makes that no error")
