# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Docker containers as targets."""

from __future__ import annotations

import threading
from typing import Iterator, List, Optional

from ...address import quoted
from ...errors import DrawbridgeError
from ...host.system.json_values import JsonObject, mapping, text
from ...host.system.system import System
from ..api.answers import container_name
from ..api.client import Inspector, NoSuchContainer
from ..api.query import chosen
from .sandbox import NotFound, SandboxLookup
from .selector import Selector
from .target import RUNNING, Source, Target, running, stopped


class EngineSource(Source):
    """The engine's containers that match a selector."""

    def __init__(self, system: System, engine: Inspector, selector: Selector) -> None:
        self._system = system
        self._engine = engine
        self._selector = selector
        self._sandboxes = SandboxLookup(system, engine)
        # Several threads enter targets. An engine's client is made for one thread.
        self._guard = threading.Lock()

    def find(self) -> List[Target]:
        listed = self._engine.all_containers()
        matching = [item for item in listed if self._matches(item)]
        self._refuse_ambiguous(matching)
        found = list(self._inspect(matching))
        if self._selector.query is not None:
            found = chosen(self._selector.query, found)
        targets = [self._target(item)._replace(details=item) for item in found]
        return sorted(targets, key=lambda target: (target.name, target.id))

    def lost(self, target: Target) -> Optional[str]:
        try:
            with self._guard:
                state = _state(self._engine.inspect(target.id))
        except NoSuchContainer:
            return "it was removed before its namespace was entered"
        if state.get("Pid") != target.pid or text(state.get("StartedAt")) != target.since or state.get("Running") is not True:
            return "it ended, or started anew, before its namespace was entered"
        return None

    def _matches(self, item: JsonObject) -> bool:
        wanted = self._selector
        labels = item.get("Labels")
        held = labels if isinstance(labels, dict) else {}
        is_named = wanted.name is None or container_name(item) == wanted.name
        has_id = wanted.id is None or text(item.get("Id")).startswith(wanted.id)
        return is_named and has_id and all(key in held and value in (None, held[key]) for key, value in wanted.labels)

    def _refuse_ambiguous(self, matching: List[JsonObject]) -> None:
        prefix = self._selector.id
        if prefix is not None and len(matching) > 1:
            raise DrawbridgeError(
                "%s is the beginning of %d ids" % (quoted(prefix), len(matching)),
                "id",
                "among them %s" % ", ".join(text(item.get("Id"))[:12 + len(prefix)] for item in matching[:4]),
            )

    def _inspect(self, matching: List[JsonObject]) -> Iterator[JsonObject]:
        for item in matching:
            try:
                yield self._engine.inspect(text(item.get("Id")))
            except NoSuchContainer:
                continue

    def _target(self, item: JsonObject) -> Target:
        name, identity, state = text(item.get("Name")).lstrip("/"), text(item.get("Id")), _state(item)
        pid = state.get("Pid")
        if state.get("Running") is not True or not isinstance(pid, int) or pid < 1:
            status = text(state.get("Status"))
            status = status if status and status != RUNNING else "exited"
            return stopped(self, name, identity, status, "it is not running")
        since = text(state.get("StartedAt"))
        try:
            return running(self._system, self, name, identity, pid, since, self._sandboxes.path(item, pid))
        except NotFound as error:
            found = running(self._system, self, name, identity, pid, since)
            return found if found.is_host_network else stopped(self, name, identity, RUNNING, str(error))


def _state(item: JsonObject) -> JsonObject:
    return mapping(item.get("State"))
