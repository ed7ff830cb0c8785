# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Entries that end: the same text whatever is left of them, and ipset's for the seconds that are."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.timed_entries import (
    in_force,
    is_timed,
    read,
    seconds_of,
    spelt,
    split_end,
    with_end,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

END = "2026-12-01T18:00:00Z"
SECONDS = 1796148000
COUNTED = '192.0.2.7 timeout %d comment "until ' + END + '"'


@given(st.integers(0, 2 ** 35))
def test_a_time_is_read_as_it_was_spelt(seconds):
    assert seconds_of(spelt(seconds)) == seconds and spelt(seconds) < spelt(seconds + 1)


def test_an_entry_and_its_end():
    assert seconds_of(END) == SECONDS
    assert [split_end(with_end("::1", time)) for time in (END, None)] == [("::1", END), ("::1", None)]


@pytest.mark.parametrize("left, entries", [
    (3600, {"192.0.2.7 until " + END}),
    # Of a clock that was set back, or a second lost on the way: the time says when.
    (3590, {"192.0.2.7 until " + END}), (1, {"192.0.2.7 until " + END}), (3605, {"192.0.2.7 until " + END}),
    # Of a clock that was behind: the kernel would keep it too long.
    (3660, {"192.0.2.7 until 2026-12-01T18:01:00Z"}),
])
def test_entries_are_read(left, entries):
    assert read([COUNTED % left, "192.0.2.8 timeout 0"], SECONDS - 3600) == {*entries, "192.0.2.8"}


def test_what_is_over_is_not_there():
    assert read([COUNTED % 1], SECONDS) == frozenset()
    # But for what the kernel would go on with.
    assert read([COUNTED % 100], SECONDS) == {"192.0.2.7 until 2026-12-01T18:01:40Z"}
    entries = frozenset(["192.0.2.7 until " + END, "192.0.2.8"])
    assert in_force(entries, SECONDS - 0.1) == entries and in_force(entries, SECONDS) == {"192.0.2.8"}


def test_other_entries_are_as_ipset_has_them():
    others = {"192.0.2.7 timeout 30", '192.0.2.8 timeout 0 comment "until 5"', '192.0.2.9 timeout 7 comment "until tomorrow"'}
    assert read(others, 0) == others


@pytest.mark.parametrize("options, timed", [
    ("timeout 0 comment", True), ("family inet hashsize 64 maxelem 9 timeout 0 comment\nSize", True), ("timeout 0", False), ("timeout 300 comment", False),
    ("timeout 0 commentary", False), ("", False),
])
def test_sets_whose_entries_end(options, timed):
    assert is_timed(options) == timed


@pytest.mark.parametrize("line, now, text", [
    ("add a 192.0.2.7 until " + END, SECONDS - 60, "add a " + COUNTED % 60),
    ("add a 192.0.2.7 until " + END, SECONDS - 59.1, "add a " + COUNTED % 60),
    # Never longer than the kernel counts, and never 0, which is for good.
    ("add a 192.0.2.7 until " + END, 0, "add a " + COUNTED % 2147483),
    ("add a 192.0.2.7 until " + END, SECONDS, "del a 192.0.2.7"),
    ("del a 192.0.2.7 until " + END, SECONDS - 60, "del a 192.0.2.7"),
    ("add a 192.0.2.7", SECONDS, "add a 192.0.2.7"),
    ('add a 192.0.2.7 comment "x until ' + END + '"', 0, 'add a 192.0.2.7 comment "x until ' + END + '"'),
])
def test_lines_for_ipset(line, now, text):
    assert written(line, now) == text
