# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The summary as a file."""
import json
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.hosts import Change, Host
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.report import report, write

HOSTS = [
    Host("web1", "changed", "", (Change("port 80/tcp", ("a\x1b[1m\udcff",), None, "anybody"), Change("ping", (), "anybody", "nobody")), {"rules": 41}),
    Host("web2", "failed", "no {{ 1 }}"),
]
CONTENT = {
    "version": 1, "check_mode": True, "finished": False, "result": "failed", "totals": {"changed": 1, "failed": 1},
    "hosts": {
        "web1": {"result": "changed", "rules": 41, "changes": [
            {"what": "port 80/tcp", "before": None, "after": "anybody", "containers": ["a\x1b[1m\udcff"]},
            {"what": "ping", "before": "anybody", "after": "nobody"}]},
        "web2": {"result": "failed", "message": "no {{ 1 }}"},
    },
}


def test_what_is_in_it(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    write(str(path), report(HOSTS, True, False))
    assert json.loads(path.read_text(encoding="ascii")) == CONTENT
    assert "\x1b" not in path.read_text(encoding="ascii")
    assert path.stat().st_mode & 0o7777 == 0o600 and os.listdir(tmp_path) == ["report.json"]


def test_a_file_that_cannot_be_replaced_is_left_alone(tmp_path):
    (tmp_path / "folder" / "in it").mkdir(parents=True)
    with pytest.raises(OSError):
        write(str(tmp_path / "folder"), {})
    assert os.listdir(tmp_path) == ["folder"]
    with pytest.raises(FileNotFoundError):
        write(str(tmp_path / "none" / "report.json"), {})
