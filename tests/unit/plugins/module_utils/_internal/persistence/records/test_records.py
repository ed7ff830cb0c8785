# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Records come back as they were put, one of a kind, and nothing reaches out of their folder."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records import records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Record, Records

HOSTILE = ["../../etc/passwd", "a/b", "new\nline", "'\"$(id)", "\udcff", "x" * 4096]


@pytest.fixture
def kept(tmp_path):
    folder = tmp_path / "records"
    folder.mkdir(mode=0o700)
    return Records(str(folder))


def test_a_record_comes_back(kept):
    record = Record("container_port", "8080", {"port": 8080, "rules": [{"source": "10.0.0.0/8"}], "name": None})
    kept.put(record)
    assert kept.all() == [record._replace(order=1)] == [kept.find("container_port", "8080")]
    assert kept.find("container_port", "8081") is None


def test_a_second_one_of_the_same_name_replaces_the_first(kept):
    kept.put(Record("container_port", "a", {"port": 1}))
    kept.put(Record("container_port", "a", {"port": 2}))
    kept.put(Record("container_netns_rule", "a", {}))
    assert [record.arguments for record in kept.all()] == [{"port": 2}, {}]


def test_they_come_back_in_the_order_in_which_they_were_asked_for(kept):
    for name in "bcab":
        kept.put(Record("container_port", name, {}))
    assert [record.name for record in kept.all()] == ["c", "a", "b"]


def test_the_last_one_again_writes_nothing(kept, tmp_path):
    kept.put(Record("container_port", "a", {"port": 1}))
    (file,) = (tmp_path / "records").iterdir()
    before = file.stat().st_ino
    kept.put(Record("container_port", "a", {"port": 1}))
    assert file.stat().st_ino == before
    kept.put(Record("container_port", "a", {"port": 2}))
    assert file.stat().st_ino != before


def test_removed_is_gone_and_removing_twice_is_no_error(kept):
    kept.put(Record("container_port", "a", {}))
    kept.remove("container_port", "a")
    kept.remove("container_port", "a")
    assert kept.all() == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_in_the_folder(kept, tmp_path, name):
    kept.put(Record("container_port", name, {}))
    assert [record.name for record in kept.all()] == [name]
    (file,) = os.listdir(tmp_path / "records")
    assert os.listdir(tmp_path) == ["records"]
    assert stat.S_IMODE(os.stat(tmp_path / "records" / file).st_mode) == 0o600


def test_a_host_without_the_folder_keeps_none(tmp_path):
    none = Records(str(tmp_path / "records"))
    assert not none.are_kept
    assert none.all() == []
    none.remove("container_port", "a")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "module": "m", "name": "n", "arguments": {}}', '{"version": 1}'])
def test_a_damaged_file_is_named(kept, tmp_path, text):
    (tmp_path / "records" / "container_port-0.json").write_text(text)
    with pytest.raises(DrawbridgeError, match="container_port-0.json is not a record"):
        kept.all()


def test_they_are_bounded(kept, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORDS", 2)
    for name in "ab":
        kept.put(Record("container_port", name, {}))
    kept.put(Record("container_port", "b", {"again": True}))
    with pytest.raises(DrawbridgeError, match="2 records already"):
        kept.put(Record("container_port", "c", {}))
