# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The queue between the listening thread and the working thread. It cannot grow without limit: too many containers become a whole pass."""

from __future__ import annotations

import threading
from typing import FrozenSet, NamedTuple, Optional

from ..engine.api.events import CONTAINER, NETWORK, NODE, UNKNOWN, Event

MAX_CONTAINERS = 256


class Work(NamedTuple):
    """everything: a whole pass; containers is empty then. containers: the ids of those that started or joined a network.
    soon, later: the host's part is out of date, because ports, networks or nodes came (soon) or went (later).
    lost: the engine's stream ended: what it said before may not be true any more."""

    everything: bool
    containers: FrozenSet[str]
    soon: bool
    later: bool
    lost: bool = False


EVERYTHING = Work(True, frozenset(), True, False)
_NOTHING = Work(False, frozenset(), False, False)
_STARTS = (CONTAINER, "start"), (CONTAINER, "rename")
_JOINS = (NETWORK, "connect")
_COMES = (*_STARTS, (NETWORK, "create"), (NODE, "create"), (NODE, "update"))


class WorkQueue:
    """Filled by one thread, taken by another."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._todo = _NOTHING
        self._stopped = False
        self.is_waiting = False

    def note(self, event: Event) -> None:
        """Add an event."""
        with self._changed:
            self._todo = _after(self._todo, event)
            self._changed.notify()

    def lose(self) -> None:
        """Note that the engine's stream ended."""
        with self._changed:
            self._todo = EVERYTHING._replace(lost=True)
            self._changed.notify()

    def stop(self) -> None:
        """Stop the work. For a signal handler, on the working thread."""
        self._stopped = True

    @property
    def is_stopped(self) -> bool:
        return self._stopped

    def take(self, seconds: float) -> Optional[Work]:
        """Take all work from the queue. Wait for these seconds at most; return None if there is no work."""
        with self._changed:
            if self._todo == _NOTHING:
                self.is_waiting = True
                self._changed.wait(seconds)
                self.is_waiting = False
            found, self._todo = self._todo, _NOTHING
            return None if found == _NOTHING else found


def _after(todo: Work, event: Event) -> Work:
    """Return the work with that of one more event."""
    what = (event.kind, event.action)
    containers = todo.containers
    if event.container and (what in _STARTS or what == _JOINS):
        containers |= {event.container}
    elif event.kind == CONTAINER:
        containers -= {event.container}
    if event == UNKNOWN or todo.everything or len(containers) > MAX_CONTAINERS:
        return EVERYTHING._replace(lost=todo.lost)
    # A container that joins a network has usually not started yet. The host's part changes when it starts.
    return Work(False, containers, todo.soon or what in _COMES, todo.later or what not in (*_COMES, _JOINS))
