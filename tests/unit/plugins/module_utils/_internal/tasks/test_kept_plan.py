# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A plan that is kept, without a kernel: what is compared, and what is told of what differs."""
import json
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.harden.steps import harden
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.kept_plan import kept
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Result, Task

NOTHING = SimpleNamespace(plan=Plan({}, [], [], [], []), live=SimpleNamespace(sets={}))
PORT = {"what": "port 80/tcp", "before": None, "after": "anybody", "containers": ["web"]}
HOSTILE = {"what": "port 81/tcp", "before": "nobody", "after": "{{ 7 * 7 }}\n\x1b[2J", "containers": ["'; \udcff"]}
SETTING = {"after_header": "/etc/docker/daemon.json", "before": "", "after": "a"}


class Host:
    """A policy's task that says what it is told to, and notes its runs."""

    def __init__(self, **values):
        self.values, self.beside, self.runs = {"changed": True, "diff": {}, "restart_required": False, **values}, [], []

    def job(self, task):
        self.runs.append("preview" if task.check_mode else "run")
        task.examine(NOTHING, list(self.beside))
        self.runs.append("done")
        return Result(dict(self.values))

    def plan(self, **params):
        return kept(Task({"plan_dir": "", **params}, True, None), self.job).values["plan"]

    def keep(self, plan, **params):
        return kept(Task({"plan_dir": plan, **params}, False, None), self.job)


def refused(then, now, **params):
    """What a host says that is about to do something else than was planned."""
    with pytest.raises(DrawbridgeError) as error:
        now.keep(then.plan(), **params)
    assert now.runs == ["preview", "done"] and "--check" in error.value.hint
    return error.value.message.partition("nothing was changed: ")[2]


def test_the_same_is_done():
    host = Host(changes=[HOSTILE], diff=[SETTING])
    plan = host.plan(policy='{"a": 1, "b": [1]}', lock_timeout=5)
    # The order of keys, and how long to wait, say nothing.
    assert host.keep(plan, policy='{"b": [1], "a": 1}', lock_timeout=50).values["changed"] and plan.isascii()
    assert host.runs == ["preview", "done"] * 2 + ["run", "done"]


def test_a_host_that_needs_nothing_any_more():
    plan = Host(changes=[PORT]).plan()
    assert not Host(changed=False).keep(plan).values["changed"]
    assert refused(Host(), Host(changed=False), revoke="keep") == "asked for is another: revoke"
    assert "restart_required" in refused(Host(), Host(changed=False, restart_required=True))
    Host(changed=False, restart_required=True).keep(Host(restart_required=True).plan())


@pytest.mark.parametrize("then, now, words", [
    ({}, {"changes": [PORT]}, "would change now, but is not in the plan: port 80/tcp (\\'web\\'): nothing, then anybody"),
    ({"changes": [PORT]}, {}, "is in the plan, but would not change now: port 80/tcp (\\'web\\'): nothing, then anybody"),
    ({"changes": [PORT]}, {"changes": [dict(PORT, containers=["db"])]}, "(\\'db\\'): nothing, then anybody; is in the plan"),
    ({}, {"changes": [HOSTILE]}, "port 81/tcp (\\'\\'; \\udcff\\'): nobody, then {{ 7 * 7 }}\\n\\x1b[2J"),
    ({}, {"diff": [SETTING]}, "other words for what changes (the plan's keys diff)"),
    ({"changed": False}, {}, "(the plan's keys changed)"),
    ({}, {"changes": [dict(PORT, what="port %d/tcp" % port) for port in range(9)]}, "and 3 more"),
])
def test_what_differs_is_told(then, now, words):
    told = refused(Host(**then), Host(**now))
    assert words.replace("\\'", "'") in told.replace("\\'", "'") and told.isascii() and told.isprintable()


def test_a_setting_beside_the_rules():
    then, now = Host(), Host()
    now.beside = [SETTING]
    assert refused(then, now) == "is to become something else: /etc/docker/daemon.json (part 1 of the policy)"


def test_a_fragment_is_named():
    def fragments(**told):
        return {"fragments": json.dumps({"fragments": told, "profile": None})}

    plan = Host().plan(**fragments(host_policy__base={}, host_policy__web={"a": 1}))
    Host().keep(plan, **fragments(host_policy__web={"a": 1}, host_policy__base={}))
    with pytest.raises(DrawbridgeError, match="asked for is another: fragment host_policy__db, fragment host_policy__web [(]"):
        Host().keep(plan, **fragments(host_policy__base={}, host_policy__web={"a": 2}, host_policy__db={}))


@pytest.mark.parametrize("plan", [
    "", "{}", "[]", "{", "null", '{"host": {}, "options": 1}', '{"host": {"iptables filter INPUT": 3}, "options": {}}', '{"host": {"x": []}, "options": {}}',
])
def test_what_is_no_plan(plan):
    host = Host()
    with pytest.raises(DrawbridgeError, match="plan_dir: not a plan|nothing was changed: "):
        host.keep(plan)
    assert host.runs == ["preview", "done"]


def test_where_the_policy_is_removed_nobody_reads_it():
    plan = Host().plan(state="absent", fragments="host_policy__", policy="{", profile="edge")
    Host().keep(plan, state="absent", fragments=None)


def test_what_changes_between_the_look_and_the_lock():
    host = Host()
    plan = host.plan()

    def job(task):
        host.beside = [] if task.check_mode else [SETTING]
        return host.job(task)

    with pytest.raises(DrawbridgeError, match="the host changed in this moment, so nothing was changed: is to become something else: /etc/docker"):
        kept(Task({"plan_dir": plan}, False, None), job)
    assert host.runs[-1] == "run"


@pytest.mark.parametrize("check", [True, False])
def test_a_host_that_needs_another_step_first(check):
    host = Host(steps={"prerequisites": {"changed": False}, "boot_restore": {"changed": True}, "event_service": {"changed": True}, "policy": {"changed": True}})
    with pytest.raises(DrawbridgeError, match="this host needs boot_restore, event_service before its policy .*--tags prerequisites,boot_restore"):
        kept(Task({"plan_dir": ""}, check, None), host.job)
    assert host.runs == ["preview", "done"]


@pytest.mark.parametrize("check", [True, False])
def test_a_step_that_fails(check):
    with pytest.raises(DrawbridgeError, match="^no$"):
        kept(Task({"plan_dir": ""}, check, None), lambda _task: Result({"changed": True}, failure="no"))


def test_a_run_without_the_policy_has_no_plan():
    with pytest.raises(DrawbridgeError, match="plan_dir: a plan is one of the policy"):
        harden(Task({"plan_dir": "", "steps": ["boot_restore"]}, True, None))
