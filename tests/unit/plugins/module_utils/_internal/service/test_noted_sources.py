# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The note about an installed program: it holds for this program and these sources, and for nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service import noted_sources
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.noted_sources import is_current, note

PROGRAM = b"\x00the program"


@pytest.fixture(name="sources")
def two_sources(tmp_path, monkeypatch):
    (tmp_path / "service").mkdir()
    for name in ("errors", "service/archive", "service/program"):
        (tmp_path / (name + ".py")).write_text("# %s\n" % name)
    monkeypatch.setattr(noted_sources, "_ROOT", str(tmp_path))
    return tmp_path


def noted():
    return note(PROGRAM, ["errors", "service.program"])


@pytest.mark.usefixtures("sources")
def test_the_same_program_from_the_same_sources():
    assert is_current(noted(), PROGRAM)
    assert not is_current(noted(), PROGRAM + b" ")
    assert not is_current(noted(), None)
    assert not is_current(None, PROGRAM)


@pytest.mark.parametrize("name", ["errors", "service/program", "service/archive"])
def test_a_source_is_another(sources, name):
    before = noted()
    (sources / (name + ".py")).write_text("# changed\n")
    assert not is_current(before, PROGRAM) and is_current(noted(), PROGRAM)


def test_a_source_is_gone(sources):
    before = noted()
    (sources / "errors.py").unlink()
    assert not is_current(before, PROGRAM) and noted() is None


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("damaged", [b"", b"\n\n", b"\xff\xfe", b"1\n2\n3", b"1\n2\n\x00"])
def test_a_damaged_note_says_nothing(damaged):
    assert not is_current(damaged, PROGRAM)
