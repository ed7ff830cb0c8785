# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Apply records again to running containers."""

from __future__ import annotations

import re
from typing import Callable, Collection, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set

from ..engine.api.client import Inspector, NoSuchContainer, WholeEngine
from ..engine.containers.select import select
from ..engine.containers.target import HOST_NETWORK, RUNNING
from ..errors import DrawbridgeError
from ..host.system.lock import HostLock
from ..host.system.paths import FOLLOW
from ..host.system.system import System
from ..persistence.records.records import Record, Records
from ..persistence.records.service_status import place_of
from ..persistence.records.task_records import RecordGone, ReplayedRecords, selector_of
from ..tasks.task import Result, Task
from .jobs import IN_CONTAINERS, ON_THE_HOST
from .journal import ERROR, INFO, WARNING, notify, tell
from .partial_engine import Listed, PartialEngine

# Another run may hold the lock while its change waits for confirmation.
LOCK_SECONDS = 30
_ID = re.compile(r"[0-9a-f]{64}")
_LONGEST = 200


class Choice(NamedTuple):
    """A record, and the ids of the containers that it chooses. hosted: the ids of those on the host's network, which get no rules. sure:
    False if the choice failed."""

    record: Record
    ids: Set[str]
    hosted: FrozenSet[str] = frozenset()
    sure: bool = True


class Replay:
    """Applies the records of one engine. engine: a client of the engine at ``docker_host``."""

    def __init__(self, system: System, engine: WholeEngine, docker_host: str, records: Records) -> None:
        self._system = system
        self._engine = engine
        self._address = place_of(docker_host)
        self._records = records

    def records(self) -> List[Record]:
        """Return the records for containers of this engine and for pods, oldest first."""
        return [
            record
            for record in self._records.all()
            if record.module in (*IN_CONTAINERS, *ON_THE_HOST) and place_of(str(record.arguments.get("docker_host"))) == self._address
        ]

    def choose(self, records: Sequence[Record], listed: Listed, ids: Collection[str]) -> List[Choice]:
        """Return each record's choice among the listed containers with one of these ids."""
        found = [self._choose(record, listed, ids) for record in records if record.module in IN_CONTAINERS]
        return [choice for choice in found if choice.ids or not choice.sure]

    def _choose(self, record: Record, listed: Listed, ids: Collection[str]) -> Choice:
        try:
            selector = selector_of(record.arguments)
            if selector.pod is not None:
                return Choice(record, set())
            # A query may compare all containers.
            seen = {str(item.get("Id")) for item in listed} if selector.query is not None else ids
            found = select(selector, self._system, lambda: PartialEngine(self._engine, listed, seen))
        except DrawbridgeError as error:
            tell(ERROR, "%s: which containers it is for cannot be told: %s" % (_title(record), error))
            return Choice(record, set(), sure=False)
        chosen = [target for target in found if target.id in ids]
        hosted = [target for target in chosen if target.is_host_network]
        for target in hosted:
            tell(WARNING, "%s: not put into %s: %s" % (_title(record), _named(target.id, target.name), HOST_NETWORK))
        return Choice(record, {target.id for target in chosen}, frozenset(target.id for target in hosted))

    def put(self, choice: Choice, listed: Listed) -> Dict[str, Optional[int]]:
        """Apply the record again → by container id, the namespace that has its rules now; None if none has."""
        record, ids = choice.record, choice.ids - choice.hosted
        nowhere: Dict[str, Optional[int]] = dict.fromkeys(ids)
        if not ids:
            return nowhere
        try:
            result = self._job(record, PartialEngine(self._engine, listed, ids))
        except RecordGone as error:
            tell(INFO, "%s: %s" % (_title(record), error))
            return nowhere
        except DrawbridgeError as error:
            if len(ids) > 1:
                # One container's failure must not keep the others from their rules: try each alone.
                return {one: inode for each in sorted(ids) for one, inode in self.put(Choice(record, {each}), listed).items()}
            tell(ERROR, "%s: not put into %s: %s" % (_title(record), ", ".join(_named(each) for each in sorted(ids)), error))
            return nowhere
        _tell(record, result)
        running = [entry for entry in result.values["containers"] if entry["state"] == RUNNING]
        return dict(nowhere, **{str(entry["id"]): entry["namespace"] for entry in running})

    def pods(self, records: Sequence[Record]) -> bool:
        """Apply the records for pods again; no engine knows pods → whether all succeeded."""
        return self._all_done(
            [record for record in records if record.module in IN_CONTAINERS and names_pods([record])],
            lambda record: self._job(record, PartialEngine(self._engine, [], ())),
        )

    def on_the_host(self, records: Sequence[Record]) -> bool:
        """Apply the records for the host again → whether all succeeded."""
        return self._all_done(
            [record for record in records if record.module in ON_THE_HOST],
            self._host_job,
        )

    def _host_job(self, record: Record) -> Result:
        memory = ReplayedRecords(self._records, record)
        result = ON_THE_HOST[record.module](self._task(record), lambda _address: self._engine, memory)
        for error in memory.refusals:
            tell(ERROR, "%s: %s" % (_title(record), error))
        return result._replace(failure="refused") if memory.refusals else result

    def _all_done(self, records: Sequence[Record], job: Callable[[Record], Result]) -> bool:
        done = True
        for record in records:
            notify("WATCHDOG=1")
            try:
                done = _tell(record, job(record)) and done
            except RecordGone as error:
                tell(INFO, "%s: %s" % (_title(record), error))
            except DrawbridgeError as error:
                tell(ERROR, "%s: %s" % (_title(record), error))
                done = False
        return done

    def prune(self, records: Sequence[Record]) -> None:
        """Remove records for a container that was removed: its id is never used again."""
        for record in records:
            identity = str(record.arguments.get("id"))
            try:
                if _ID.fullmatch(identity):
                    self._engine.inspect(identity)
            except NoSuchContainer:
                with HostLock(LOCK_SECONDS):
                    self._records.remove(record.module, record.name)
                tell(INFO, "%s: forgotten with its container" % _title(record))

    def _job(self, record: Record, engine: Inspector) -> Result:
        return IN_CONTAINERS[record.module](self._task(record), lambda _address: engine, ReplayedRecords(self._records, record))

    def _task(self, record: Record) -> Task:
        arguments = dict(record.arguments, on_missing="ignore", lock_timeout=LOCK_SECONDS, settles=FOLLOW)
        return Task(arguments, False, self._system)


def names_pods(records: Sequence[Record]) -> bool:
    """Whether any of the records is for pods."""
    return any(record.arguments.get("pod") is not None for record in records)


def _tell(record: Record, result: Result) -> bool:
    """Write the result to the journal → whether nothing failed."""
    for entry in result.values["containers"]:
        name = _named(str(entry["id"]), str(entry["name"]))
        if entry["state"] == "failed":
            tell(ERROR, "%s: not put into %s: %s" % (_title(record), name, entry["reason"]))
        elif entry["changed"]:
            tell(INFO, "%s: put in for %s" % (_title(record), name))
    if result.values["changed"] and not result.values["containers"]:
        tell(INFO, "%s: taken away, there is no such container" % _title(record))
    return result.failure is None


def _title(record: Record) -> str:
    name = record.name if len(record.name) <= _LONGEST else record.name[:_LONGEST] + "..."
    return "%s %s" % (record.module, name)


def _named(identity: str, name: str = "") -> str:
    return "%s %s" % (identity[:12], name) if name else identity[:12]
