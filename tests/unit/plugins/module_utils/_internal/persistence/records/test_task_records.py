# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a task remembers: of two that may be about one container the later holds, and nothing is kept that cannot matter."""

from __future__ import annotations

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import SELECTOR_ARGUMENTS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records import records as records_module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Record, Records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.task_records import (
    RecordGone,
    ReplayedRecords,
    SelectorRecords,
    covers,
    disjoint,
    memory_of,
    selector_of,
)

MODULE = "container_netns_rule"


@pytest.fixture(name="kept")
def records_in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "records").mkdir(mode=0o700)
    monkeypatch.setattr(records_module, "FOLDER", str(tmp_path / "records"))
    return Records()


def arguments(state="present", rules="", **selector):
    return {**dict.fromkeys(SELECTOR_ARGUMENTS), **selector, "state": state, "rules": rules}


def run(section="a", targets=(), writes=True, **given):
    """A task that succeeded → whether it says that a record changed."""
    return memory_of(MODULE, section, arguments(**given), writes).settle(targets)


def names(kept):
    return [(record.name, record.arguments["state"]) for record in kept.all()]


def test_a_task_is_remembered_once(kept):
    assert run(name="web", rules="1")
    assert not run(name="web", rules="1")
    assert run(name="web", rules="2")
    (record,) = kept.all()
    assert record.arguments["rules"] == "2"


def test_check_mode_tells_and_writes_nothing(kept):
    assert run(name="web", writes=False)
    assert kept.all() == []
    run(name="web")
    assert run(name="web", state="absent", writes=False)
    assert not run(name="web", writes=False)
    assert len(kept.all()) == 1


def test_taken_away_nothing_is_left(kept):
    run(name="web")
    assert run(name="web", state="absent")
    assert not run(name="web", state="absent")
    assert kept.all() == []


def test_one_too_many_is_told_before_anything_is_changed(kept, monkeypatch):
    run(name="web")
    monkeypatch.setattr(records_module, "MAX_RECORDS", 1)
    memory_of(MODULE, "a", arguments(name="web", rules="2"), True).begin()
    with pytest.raises(DrawbridgeError, match="1 records already"):
        memory_of(MODULE, "a", arguments(name="other"), True).begin()
    memory_of(MODULE, "a", arguments(name="other", state="absent"), True).begin()


def test_sections_are_apart(kept):
    run("a", name="web")
    run("b", name="web")
    assert run("a", name="web", state="absent")
    assert [name for name, _state in names(kept)] == ['["b", {"name": "web"}]']


def test_a_wider_task_drops_what_it_covers(kept):
    run(compose_project="shop", compose_service="web")
    run(label=["com.docker.compose.project=shop", "tier=front"])
    run(compose_project="other")
    assert run(compose_project="shop", state="absent")
    assert [name for name, _state in names(kept)] == ['["a", {"compose_project": "other"}]']


def test_taking_away_from_some_is_remembered_while_a_wider_task_is(kept):
    run(compose_project="shop")
    assert run(compose_project="shop", compose_service="web", state="absent")
    assert not run(compose_project="shop", compose_service="web", state="absent")
    assert [state for _name, state in names(kept)] == ["present", "absent"]
    run(compose_project="shop", state="absent")
    assert kept.all() == []


def test_the_later_one_is_put_in_last(kept):
    run(compose_project="shop", rules="all")
    run(name="web", rules="web")
    run(compose_project="shop", rules="all")
    # It is for web too, and is what web has now.
    assert [record.arguments["rules"] for record in kept.all()] == ["web", "all"]


def test_an_id_is_remembered_whole(kept):
    class Found:
        id = "ab" * 32

    assert run(id="abab", targets=[Found])
    assert [record.arguments["id"] for record in kept.all()] == ["ab" * 32]
    assert not run(id="abab")
    assert not run(id="ababab", targets=[Found])


@pytest.mark.parametrize("selector", [{"pid": 7}, {"path": "/run/netns/blue"}])
def test_what_cannot_be_found_again_is_not_remembered(kept, selector):
    memory = memory_of(MODULE, "a", arguments(**selector), True)
    assert not isinstance(memory, SelectorRecords) and not memory.lasts
    assert not memory.settle([])
    assert kept.all() == []


def test_a_host_without_the_service_remembers_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(records_module, "FOLDER", str(tmp_path / "none"))
    assert not run(name="web")
    assert not (tmp_path / "none").exists()


def selector(**given):
    return selector_of(given)


@pytest.mark.parametrize(("broad", "narrow", "is_covered"), [
    ({"label": ["a"]}, {"label": ["a=1"]}, True),
    ({"label": ["a=1"]}, {"label": ["a"]}, False),
    ({"label": ["a=1"]}, {"label": ["a=1", "b"], "name": "x"}, True),
    ({"name": "x"}, {"label": ["a"]}, False),
    ({"query": "[?A]"}, {"query": "[?A]", "name": "x"}, True),
    ({"query": "[?A]"}, {"query": "[?B]"}, False),
    ({"pod": "p"}, {"pod": "p", "pod_namespace": "other"}, False),
])
def test_what_covers_what(broad, narrow, is_covered):
    assert covers(selector(**broad), selector(**narrow)) is is_covered


@pytest.mark.parametrize(("one", "other", "are_disjoint"), [
    ({"name": "a"}, {"name": "b"}, True),
    ({"name": "a"}, {"label": ["x"]}, False),
    ({"label": ["x=1"]}, {"label": ["x=2"]}, True),
    ({"label": ["x"]}, {"label": ["x=2"]}, False),
    ({"compose_project": "a"}, {"compose_project": "b", "name": "n"}, True),
    ({"query": "[?A]"}, {"query": "[?B]"}, False),
])
def test_what_has_nothing_in_common(one, other, are_disjoint):
    assert disjoint(selector(**one), selector(**other)) is are_disjoint
    assert disjoint(selector(**other), selector(**one)) is are_disjoint


def test_what_was_replaced_is_not_done_again(kept):
    run(name="web", rules="1")
    (record,) = kept.all()
    ReplayedRecords(kept, record).begin()
    run(name="web", rules="2")
    with pytest.raises(RecordGone):
        ReplayedRecords(kept, record).begin()
    kept.remove(record.module, record.name)
    with pytest.raises(RecordGone):
        ReplayedRecords(kept, record).begin()


def test_the_same_said_again_is_still_asked_for(kept):
    run(name="web", rules="1")
    (record,) = kept.all()
    kept.put(Record("container_port", "tcp-80", {}))
    run(name="web", rules="1")
    ReplayedRecords(kept, record).begin()
