# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What there is to do does not grow, and nothing that happened is lost."""

from __future__ import annotations

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.events import CONTAINER, NETWORK, UNKNOWN, Event
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.work_queue import (
    EVERYTHING,
    MAX_CONTAINERS,
    Work,
    WorkQueue,
)


def event(kind, action, number=1):
    return Event(kind, action, "%064x" % number)


def after(*events):
    pending = WorkQueue()
    for each in events:
        pending.note(each)
    return pending.take(0)


def test_nothing_happened():
    assert WorkQueue().take(0) is None


def test_it_is_taken_once():
    pending = WorkQueue()
    pending.note(UNKNOWN)
    assert pending.take(0) == EVERYTHING
    assert pending.take(0) is None


def test_those_that_started_are_looked_at():
    found = after(event(CONTAINER, "start", 1), event(CONTAINER, "start", 2), event(CONTAINER, "die", 1))
    assert found == Work(False, frozenset(["%064x" % 2]), True, True)


def test_joining_alone_is_nothing_of_the_hosts():
    assert after(event(NETWORK, "connect")) == Work(False, frozenset(["%064x" % 1]), False, False)


def test_what_goes_has_time():
    assert after(event(NETWORK, "disconnect"), event(CONTAINER, "die")) == Work(False, frozenset(), False, True)
    assert after(event(NETWORK, "create"))[2:] == (True, False, False)


def test_a_stream_that_ended_is_not_forgotten_before_it_is_known():
    queue = WorkQueue()
    queue.note(event(CONTAINER, "start"))
    queue.lose()
    queue.note(UNKNOWN)
    queue.note(event(CONTAINER, "die"))
    assert queue.take(0) == EVERYTHING._replace(lost=True) and queue.take(0) is None


def test_too_many_are_all():
    pending = WorkQueue()
    for number in range(100_000):
        pending.note(event(CONTAINER, "start", number))
        assert len(pending._todo.containers) <= MAX_CONTAINERS
    assert pending.take(0) == EVERYTHING


def test_a_stream_that_was_cut_means_all():
    assert after(event(CONTAINER, "start", 1), UNKNOWN, event(CONTAINER, "start", 2)) == EVERYTHING
