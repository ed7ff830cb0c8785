# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is to be done, between the thread that hears of it and the one that does it. It does not grow: of too much it becomes all."""

from __future__ import annotations

import threading
from typing import Dict, NamedTuple, Optional

from ..docker.events import CONTAINER, UNKNOWN, Event

MAX_CONTAINERS = 256


class Todo(NamedTuple):
    """everything: a whole pass. containers: those that started, or joined a network, and when. ``everything`` has no containers, and
    with neither something of the host's networks and ports has changed."""

    everything: bool
    containers: Dict[str, float]


class Pending:
    """Filled by one thread, taken by another."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._everything = False
        self._any = False
        self._containers: Dict[str, float] = {}
        self._stopped = False
        self.is_waiting = False

    def note(self, event: Event) -> None:
        """Something happened."""
        with self._changed:
            self._any = True
            starts = event.action in ("start", "rename") if event.kind == CONTAINER else event.action == "connect"
            if event == UNKNOWN:
                self._everything = True
            elif starts and event.container:
                self._containers.setdefault(event.container, event.at)
            elif event.kind == CONTAINER:
                self._containers.pop(event.container, None)
            if self._everything or len(self._containers) > MAX_CONTAINERS:
                self._everything = True
                self._containers.clear()
            self._changed.notify()

    def stop(self) -> None:
        """Nothing more is to be done. For a signal's handler, on the thread that takes."""
        self._stopped = True

    @property
    def is_stopped(self) -> bool:
        return self._stopped

    def take(self, seconds: float) -> Optional[Todo]:
        """What there is to do, all of it; None where nothing has happened for so long."""
        with self._changed:
            if not self._any:
                self.is_waiting = True
                self._changed.wait(seconds)
                self.is_waiting = False
            if not self._any:
                return None
            found = Todo(self._everything, self._containers)
            self._everything, self._any, self._containers = False, False, {}
            return found
