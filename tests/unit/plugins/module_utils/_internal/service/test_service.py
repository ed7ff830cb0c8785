# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""When the service looks again after something failed, and how it finds the engine again."""

from __future__ import annotations

import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.events import CONTAINER, UNKNOWN, Event
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service import service as service_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.service import LONGEST_RETRY, Closer, Service, listen
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.work_queue import EVERYTHING, WorkQueue


@pytest.fixture(name="service")
def service_that_does_what_it_is_told(tmp_path, monkeypatch):
    service = Service(System(), "unix://%s/none" % tmp_path, Records(str(tmp_path / "records")), None)
    service.outcomes, service.asked = [], []

    def do(todo):
        service.asked.append(todo)
        outcome = service.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(service, "_do", do)
    return service


def turn(service, outcome):
    """One turn in which everything is due → how long until it is again, in whole seconds."""
    service.outcomes.append(outcome)
    service._due = 0.0
    service.turn(WorkQueue())
    assert service.asked[-1] == EVERYTHING
    return round(service._due - time.monotonic())


def test_what_failed_is_tried_again_less_and_less_often(service, capsys):
    waits = [turn(service, outcome) for outcome in (False, DrawbridgeError("a\nb"), EngineUnreachable("c"), ValueError("<3>\nd"), False, False, False)]
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_RETRY]
    told = capsys.readouterr().err.splitlines()
    assert told == ["<3>a\\nb", "<3>internal error, please report it: ValueError: <3>\\nd"]
    assert turn(service, True) == service_module.PASS_SECONDS
    assert turn(service, False) == 1


def test_a_failure_beside_is_no_delay_of_what_is_due(service):
    pending = WorkQueue()
    turn(service, True)
    service.outcomes += [False, False]
    pending.note(UNKNOWN._replace(kind="container", action="die"))
    service._records = type("Kept", (), {"stamp": service._seen})()
    service.turn(pending)
    assert not service.asked[-1].everything and 0 < service._due - time.monotonic() <= 1


class Ended(Exception):
    """The test has seen enough."""


class Looking(Closer):
    """Looks once."""

    def look(self):
        raise Ended


@pytest.mark.parametrize("event", [UNKNOWN, Event(CONTAINER, "die", "1" * 64), Event(CONTAINER, "rename", "1" * 64)], ids=str)
def test_the_closer_looks_when_a_container_may_be_gone(event):
    closer = Looking(None, "unix:///none")
    closer.note(event)
    with pytest.raises(Ended):
        closer.run()


def test_the_engine_is_found_again(monkeypatch, capsys):
    streams = iter([EngineUnreachable("gone"), [UNKNOWN], EngineUnreachable("gone"), EngineUnreachable("gone"), [UNKNOWN]])
    slept, closed, noted, pending = [], [], [], WorkQueue()

    def events(_address):
        found = next(streams, Ended())
        if isinstance(found, Exception):
            raise found
        yield from found

    class Closing(Closer):
        def __init__(self):
            super().__init__(None, "unix:///none")

        def note(self, event):
            noted.append(event)

        def lose(self):
            closed.append(len(slept))

    monkeypatch.setattr(service_module, "events", events)
    monkeypatch.setattr(service_module.time, "sleep", slept.append)
    with pytest.raises(Ended):
        listen("unix:///none", pending, Closing())
    # Ports of containers that a policy names are closed each time, by the listener at once and by the worker after what it is at.
    assert pending.take(0) == EVERYTHING._replace(lost=True)
    assert closed == [0, 1, 4] and noted == [UNKNOWN, UNKNOWN]
    assert slept == [0.2, 0.2, 0.4, 0.8, 0.2]
    told = capsys.readouterr().err.splitlines()
    assert [line[3:] for line in told] == [
        "gone; connecting again until it answers", "the engine tells its events again",
        "the engine ended the connection; connecting again until it answers", "the engine tells its events again",
        "the engine ended the connection; connecting again until it answers"]


def test_the_hosts_part_comes_back_without_any_event(tmp_path, monkeypatch):
    service, done = Service(System(), "unix://%s/none" % tmp_path, Records(str(tmp_path / "records")), None), []
    monkeypatch.setattr(service, "_in_containers", lambda todo: done.append(todo) or True)
    monkeypatch.setattr(service, "_on_the_host", lambda: done.append("host") or True)
    service.turn(WorkQueue())
    assert done == [EVERYTHING, "host"]
    assert round(service._host_due - time.monotonic()) == service_module.HOST_SECONDS
    service._host_due = 0.0
    service.turn(WorkQueue())
    assert done == [EVERYTHING, "host", "host"]
