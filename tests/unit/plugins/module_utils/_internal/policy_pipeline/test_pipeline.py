# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The order in which a policy's task does what it does, and what becomes of a task that fails on its way."""
import json
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence import checkpoint, lookup
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import parts, pipeline
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.desired import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.part import Part, Report
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Outcome, Reading

ROOT = str(Path(__file__).resolve().parents[6])
ARMED = checkpoint.Armed("1", checkpoint.BY_TASK, 9.0)
PARAMS = {
    "state": "absent", "policy": None, "fragments": None, "profile": None, "docker_host": "unix:///none", "revoke": "end", "allow_lockout": False,
    "lock_timeout": 1, "confirm_timeout": 0,
}


class Told(Part):
    """A part that tells its steps, and fails in one of them."""

    def __init__(self, run, name, words=None):
        self.run, self.name, self.words = run, name, words

    def _step(self, step):
        self.run.steps.append("%s %s" % (step, self.name))
        if self.run.fails == "%s %s" % (step, self.name):
            raise DrawbridgeError("no such setting", "policy.forwarding")

    def check(self):
        self._step("check")

    def compile(self, compiled, _asked, _netfilter):
        self._step("compile")
        return compiled._replace(warnings=[*compiled.warnings, "compiled " + self.name])

    def changes(self, _netfilter):
        self._step("changes")
        return True

    def narrow(self):
        self._step("narrow")

    def after(self, _outcome, _asked):
        self._step("after")

    def report(self):
        return Report(False, {self.name: True}, ["reported " + self.name], [{"after": self.name}], self.words)


@pytest.fixture(name="run")
def a_run(monkeypatch):
    """A run of two parts, and a third one that the plan asks for; ``armed`` covers its change."""
    class Run:
        steps = []
        fails = ""
        armed = None

        def __call__(self, **changes):
            self.steps = []
            return pipeline.keep_policy(Task(dict(PARAMS, **changes), False, System()))

    run = Run()

    def commit(_planned, settings, beside):
        assert beside.changes(None)
        run.steps.append("arm")
        beside.narrow()
        run.steps.append("rules")
        return Outcome(Plan({}, [], [], [], []), "nft", ["of the outcome"], armed=run.armed)

    @contextmanager
    def locked(_settings):
        run.steps.append("lock")
        yield
        run.steps.append("unlock")

    def refuse_lockout(*_arguments):
        run.steps.append("own way in")
        return ["lockout"]

    def stage(name):
        def roll(_self, what):
            run.steps.append("%s %s" % (name, what.id))
        return roll

    monkeypatch.setattr(parts, "PARTS", (
        parts.Row("outer", lambda _desired: Told(run, "outer"), lambda _desired: True),
        parts.Row("inner", lambda _desired: Told(run, "inner", {"after": "words"}), lambda _desired: True),
        parts.Row("by plan", lambda _desired: Told(run, "by plan"), lambda _desired: False, lambda _desired, _plan: True),
        parts.Row("never", lambda _desired: Told(run, "never"), lambda _desired: False),
    ))
    monkeypatch.setattr(pipeline, "locked", locked)
    monkeypatch.setattr(pipeline, "begin", lambda *_arguments: Reading(type("Netfilter", (), {"ipset": None}), None, None))
    monkeypatch.setattr(pipeline, "refuse_lockout", refuse_lockout)
    monkeypatch.setattr(pipeline, "planned", lambda *_arguments: None)
    monkeypatch.setattr(pipeline, "commit", commit)
    monkeypatch.setattr(lookup, "HostLock", lambda _timeout: nullcontext())
    monkeypatch.setattr(checkpoint.Checkpoint, "armed", lambda _self: run.armed)
    monkeypatch.setattr(checkpoint.Checkpoint, "roll_back", stage("roll back"))
    monkeypatch.setattr(checkpoint.Checkpoint, "confirm", stage("confirm"))
    return run


BEFORE = ["check outer", "check inner", "lock", "compile inner", "compile outer", "own way in", "changes outer", "changes inner"]
DONE = [*BEFORE, "arm", "narrow outer", "narrow inner", "rules", "unlock", "after by plan", "after inner", "after outer"]


def test_from_the_outside_in_then_the_rules_then_from_the_inside_out(run):
    result = run()
    assert run.steps == DONE
    assert result.warnings == ["compiled inner", "compiled outer", "lockout", "of the outcome", "reported by plan", "reported inner", "reported outer"]
    assert result.values["diff"][0] == {"after": "words"}
    assert result.values["diff"][2:] == [{"after": "by plan"}, {"after": "inner"}, {"after": "outer"}]
    assert result.values["inner"] and result.values["restart_required"] is False and "engine_reachable" not in result.values


@pytest.mark.parametrize("fails", BEFORE[:2] + ["compile outer", "changes inner"])
def test_what_fails_before_a_checkpoint_is_armed_changes_nothing(run, fails):
    run.fails = fails
    with pytest.raises(DrawbridgeError):
        run()
    assert run.steps[-1] == fails and "arm" not in run.steps


@pytest.mark.parametrize("armed", [ARMED, None])
@pytest.mark.parametrize("fails", DONE[-3:])
def test_rules_of_a_task_that_fails_later_are_taken_back_at_once(run, armed, fails):
    run.armed, run.fails = armed, fails
    with pytest.raises(DrawbridgeError) as error:
        run()
    assert error.value.path == "policy.forwarding"
    assert ("from before" in error.value.message) == (armed is not None)
    assert run.steps == DONE[:DONE.index(fails) + 1] + (["roll back 1"] if armed else [])


def test_a_checkpoint_that_nobody_asked_for_is_confirmed_by_the_run_itself(run):
    run.armed = ARMED
    assert "checkpoint" not in run().values and run.steps == [*DONE, "confirm 1"]
    assert run(confirm_timeout=60).values["checkpoint"]["id"] == "1" and run.steps == DONE


def test_a_change_that_the_host_took_back_meanwhile_is_an_error(run, monkeypatch):
    run.armed = ARMED
    monkeypatch.setattr(checkpoint.Checkpoint, "armed", lambda _self: None)
    with pytest.raises(DrawbridgeError, match="so long that the host took it back"):
        run()
    assert run.steps == DONE


def test_every_part_is_one():
    given = dict(PARAMS, state="present", policy=json.dumps({"egress": {}, "masquerade": {}}))
    desired = parse(Task(given, True, System()))
    for row in parts.PARTS:
        assert isinstance(row.load(desired), Part), row.name


@pytest.mark.parametrize("rules, shows_diff, said", [(0, True, False), (1000, False, True), (1001, False, False), (1001, True, True)])
def test_words_are_made_for_a_change_that_is_small_or_shown(rules, shows_diff, said):
    (row,) = [row for row in parts.PARTS if row.name == "change in words"]
    plan = type("Plan", (), {"is_change": bool(rules), "rule_count": rules})
    assert not row.is_needed(None) and row.is_needed_after(type("Desired", (), {"shows_diff": shows_diff}), plan) == said


@pytest.mark.parametrize("policy, needed", [
    ({"published_ports": {}}, ["late ports"]),
    ({"published_ports": {"default": "allow"}, "open_ports": [], "containers": []}, []),
    ({"forward_policy": {"ipv4": "drop"}}, ["host settings"]),
    ({"egress": {}}, ["egress"]),
    ({"tests": []}, []),
    ({"tests": [{"from": "any", "to": 22, "expect": "allow"}]}, ["tests"]),
    ({"masquerade": {}}, ["record for the event service", "masquerading"]),
    ({"open_ports": [{"name": "web", "port": 1, "container_port": 1, "sources": []}]}, ["record for the event service", "opened ports"]),
    ({"containers": [{"name": "web", "section": "a", "rules": []}]}, ["rules inside containers"]),
])
def test_a_policy_loads_the_parts_that_it_has(monkeypatch, policy, needed):
    loaded = []

    def noted(row):
        return row._replace(load=lambda _desired: loaded.append(row.name) or Part())

    monkeypatch.setattr(parts, "PARTS", tuple(map(noted, parts.PARTS)))
    monkeypatch.setattr(parts.leftovers, "are_there", lambda: False)
    monkeypatch.setattr(parts.leftovers, "are_inside", lambda: False)
    parts.Parts(parse(Task(dict(PARAMS, state="present", policy=json.dumps(policy)), True, System()))).check()
    assert loaded == needed


def test_what_is_loaded_late_is_not_loaded_with_the_pipeline():
    code = "import sys, conftest; from %s import pipeline; print(*sys.modules)" % pipeline.__package__
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, cwd=ROOT)
    there = {name.partition(".module_utils._internal.")[2] for name in done.stdout.decode().split()}
    assert "policy_pipeline.parts" in there and not there & {
        "policy_pipeline.host_settings", "policy_pipeline.container_rules", "policy_pipeline.records", "policy_pipeline.open_ports",
        "policy_pipeline.revocation", "policy_pipeline.masquerading", "policy_pipeline.egress", "policy_pipeline.diff_in_words", "policy.revocation.revoke",
        "policy.readback.policy_diff", "policy.merge.merge", "persistence.checkpoint", "transaction.change", "policy_pipeline.policy_tests",
        "policy.language.policy_tests", "tasks.kept_plan", "netfilter.reconcile.fingerprints",
    }
    assert not [name for name in there if name.startswith(("policy.proof.", "netfilter.verdict."))]
