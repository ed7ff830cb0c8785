# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Files of plans on the controller: which file is whose, and which plan is kept."""
import json
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.plugin_utils import kept_plans
from ansible_collections.drawbridge.docker.plugins.plugin_utils.kept_plans import file_name, kept_plan
from hypothesis import given
from hypothesis import strategies as st

PLAN = {"changed": True, "changes": [{"what": "port 80/tcp", "containers": ["{{ 7 * 7 }}\n\udcff"]}], "host": {}, "options": {}}
MODULE = {"changed": True, "plan": json.dumps(PLAN)}


def made(folder, host="web1", **result):
    return kept_plan(str(folder), "plan_dir", host, False).make().settled({**MODULE, **result})


def kept(folder, host="web1", restarts=False):
    return kept_plan(str(folder), "plan_dir", host, restarts).keep()


def refused(folder, words, **changes):
    with pytest.raises(DrawbridgeError, match=words) as error:
        kept(folder, **changes)
    assert error.value.path == "plan_dir" and "--check" in error.value.hint


def test_a_plan_comes_back_as_it_was(tmp_path):
    result = made(tmp_path / "a" / "plans")
    path = tmp_path / "a" / "plans" / "web1.json"
    assert result == {"changed": True, "plan": {"file": str(path), "fingerprint": json.loads(path.read_text())["fingerprint"]}}
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700 and os.listdir(path.parent) == ["web1.json"]
    plan = kept(path.parent)
    assert json.loads(plan.asked) == PLAN
    # What the run did comes with the same fingerprint; a host that failed has it, too.
    assert plan.settled({"changed": True}) == result
    assert plan.settled({"failed": True, "msg": "no"})["plan"] == result["plan"]


@pytest.mark.parametrize("result", [{"failed": True}, {"plan": None}])
def test_a_host_that_fails_has_no_plan_not_even_an_earlier_one(tmp_path, result):
    made(tmp_path)
    assert "file" not in str(made(tmp_path, **result)) and not os.listdir(tmp_path)
    refused(tmp_path, "there is no plan for this host, %s/web1.json" % tmp_path)


@pytest.mark.parametrize("key, value, words", [
    ("host", "web2", "changed after it was made"), ("made", "2020-01-01T00:00:00Z", "changed after"), ("restarts_engine", True, "changed after"),
    ("plan", {}, "changed after"), ("fingerprint", "", "changed after"), ("more", 1, "changed after"), ("version", 2, "of version 2, and"),
    ("version", "1", "is not a plan"), ("version", None, "is not a plan"),
])
def test_a_file_that_was_edited(tmp_path, key, value, words):
    made(tmp_path)
    path = tmp_path / "web1.json"
    path.write_text(json.dumps(dict(json.loads(path.read_text()), **{key: value})))
    refused(tmp_path, words)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '{"version": 1}', "[" * 100000, "\udcff"])
def test_a_file_that_is_none(tmp_path, text):
    (tmp_path / "web1.json").write_text(text, errors="surrogateescape")
    refused(tmp_path, "is not a plan|was changed")


def test_what_is_no_file(tmp_path):
    (tmp_path / "web1.json").mkdir()
    with pytest.raises(DrawbridgeError, match="web1.json"):
        kept(tmp_path)
    with pytest.raises(DrawbridgeError, match="web1.json"):
        made(tmp_path)
    os.mkfifo(tmp_path / "web2.json")
    with pytest.raises(DrawbridgeError, match="not a regular file"):
        kept(tmp_path, "web2")


def test_a_plan_of_another_host_of_another_version_and_before_another_variable(tmp_path, monkeypatch):
    made(tmp_path)
    os.link(tmp_path / "web1.json", tmp_path / "web2.json")
    refused(tmp_path, "the plan of another host, 'web1'", host="web2")
    refused(tmp_path, "host_policy_restart_engine is not", restarts=True)
    monkeypatch.setattr(kept_plans, "code_digest", lambda: "another")
    refused(tmp_path, "another version of this collection")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DrawbridgeError, match="plan_dir: cannot write .*/file/plans/web1.json"):
        made(tmp_path / "file" / "plans")


@pytest.mark.parametrize("folder", ["", " ", 7, None, ["plans"], "a\0b"])
def test_what_names_no_folder(folder):
    with pytest.raises(DrawbridgeError, match="drawbridge_plan_dir: this names no folder"):
        kept_plan(folder, "drawbridge_plan_dir", "web1", False)


@pytest.mark.parametrize("host, name", [
    ("web1.example.org", "web1.example.org.json"), ("..", "%2E..json"), (".", "%2E.json"), ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd.json"),
    ("a/b", "a%2Fb.json"), ("%2E", "%252E.json"), ("", ".json"), ("ü\n\udcff", "%C3%BC%0A%FF.json"), ("[2001:db8::1]:22", "%5B2001%3Adb8%3A%3A1%5D%3A22.json"),
])
def test_names_of_hosts_as_files(host, name):
    assert file_name(host) == name


@given(st.lists(st.text(max_size=400), min_size=2, max_size=2, unique=True))
def test_no_two_hosts_share_a_file_and_none_leads_out_of_the_folder(hosts):
    names = [file_name(host) for host in hosts if not any("\ud800" <= each < "\udc80" or each > "\udcff" and each <= "\udfff" for each in host)]
    assert len(set(names)) == len(names)
    for name in names:
        assert os.path.basename(name) == name and name not in (".", "..") and len(name) < 255 and name.isprintable() and name.isascii()
