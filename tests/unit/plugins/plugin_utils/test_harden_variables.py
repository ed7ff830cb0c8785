# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What variables and tags make of a task of harden."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.plugin_utils.harden_variables import harden_options, misnamed_variables

EVERY = ["prerequisites", "boot_restore", "event_service", "policy"]


class Templar:
    def template(self, value):
        return {"{{ ports }}": [22, 2222], "{{ no }}": "no"}[value]


def options(**variables):
    return harden_options(variables, Templar())


def steps(run=("all",), skip=(), **variables):
    return options(ansible_run_tags=run, ansible_skip_tags=skip, **variables)["steps"]


def test_without_variables_everything_is_done():
    assert options() == {"boot_restore": {}, "event_service": {}, "install": True, "steps": EVERY}


def test_the_variables_of_the_roles():
    found = options(host_policy_profile="lockdown", host_policy_transport="", host_policy__web={}, boot_restore_ssh_ports="{{ ports }}",
                    event_service_closed_until_ready=True, event_service_docker_host="unix:///run/a", prerequisites_packages=["ipset"])
    assert found == {
        "profile": "lockdown", "boot_restore": {"ssh_ports": [22, 2222]}, "packages": ["ipset"], "install": True, "steps": EVERY,
        "event_service": {"closed_until_ready": True, "docker_host": "unix:///run/a"},
    }


@pytest.mark.parametrize("value", [False, "false", "no", "{{ no }}", 0])
def test_what_is_switched_off(value):
    assert steps(drawbridge_boot_restore=value) == ["prerequisites", "event_service", "policy"]
    assert steps(drawbridge_event_service=value) == ["prerequisites", "boot_restore", "policy"]
    found = options(drawbridge_prerequisites=value)
    assert (found["install"], found["steps"]) == (False, EVERY)


def test_a_switch_that_is_neither_on_nor_off():
    with pytest.raises(DrawbridgeError, match="drawbridge_boot_restore: 'perhaps' is neither true nor false"):
        options(drawbridge_boot_restore="perhaps")


@pytest.mark.parametrize("run, skip, chosen", [
    (["all"], [], EVERY),
    (["firewalls"], [], EVERY),
    (["host_policy"], [], ["policy"]),
    (["host_policy", "boot_restore", "firewalls"], [], ["boot_restore", "policy"]),
    (["all"], ["event_service"], ["prerequisites", "boot_restore", "policy"]),
    (["host_policy", "prerequisites"], ["prerequisites"], ["policy"]),
    (["all"], ["databases"], EVERY),
    (["all"], ["prerequisites", "boot_restore", "event_service", "host_policy"], []),
])
def test_tags_choose_among_the_steps(run, skip, chosen):
    assert steps(run, tuple(skip)) == chosen


@pytest.mark.parametrize("name, meant", [
    ("host_policy_profiel", "host_policy_profile"),
    ("boot_restore_ssh_port", "boot_restore_ssh_ports"),
    ("event_service_close_until_ready", "event_service_closed_until_ready"),
    ("prerequisites_package", "prerequisites_packages"),
    ("drawbridge_bootrestore", "drawbridge_boot_restore"),
])
def test_what_nothing_reads_is_told(name, meant):
    assert misnamed_variables({name: "x", "host_policy__base": {}}) == ["%s is read by nothing: did you mean %s?" % (name, meant)]


def test_what_is_right_or_somebody_s_own_is_left_alone():
    assert misnamed_variables({
        "host_policy__web": {"published_ports": {}}, "boot_restore_ssh_ports": [22], "boot_restore_owner": "me", "event_service_state": "present",
        "prerequisites_packages": [], "drawbridge_hosts": "all", "drawbridge_event_service": True, "drawbridge_colour": "blue",
        "boot_restore_policy": {"published_ports": {}},
    }) == []
