# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Action plugins raise nothing: what ansible-core is given as an exception it may render as a template."""
import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
NAMES = sorted(path.stem for path in (PLUGINS / "action").glob("*.py"))
TEXT = "{{ lookup('pipe', 'id') }}"


def returned(monkeypatch, error, no_async="", async_val=0):
    """What a plugin returns whose job ends in an error."""
    class Failing(ReturningAction):
        def act(self, task_vars):
            raise error

    Failing.no_async = no_async
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {})
    action = Failing.__new__(Failing)
    action._task = SimpleNamespace(async_val=async_val)
    return action.run()


@pytest.mark.parametrize("error", [DrawbridgeError(TEXT), AnsibleError(TEXT), AnsibleActionFail(TEXT), ValueError(TEXT), UnicodeError(TEXT)])
def test_failures_are_results(monkeypatch, error):
    result = returned(monkeypatch, error)
    assert set(result) == {"failed", "changed", "msg"} and result["failed"] and TEXT in result["msg"]
    assert ("internal error" in result["msg"]) == isinstance(error, ValueError)


def test_a_host_that_is_not_reached_is_no_failure(monkeypatch):
    assert returned(monkeypatch, AnsibleConnectionFailure(TEXT)) == {"unreachable": True, "changed": False, "msg": TEXT}


def test_async_is_refused_where_it_cannot_be(monkeypatch):
    assert returned(monkeypatch, ValueError(), "why not", 30)["msg"] == "async: why not; leave async out"


@pytest.mark.parametrize("name", NAMES)
def test_every_plugin_has_the_boundary_and_raises_nothing_past_it(name):
    plugin = importlib.import_module("ansible_collections.drawbridge.docker.plugins.action." + name).ActionModule
    assert issubclass(plugin, ReturningAction) and plugin.run is ReturningAction.run


def test_nobody_else_raises_what_core_renders():
    texts = {path: path.read_text(encoding="utf-8") for folder in ("action", "plugin_utils") for path in (PLUGINS / folder).glob("*.py")}
    assert [path.name for path, text in texts.items() if "AnsibleActionFail(" in text or "AnsibleConnectionFailure(" in text] == []
