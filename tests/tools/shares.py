# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A pytest plugin: several runs of pytest share the test files among them, each file for whoever takes it first.

``pytest -p tests.tools.shares --shares FOLDER``. The runs have the same arguments and the same, empty folder. A run takes
one file after the other: it makes a folder of the file's name in FOLDER, which only one of them can. FOLDER/NAME.py/seconds
says afterwards how long the file took.
"""
from __future__ import annotations

import time
from itertools import groupby
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shares", metavar="FOLDER", required=True, help="where the runs note which of them took a file")


def in_order(by_file: dict[Path, list[pytest.Item]]) -> list[Path]:
    """The files, those with most tests first: short ones come last, so that the runs end at about the same time."""
    return sorted(by_file, key=lambda path: (-len(by_file[path]), path.name))


def taken(folder: str, path: Path) -> Path | None:
    """Whether this run is the first that wants the file: its place among the shares, None if another has it."""
    place = Path(folder) / path.name
    try:
        place.mkdir()
    except FileExistsError:
        return None
    return place


def run_file(items: list[pytest.Item], others: list[pytest.Item]) -> None:
    """Run the tests of one file. What the session shares stays up: the item that follows is one of another file."""
    following = next((item for item in others if item.path != items[0].path), None)
    for item, after in zip(items, items[1:] + [following]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if item.session.shouldfail:
            raise item.session.Failed(item.session.shouldfail)
        if item.session.shouldstop:
            raise item.session.Interrupted(item.session.shouldstop)


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    if session.config.option.collectonly or (session.testsfailed and not session.config.option.continue_on_collection_errors):
        return None  # pytest's own loop says what is to be said
    by_file = {path: list(items) for path, items in groupby(session.items, key=lambda item: item.path)}
    for path in in_order(by_file):
        place = taken(session.config.option.shares, path)
        if place is not None:
            started = time.monotonic()
            run_file(by_file[path], session.items)
            (place / "seconds").write_text("%.1f" % (time.monotonic() - started), encoding="ascii")
    return True
