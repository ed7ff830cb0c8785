# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Who asked for a quarantine, when and why."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records import quarantine_notes, records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.quarantine_notes import (
    Note,
    Notes,
    quarantine_memory,
    who_asks,
)

ARGUMENTS = {"name": "web", "id": None, "compose_project": None, "state": "present", "reason": "INC-1"}
HOSTILE = 'a"; {{ lookup("pipe", "id") }}\n<3>\u202e'


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "FOLDER", str(tmp_path / "records"))
    return tmp_path


def test_notes_come_and_go_with_their_folder(own_folder):
    notes = Notes()
    assert notes.all() == [] and notes.find({"name": "web"}) is None
    one, two = Note({"name": "web"}, HOSTILE, "alice", "2026-01-01T00:00:00Z"), Note({"compose_project": HOSTILE}, "x", HOSTILE, "")
    notes.put(one)
    notes.put(two)
    assert notes.all() == [one, two] and notes.find({"name": "web"}) == one and notes.find(two.selector) == two
    assert all(name.startswith("quarantine-") for name in os.listdir(own_folder / "quarantines"))
    notes.remove({"name": "web"})
    assert notes.all() == [two]
    notes.remove(two.selector)
    assert os.listdir(own_folder) == []
    notes.remove(two.selector)


def test_a_record_is_left_only_where_records_are_kept(own_folder):
    assert not quarantine_memory(ARGUMENTS, True).lasts
    (own_folder / "records").mkdir(mode=0o700)
    checked = quarantine_memory(ARGUMENTS, False)
    assert checked.lasts and checked.settle([]) and records.Records().all() == []
    assert quarantine_memory(ARGUMENTS, True).settle([]) and not quarantine_memory(ARGUMENTS, True).settle([])
    other = dict(ARGUMENTS, name=None, compose_project="shop")
    assert quarantine_memory(other, True).settle([])
    lifted = quarantine_memory(dict(ARGUMENTS, state="absent"), True)
    assert not lifted.lasts and lifted.settle([]) and not lifted.settle([])
    assert [record.arguments for record in records.Records().all()] == [other]


class Login(System):
    """A host whose processes have this login."""

    def __init__(self, number):
        self.number = number

    def read(self, path):
        return self.number if path.endswith("loginuid") else None


def test_who_asks(monkeypatch):
    monkeypatch.setattr(quarantine_notes, "controlling_connection", lambda _system: None)
    assert who_asks(Login("0")) == "root" and who_asks(Login("3999999999")) == "user 3999999999"
    monkeypatch.setattr(quarantine_notes.os, "getuid", lambda: 0)
    assert who_asks(Login("4294967295\n")) == who_asks(Login("")) == "root"
    monkeypatch.setattr(quarantine_notes, "controlling_connection", lambda _system: Connection("192.0.2.1", 22, "192.0.2.7"))
    assert who_asks(Login("0")) == "root from 192.0.2.7"
