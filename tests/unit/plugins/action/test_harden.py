# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""harden on the controller: what is sent, and what becomes of a host that lacks packages."""
import json
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.action import harden
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.plugin_utils import packages

DIFF = {"before": "", "after": "ipset\n", "before_header": "packages", "after_header": "packages"}
PACKAGE = {"action": "package", "name": ["ipset"], "state": "present", "use": "apt"}
STEPS = {"boot_restore": {"changed": False}, "policy": {"changed": False}}


def lacking(is_needed=True):
    return {"changed": False, "lacking": {
        "missing": ["ipset"], "packages": ["ipset"], "is_needed": is_needed, "package_manager": "apt", "diff": DIFF}}


def unchanged():
    return {"changed": False, "steps": dict(STEPS, prerequisites={"changed": False}), "diff": [{"before": "", "after": ""}], "rules": 41}


class Host:
    """Answers of the module harden, and of ansible.builtin.package, in order; and what they were asked."""

    def __init__(self, monkeypatch, answers, installs=()):
        self.answers, self.installs, self.asked, self.wanted, self.check_mode = list(answers), list(installs), [], [], False
        monkeypatch.setattr(harden, "execute", self._execute)

    def _execute(self, _action, name, options, _task_vars):
        assert name == "harden"
        self.asked.append(dict(options))
        return self.answers.pop(0)

    def get(self, name, task, **_others):
        """Ansible's loader of action plugins."""
        assert task.environment == ["the task's", {"RES_OPTIONS": "timeout:2 attempts:1"}]
        self.wanted.append(dict(task.args, action=name.rpartition(".")[2]))
        return SimpleNamespace(run=lambda task_vars: self.installs.pop(0))

    def run(self, arguments=None, **variables):
        action = harden.ActionModule.__new__(harden.ActionModule)
        arguments = {"fragments": "host_policy__", "from_variables": True} if arguments is None else arguments
        action._task = SimpleNamespace(args=arguments, check_mode=self.check_mode, copy=lambda: SimpleNamespace(args=None, environment=["the task's"]))
        action._shared_loader_obj = SimpleNamespace(action_loader=self)
        action._connection = action._play_context = action._loader = action._templar = None
        return action.act({"host_policy__base": {"published_ports": {}}, "inventory_hostname": "../web1", **variables})


def test_a_host_in_order_is_asked_once(monkeypatch):
    host = Host(monkeypatch, [unchanged()])
    assert host.run(host_policy_profile="edge") == unchanged()
    (asked,) = host.asked
    assert json.loads(asked["fragments"])["fragments"] == {"host_policy__base": {"published_ports": {}}}
    assert asked["profile"] == "edge" and asked["install"] and "from_variables" not in asked


@pytest.mark.parametrize("variables, required, changed", [
    ({}, True, False), ({"host_policy_restart_engine": False}, True, False),
    ({"host_policy_restart_engine": True}, False, False), ({"host_policy_restart_engine": "yes"}, True, True),
])
def test_a_restart_that_is_still_due_is_a_change_where_the_play_may_do_it(monkeypatch, variables, required, changed):
    host = Host(monkeypatch, [dict(unchanged(), restart_required=required)])
    assert host.run(**variables)["changed"] == changed


def test_what_the_task_says_goes_before_variables(monkeypatch):
    host = Host(monkeypatch, [unchanged()])
    host.run({"policy": {}, "from_variables": True, "profile": None, "install": False}, drawbridge_prerequisites=True)
    assert host.asked[0]["policy"] == {} and not host.asked[0]["install"]


def test_without_from_variables_none_is_read(monkeypatch):
    host = Host(monkeypatch, [unchanged()])
    host.run({"policy": {}}, host_policy_transport="legacy", drawbridge_prerequisites=False, host_policy_profiel="x")
    assert host.asked == [{"policy": {}}]


def test_no_fragment_is_needed_where_the_policy_is_left_out(monkeypatch):
    host = Host(monkeypatch, [unchanged()])
    host.run({"fragments": "other__", "steps": ["boot_restore"]})
    assert host.asked == [{"steps": ["boot_restore"]}]


def test_tags_that_leave_nothing(monkeypatch):
    tags = ["prerequisites", "boot_restore", "event_service", "host_policy"]
    assert Host(monkeypatch, []).run(ansible_skip_tags=tags)["skipped"]


def test_packages_are_installed_and_the_module_runs_again(monkeypatch):
    host = Host(monkeypatch, [lacking(), unchanged()], [{"changed": True}])
    result = host.run()
    assert host.wanted == [PACKAGE]
    assert [asked["install"] for asked in host.asked] == [True, False]
    assert result["changed"] and result["diff"][0] == DIFF and result["rules"] == 41
    assert result["steps"] == {"prerequisites": {"changed": True, "missing": ["ipset"], "packages": ["ipset"]}, **STEPS}


def test_package_lists_are_refreshed_only_where_it_failed_without(monkeypatch):
    host = Host(monkeypatch, [lacking(), unchanged()], [{"failed": True, "msg": "no package"}, {"changed": True}, {"changed": True}])
    assert host.run()["changed"]
    assert host.wanted[0] == host.wanted[2] == PACKAGE
    assert host.wanted[1]["action"] == "command" and host.wanted[1]["argv"][-1] == "update"


def test_other_managers_refresh_their_lists_themselves(monkeypatch):
    other = lacking()
    other["lacking"]["package_manager"] = "auto"
    host = Host(monkeypatch, [other, unchanged()], [{"failed": True, "msg": "no package"}, {"changed": True}])
    assert host.run()["changed"]
    assert host.wanted == [dict(PACKAGE, use="auto"), dict(PACKAGE, use="auto", update_cache=True)]


def test_what_cannot_be_installed_and_is_needed(monkeypatch):
    host = Host(monkeypatch, [lacking()], [{"failed": True, "msg": "no package"}, {"failed": True, "msg": "no {{ network }}: "}])
    assert host.run() == {"failed": True, "changed": False, "msg": (
        "the host lacks ipset; the packages ipset cannot be installed: no package; with fresh package lists: no {{ network }}"
        " (install them, or let the host reach its package mirror)")}


def test_what_cannot_be_installed_and_is_not_needed(monkeypatch):
    host = Host(monkeypatch, [lacking(is_needed=False), unchanged()], [{"failed": True, "msg": "no"}, {"failed": True, "msg": "no"}])
    result = host.run()
    assert not result["changed"] and result["rules"] == 41
    assert result["warnings"] == ["the host lacks ipset; the packages ipset cannot be installed: no; with fresh package lists: no"]


def test_a_manager_whose_lists_cannot_be_refreshed(monkeypatch):
    refused = {"failed": True, "msg": "Unsupported parameters for (slackpkg) module: update_cache"}
    other = lacking()
    other["lacking"]["package_manager"] = "auto"
    host = Host(monkeypatch, [other], [{"failed": True, "msg": "no package"}, refused])
    assert "cannot be installed: no package (install" in host.run()["msg"]


def test_the_inventory_may_name_the_manager(monkeypatch):
    host = Host(monkeypatch, [lacking(), unchanged()], [{"changed": True}])
    host.run(ansible_package_use="community.general.pacman")
    assert host.wanted[0]["use"] == packages.AUTO


@pytest.mark.parametrize("changed", [True, False])
def test_a_failure_after_packages_says_that_they_are_there(monkeypatch, changed):
    failed = {"failed": True, "changed": False, "msg": "policy: no"}
    result = Host(monkeypatch, [lacking(), failed], [{"changed": changed}]).run()
    assert result["failed"] and result["changed"] == changed and result["steps"]["prerequisites"]["changed"] == changed


@pytest.mark.parametrize("name", ["drawbridge_plan_dir", "host_policy_plan_dir"])
def test_a_plan_is_made_and_kept(monkeypatch, tmp_path, name):
    made = Host(monkeypatch, [dict(unchanged(), plan=json.dumps({"host": {}}))])
    made.check_mode = True
    told = made.run(**{name: str(tmp_path)})["plan"]
    assert made.asked[0]["plan_dir"] == "" and told["file"] == str(tmp_path / "%2E.%2Fweb1.json")
    kept = Host(monkeypatch, [unchanged()])
    assert kept.run(**{name: str(tmp_path)})["plan"] == told and json.loads(kept.asked[0]["plan_dir"]) == {"host": {}}
    with pytest.raises(DrawbridgeError, match="host_policy_restart_engine is not what it was"):
        Host(monkeypatch, []).run(**{name: str(tmp_path), "host_policy_restart_engine": True})
    with pytest.raises(DrawbridgeError, match=name + ": there is no plan for this host"):
        Host(monkeypatch, []).run(**{name: str(tmp_path), "inventory_hostname": "web1"})
    with pytest.raises(DrawbridgeError, match=name + ": this names no folder"):
        Host(monkeypatch, []).run(**{name: ""})


def test_a_check_that_cannot_be_asked_leaves_no_plan(monkeypatch, tmp_path):
    (tmp_path / "%2E.%2Fweb1.json").write_text("{}")
    host = Host(monkeypatch, [])
    host.check_mode = True
    with pytest.raises(DrawbridgeError, match="no_such"):
        host.run({"fragments": "no_such__", "from_variables": True}, drawbridge_plan_dir=str(tmp_path))
    assert not list(tmp_path.iterdir())
