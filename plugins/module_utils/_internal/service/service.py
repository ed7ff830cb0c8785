# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The event service: it applies the records again when containers start, and keeps the sets that follow the engine up to date.

One thread listens to the engine, another works, and a third one closes what must not wait for the worker. The listener tells the worker which
containers to look at. The worker reads everything else again at each pass, from the engine, the records and the kernel. So it has no memory that
could be wrong or grow.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Dict, List, Optional, Set

from ..engine.api.client import EngineUnreachable
from ..engine.api.events import CONTAINER, UNKNOWN, Event, events
from ..engine.api.unix_socket import SocketEngine
from ..engine.facts.facts import HostFacts
from ..engine.facts.gather import ask
from ..errors import DrawbridgeError
from ..host.system.files import publish
from ..host.system.paths import FOLLOW
from ..host.system.system import System
from ..netfilter.kernel.netfilter import Netfilter
from ..persistence.records.records import Records
from ..persistence.saved import last_decision
from ..policy.compile.narrow_names import narrow
from ..policy.compile.refresh_sets import FollowedSets
from ..policy.readback.denied_counters import denied_text
from ..transaction.converge import Settings
from ..transaction.converge_set import converge_sets
from .closed_until_ready import Gate
from .journal import ERROR, INFO, WARNING, notify, tell
from .partial_engine import Listed
from .port_sources import PortSources
from .replay import LOCK_SECONDS, Choice, Replay, names_pods
from .work_queue import EVERYTHING, Work, WorkQueue

# Events may get lost, and pods have no events.
PASS_SECONDS = 600.0
PODS_SECONDS = 30.0
# A new record is noticed after this time at most.
LOOK_SECONDS = 1.0
# Removals can wait: the container may come back at once, and old entries do no harm.
LATER_SECONDS = 0.5
# Something else may restore old rules or sets unnoticed.
HOST_SECONDS = 60.0
# A flush of nftables is noticed after this time at most.
GATE_SECONDS = 15.0
# Prometheus asks about this often.
METRICS_SECONDS = 15.0
_LEAVES = (CONTAINER, "die"), (CONTAINER, "rename")
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
FIRST_RETRY, LONGEST_RETRY = 1.0, 60.0


class Closer:
    """Closes at once what entries by containers' names must not open any more: the worker may be at work, or wait for the lock."""

    def __init__(self, system: System, docker_host: str) -> None:
        self._system, self._docker_host = system, docker_host
        self._due = threading.Event()

    def note(self, event: Event) -> None:
        """Look, if the event says that a container may be gone, or have another name."""
        if event == UNKNOWN or (event.kind, event.action) in _LEAVES:
            self._due.set()

    def lose(self) -> None:
        """Close all of it: an engine that starts again may give its ports to other containers before it answers."""
        narrow(self._system, None)

    def run(self) -> None:
        """Look, whenever there is reason to. For a thread of its own."""
        while True:
            self._due.wait()
            self._due.clear()
            self.look()

    def look(self) -> None:
        """Close what the engine does not confirm."""
        narrow(self._system, lambda: ask(SocketEngine(self._docker_host), self._system).facts)


def listen(docker_host: str, pending: WorkQueue, closer: Closer) -> None:
    """Queue the engine's events, and connect again whenever the connection ends. Returns only once the queue is stopped."""
    wait = FIRST_WAIT
    while not pending.is_stopped:
        try:
            for event in events(docker_host):
                if wait != FIRST_WAIT:
                    tell(INFO, "the engine tells its events again")
                wait = FIRST_WAIT
                closer.note(event)
                pending.note(event)
            reason = "the engine ended the connection"
        except DrawbridgeError as error:
            reason = str(error)
        if wait == FIRST_WAIT:
            tell(WARNING, "%s; connecting again until it answers" % reason)
            closer.lose()
            pending.lose()
        wait = min(wait * 2, LONGEST_WAIT)
        time.sleep(wait)


class Service:
    """The worker."""

    def __init__(self, system: System, docker_host: str, records: Records, gate: Optional[Gate], metrics_file: Optional[str] = None) -> None:
        """gate: the table that keeps containers closed until they are ready; None without one. metrics_file: where counters of denied packets are
        written; None for nowhere."""
        self._system = system
        self._gate = gate
        self._sources = PortSources(system)
        self._docker_host = docker_host
        self._records = records
        self._connect()
        self._retry = FIRST_RETRY
        self._pause = PASS_SECONDS
        self._due = 0.0
        self._host_due = 0.0
        self._metrics_file = metrics_file
        self._metrics_due = 0.0
        self._metrics_error = ""
        self._checked = 0.0
        self._seen: object = None
        self._decision = last_decision()

    def _connect(self) -> None:
        # An upgraded engine may speak another API version.
        self._engine = SocketEngine(self._docker_host)
        self._replay = Replay(self._system, self._engine, self._docker_host, self._records)

    def turn(self, pending: WorkQueue) -> None:
        """Wait for work, for LOOK_SECONDS at most, and do it."""
        todo = pending.take(max(0.0, min(LOOK_SECONDS, min(self._due, self._host_due) - time.monotonic())))
        done = False
        try:
            if self._is_whole_due(todo):
                todo = EVERYTHING
            done = self._do(todo)
        except EngineUnreachable:
            # The listener reports this.
            pass
        except DrawbridgeError as error:
            tell(ERROR, str(error))
        except Exception as error:  # pylint: disable=broad-exception-caught
            # A failure caused by one container must not keep the others from their rules.
            tell(ERROR, "internal error, please report it: %s: %s" % (type(error).__name__, error))
        self._plan(todo, done)

    def _is_whole_due(self, todo: Optional[Work]) -> bool:
        now = time.monotonic()
        if self._gate and (todo is not None or now >= self._checked + GATE_SECONDS):
            self._checked = now
            if not self._gate.is_there:
                return True
        return now >= self._due or self._records.stamp != self._seen

    def write_metrics(self) -> None:
        """Write the counters, if they are asked for and METRICS_SECONDS are over. A failure is told once, and tried again the next time."""
        if self._metrics_file is None or time.monotonic() < self._metrics_due:
            return
        self._metrics_due = time.monotonic() + METRICS_SECONDS
        before, self._metrics_error = self._metrics_error, ""
        try:
            publish(self._metrics_file, denied_text(Netfilter(self._system, "auto").rulesets()).encode("ascii", "replace"))
        except (DrawbridgeError, OSError) as error:
            self._metrics_error = str(error)
            if self._metrics_error != before:
                tell(ERROR, self._metrics_error)

    def _plan(self, todo: Optional[Work], done: bool) -> None:
        """Set the time of the next whole pass."""
        whole = todo is not None and todo.everything
        if not done:
            again = time.monotonic() + self._retry
            self._due = again if whole else min(self._due, again)
            self._retry = min(self._retry * 2, LONGEST_RETRY)
        elif whole:
            self._due = time.monotonic() + self._pause
            self._retry = FIRST_RETRY

    def _do(self, todo: Optional[Work]) -> bool:
        """Do the work → whether all of it succeeded."""
        done = True
        if todo is not None:
            # The closer was quicker, but this thread may have put back what the engine said before.
            narrow(self._system, None if todo.lost else self._facts)
            self._seen = self._records.stamp
            if todo.soon:
                self._host_due = 0.0
            elif todo.later:
                self._host_due = min(self._host_due, time.monotonic() + LATER_SECONDS)
            done = self._in_containers(todo)
        if self._gate:
            self._gate.open_others(self._engine)
        if self._is_decided():
            self._host_due = 0.0
        if time.monotonic() >= self._host_due:
            self._host_due = time.monotonic() + HOST_SECONDS
            done = self._on_the_host() and done
        return done

    def _is_decided(self) -> bool:
        """Whether old rules may be in force again, which lead to the containers' old addresses."""
        before, self._decision = self._decision, last_decision()
        return self._decision != before

    def _in_containers(self, todo: Work) -> bool:
        if todo.everything:
            self._connect()
        elif not todo.containers:
            return True
        records = self._replay.records()
        listed = self._engine.containers()
        ids = {str(item.get("Id")) for item in listed}
        if not todo.everything:
            ids &= todo.containers
        if ids:
            self._host_due = 0.0
        # Read before the records' choices: a query may choose other containers after each start.
        seen = self._gate.namespaces(self._engine, listed, ids) if self._gate else {}
        choices = self._replay.choose(records, listed, ids)
        sure = all(choice.sure for choice in choices)
        # If a record's choice failed, it may be for any container: then open no port.
        done = self._put(choices, listed, seen if sure else None) and sure
        if todo.everything:
            self._pause = PODS_SECONDS if names_pods(records) else PASS_SECONDS
            self._replay.prune(records)
            done = self._replay.pods(records) and done
        return done

    def _put(self, choices: List[Choice], listed: Listed, seen: Optional[Dict[str, int]]) -> bool:
        """Put the records' rules in → whether all succeeded. seen: namespaces of containers whose ports may be opened; None: open no port."""
        ready: Dict[str, Set[Optional[int]]] = {identity: set() for choice in choices for identity in choice.ids - choice.hosted}
        named: Set[str] = set().union(*(choice.ids for choice in choices))
        unnamed = {identity: inode for identity, inode in (seen or {}).items() if identity not in named}
        # A new gate also closes containers that have their rules already: load it with all ready ports.
        if unnamed and self._gate and self._gate.is_known:
            self._gate.open(self._engine, listed, unnamed)
            unnamed = {}
        for choice in choices:
            notify("WATCHDOG=1")
            for identity, namespace in self._replay.put(choice, listed).items():
                ready[identity].add(namespace)
        # A container is ready if all of its records are in the same namespace.
        whole = {identity: inode for identity, found in ready.items() if len(found) == 1 for inode in found if inode is not None}
        if self._gate and seen is not None and (unnamed or whole or not self._gate.is_known):
            self._gate.open(self._engine, listed, {**unnamed, **whole})
        return len(whole) == len(ready)

    def _on_the_host(self) -> bool:
        settings = Settings("auto", LOCK_SECONDS, False, settles=FOLLOW)
        outcome = converge_sets(self._system, settings, lambda: FollowedSets(self._system, self._facts))
        for change in outcome.plan.sets:
            tell(INFO, "%s follows the engine" % change.name)
        self._sources.follow(self._engine)
        return self._replay.on_the_host(self._replay.records())

    def _facts(self) -> HostFacts:
        return ask(self._engine, self._system).facts


def start_listening(docker_host: str, pending: WorkQueue, closer: Closer) -> None:
    """Listen on a thread of its own, and close on another. If one of them fails, the process ends, and systemd starts another."""

    def died(args: threading.ExceptHookArgs) -> None:
        tell(ERROR, "internal error, please report it: %s: %s" % (args.exc_type.__name__, args.exc_value))
        os._exit(70)

    threading.excepthook = died
    threading.Thread(target=closer.run, daemon=True).start()
    threading.Thread(target=listen, args=(docker_host, pending, closer), daemon=True).start()
