# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The boundary to Ansible: results, warnings, failures without a traceback."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks import run


class Ended(Exception):
    """A module has said its last word."""


class Module:
    """As much of AnsibleModule as the boundary uses."""

    params = {"transport": "legacy", "lock_timeout": 7}
    check_mode = True
    _diff = True

    def __init__(self, argument_spec, **more):
        self.argument_spec, self.more, self.warnings = argument_spec, more, []
        Module.last = self

    def warn(self, text):
        self.warnings.append(text)

    def exit_json(self, **values):
        raise Ended("ok", values)

    def fail_json(self, **values):
        raise Ended("failed", values)


@pytest.mark.parametrize("seconds", [-1, 3601, 99999])
def test_a_time_to_confirm_in_that_cannot_be_is_told_in_check_mode_too(seconds):
    task = run.Task({"lock_timeout": 1, "transport": "auto", "confirm_timeout": seconds}, True, None)
    with pytest.raises(DrawbridgeError, match="^confirm_timeout: %d is not from 0 to 3600 seconds$" % seconds):
        task.settings()


@pytest.mark.parametrize("seconds", [0, 1, 3600])
def test_a_time_to_confirm_in(seconds):
    assert run.Task({"lock_timeout": 1, "transport": "auto", "confirm_timeout": seconds}, True, None).settings().confirm_timeout == seconds


def ran(monkeypatch, job):
    monkeypatch.setattr(run, "AnsibleModule", Module)
    with pytest.raises(Ended) as ended:
        run.run_module({"lock_timeout": {"type": "int"}}, job)
    return ended.value.args


def test_a_result(monkeypatch):
    word, values = ran(monkeypatch, lambda task: run.Result({"changed": True, "x": 5}, ["mind the gap"]))
    assert word == "ok" and values["changed"] and values["x"] == 5
    assert Module.last.warnings == ["mind the gap"] and Module.last.more["supports_check_mode"]


def test_arguments_do_not_travel_back(monkeypatch):
    _word, values = ran(monkeypatch, lambda task: run.Result({"changed": False}))
    assert values["invocation"] == {"module_args": {}}


def test_what_a_task_is_told(monkeypatch):
    seen = []

    def job(task):
        seen.append(task)
        return run.Result({"changed": False})

    ran(monkeypatch, job)
    assert seen[0].check_mode and seen[0].shows_diff and seen[0].settings()[:3] == ("legacy", 7, True)


def test_a_known_failure_is_its_message(monkeypatch):
    def job(task):
        raise DrawbridgeError("wrong", "rules[0]", "do this")

    assert ran(monkeypatch, job) == ("failed", {"msg": "rules[0]: wrong (do this)"})


@pytest.mark.parametrize("user, path, hint, said", [
    (1, None, None, "refused (run the task as root: become: true)"), (1, None, "wait", "refused (wait)"), (1, "rules[0]", None, "rules[0]: refused"),
    (0, None, None, "refused"),
])
def test_who_is_not_root_is_told(monkeypatch, user, path, hint, said):
    def job(task):
        raise DrawbridgeError("refused", path, hint)

    monkeypatch.setattr(run.os, "geteuid", lambda: user)
    assert ran(monkeypatch, job) == ("failed", {"msg": said})


def test_an_unknown_failure_says_so_in_one_line(monkeypatch):
    def job(task):
        return 1 // 0

    word, values = ran(monkeypatch, job)
    assert word == "failed" and values["msg"].startswith("internal error, please report it: ZeroDivisionError") and "\n" not in values["msg"]


@pytest.mark.parametrize("error, text", [
    (DrawbridgeError("m"), "m"), (DrawbridgeError("m", "p"), "p: m"), (DrawbridgeError("m", None, "h"), "m (h)"), (DrawbridgeError("m", "p", "h"), "p: m (h)"),
])
def test_what_an_error_reads_like(error, text):
    assert str(error) == text


@pytest.mark.parametrize("shown", [{"before": "a"}, [{"before": "a"}]])
def test_what_explains_a_diff_comes_first(shown):
    result = run.Result({"changed": True, "diff": shown})
    assert result.explained(None) is result and result.with_diffs([]) is result
    assert result.explained({"before": "why"}).with_diffs([{"before": "z"}]).values["diff"] == [{"before": "why"}, {"before": "a"}, {"before": "z"}]
