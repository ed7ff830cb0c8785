# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is sent to hosts: the code only where it is missing, and as it is in this tree; it is packed once for a run."""
import base64
import io
import json
import os
import zipfile
import zlib

import pytest
from ansible import constants
from ansible_collections.drawbridge.docker.plugins.plugin_utils import hosted


class Action:
    """An action plugin whose host has the code or not."""

    def __init__(self, has_code):
        self.has_code = has_code
        self.asked = []

    def _execute_module(self, module_name, module_args, task_vars):
        assert module_name == "drawbridge.docker.hosted"
        self.asked.append(module_args)
        return {"changed": False} if self.has_code or "code" in module_args else {"changed": False, "code_needed": True}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


def sent(action):
    """The files of the archive that was sent."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(action.asked[-1]["code"]))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_host_that_has_the_code_is_not_sent_it(folder):
    action = Action(True)
    assert hosted.execute(action, "host_policy", {"policy": {"ports": [80]}}, {}) == {"changed": False}
    (asked,) = action.asked
    assert json.loads(zlib.decompress(base64.b64decode(asked["arguments"]))) == {"policy": {"ports": [80]}}
    assert "code" not in asked and not os.listdir(folder)


def test_the_code_is_that_of_the_tree():
    action = Action(False)
    assert hosted.execute(action, "host_policy", {}, {}) == {"changed": False}
    assert action.asked[0] == {name: value for name, value in action.asked[1].items() if name != "code"}
    files = sent(action)
    assert {"modules/hosted.py", "module_utils/_internal/errors.py"} <= set(files)
    for name, content in files.items():
        with open(os.path.join(hosted.PLUGINS, name), "rb") as stream:
            assert stream.read() == content


def test_the_code_is_packed_once_for_a_run(monkeypatch, folder):
    first = Action(False)
    hosted.execute(first, "host_policy", {}, {})
    (kept,) = folder.iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    monkeypatch.setattr(hosted, "_archive", lambda _files: pytest.fail("packed again"))
    second = Action(False)
    hosted.execute(second, "host_policy", {}, {})
    assert second.asked[1]["code"] == first.asked[1]["code"]


def test_without_room_it_is_sent_all_the_same(monkeypatch, folder):
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(folder / "missing"))
    action = Action(False)
    hosted.execute(action, "host_policy", {}, {})
    assert "modules/hosted.py" in sent(action)
