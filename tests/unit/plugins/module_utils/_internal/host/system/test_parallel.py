# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The same work on many things."""
import threading

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.parallel import at_once, begun, on_all


def test_results_are_in_order_and_every_thing_is_done_once():
    done = []
    assert on_all(lambda number: done.append(number) or number * 2, range(500)) == [2 * number for number in range(500)]
    assert sorted(done) == list(range(500))


def test_nothing_to_do():
    assert on_all(str, []) == []


def test_several_at_a_time():
    meeting = threading.Barrier(2, timeout=10)
    assert on_all(lambda _number: meeting.wait() >= 0, range(2)) == [True, True]


def test_the_first_error_is_raised():
    def work(number):
        if number == 3:
            raise ValueError(number)

    with pytest.raises(ValueError, match="3"):
        on_all(work, range(100))


def test_what_is_begun_goes_on_beside_and_gives_its_result():
    meeting = threading.Barrier(2, timeout=10)
    result = begun(lambda: meeting.wait() >= 0)
    meeting.wait()
    assert result() is True


def test_the_error_of_what_is_begun_is_raised_where_the_result_is_asked_for():
    def work():
        raise ValueError("no")

    result = begun(work)
    with pytest.raises(ValueError, match="no"):
        result()


def test_questions_of_different_kinds_are_answered_in_order():
    assert at_once(lambda: 1, lambda: "two", lambda: [3]) == (1, "two", [3])


def test_an_error_of_one_of_them_is_raised():
    with pytest.raises(ZeroDivisionError):
        at_once(lambda: 1, lambda: 1 // 0, lambda: [3])
