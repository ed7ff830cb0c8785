# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a task that opens a port leaves for the event service."""
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.port_records import PortRecords, port_memory
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Records

OPEN = {"state": "present", "name": "web", "id": None, "port": 8080}
CONTAINER = SimpleNamespace(id="a" * 64)


@pytest.fixture(name="records")
def kept_records(tmp_path):
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    return Records(str(folder))


def settled(records, arguments, *targets, writes=True):
    return PortRecords(records, "tcp-8080", arguments, writes).settle(targets)


def test_one_record_for_a_port(records):
    assert settled(records, OPEN, CONTAINER) is True
    assert settled(records, OPEN, CONTAINER) is False
    assert settled(records, dict(OPEN, name="other"), CONTAINER) is True
    (record,) = records.all()
    assert (record.module, record.name, record.arguments["name"]) == ("container_port", "tcp-8080", "other")


def test_closing_forgets(records):
    settled(records, OPEN, CONTAINER)
    closed = dict(OPEN, state="absent")
    assert settled(records, closed, writes=False) is True and records.all()
    assert settled(records, closed) is True and not records.all()
    assert settled(records, closed) is False


def test_check_mode_writes_nothing(records):
    assert settled(records, OPEN, CONTAINER, writes=False) is True
    assert not records.all()


def test_a_beginning_of_an_id_is_completed(records):
    settled(records, dict(OPEN, name=None, id="aa"), CONTAINER)
    assert records.all()[0].arguments["id"] == CONTAINER.id


def test_a_host_without_records(monkeypatch, tmp_path):
    monkeypatch.setattr("ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records.FOLDER", str(tmp_path / "none"))
    memory = port_memory("tcp-8080", OPEN, True)
    assert memory.lasts is False and memory.settle([CONTAINER]) is False
