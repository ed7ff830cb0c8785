# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The demo fails loudly: a path that the policy closes and that is open is named."""
import pytest

from tests.demo.expected import differences, is_open, not_yet_open
from tests.lab.paths import DIRECT, FOREIGN, INSIDE, PUBLISHED, Path
from tests.lab.probing import OPEN, SILENT, Probe, Result
from tests.lab.table import Cell


def cell(kind, who="allowed", state=OPEN, port=8080, host="bookworm"):
    path = Path("a path", kind, lambda _target, _client: None)
    return Cell(host, path, who, Result(Probe("tcp", "192.0.2.11", port), state, ""))


@pytest.mark.parametrize("before, wanted", [
    (cell(PUBLISHED), True),
    (cell(PUBLISHED, who="denied"), False),
    (cell(PUBLISHED, port=8083), False),
    (cell(PUBLISHED, port=8083, host="trixie"), True),
    (cell(DIRECT), False),
    (cell(FOREIGN, who="denied"), True),
    (cell(INSIDE, who="(inside)", state=SILENT), False),
])
def test_what_the_policy_means(before, wanted):
    assert is_open(before) is wanted


def test_an_open_path_that_should_be_closed_comes_first():
    before = [cell(FOREIGN), cell(PUBLISHED, who="denied")]
    after = [cell(FOREIGN, state=SILENT), cell(PUBLISHED, who="denied")]
    assert differences(before, after) == [
        "bookworm, denied, a path: OPEN, and should be closed",
        "bookworm, allowed, a path: silent, and should be open",
    ]


def test_nothing_to_say_when_all_is_as_it_should_be():
    before = [cell(PUBLISHED), cell(PUBLISHED, who="denied")]
    assert differences(before, [before[0], cell(PUBLISHED, who="denied", state=SILENT)]) == []


def test_only_ways_in_have_to_be_open_before():
    assert not_yet_open([cell(INSIDE, state=SILENT), cell(PUBLISHED)]) == []
    assert not_yet_open([cell(DIRECT, state=SILENT)]) == ["a path"]
