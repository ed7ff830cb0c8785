# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every YAML that the documentation shows is taken: by Ansible, by the modules' arguments, and by what modules read of them before they look at a host."""
import builtins
import importlib
import os
import socket
import subprocess
from contextlib import ExitStack, contextmanager, nullcontext
from unittest import mock

import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge_set

from tests.unit.support.snippets import COLLECTION, MODULES, ROOT, Call, Reached, Wrong, check_play, check_task, checked, documents, role_variables, written

# YAML that other programs read, by its first keys.
OF_OTHERS = {("services",): "Compose", ("apiVersion", "kind"): "Kubernetes", ("version", "images"): "ansible-builder"}
# What would read or change this machine.
TO_THE_MACHINE = (
    (builtins, "open"), (subprocess, "Popen"), (socket, "socket"),
    *((os, name) for name in ("open", "stat", "lstat", "listdir", "scandir", "readlink", "mkdir", "replace", "rename", "unlink", "remove", "chmod", "fork")),
)


@contextmanager
def apart():
    """Nothing in here reaches this machine."""
    def reached(*_arguments, **_more):
        raise Reached

    with ExitStack() as stack:
        for owner, name in TO_THE_MACHINE:
            stack.enter_context(mock.patch.object(owner, name, reached))
        # Some arguments are looked at only after what the host holds: here it holds nothing.
        stack.enter_context(mock.patch.object(converge_set, "locked", nullcontext))
        stack.enter_context(mock.patch.object(converge_set.SetPlanner, "read", lambda _planner: {}))
        stack.enter_context(mock.patch.object(Records, "are_kept", False))
        yield


def check(item):
    (check_play if "hosts" in item else check_task)(item, apart)


LISTS = {where: content for where, content in documents() if isinstance(content, list)}
MAPPINGS = {where: content for where, content in documents() if isinstance(content, dict)}
EXAMPLES = {path.stem: yaml.safe_load(importlib.import_module(MODULES + path.stem).EXAMPLES)
            for path in sorted((ROOT / "plugins/modules").glob("*.py")) if path.stem not in ("__init__", "hosted")}


def test_every_block_is_read():
    assert len(list(written())) == len(LISTS) + len(MAPPINGS) > 40
    assert {"README.md-0", "docs/guides/troubleshooting.md-0"} < set(LISTS)


@pytest.mark.parametrize("where", LISTS)
def test_plays_and_tasks(where):
    for item in LISTS[where]:
        check(item)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_modules(name):
    for item in EXAMPLES[name]:
        check(item)


@pytest.mark.parametrize("where", MAPPINGS)
def test_variables(where):
    """Fragments of policies are read in test_examples.py. Every other variable is one of a role's."""
    content = MAPPINGS[where]
    others = {name: value for name, value in content.items() if not name.startswith("host_policy__")}
    if not others or any(tuple(content)[:len(keys)] == keys for keys in OF_OTHERS):
        return
    (role,) = [name for name, variables in role_variables().items() if set(others) <= set(variables)]
    assert checked(Call(role_variables()[role]), others, role)


HARDEN = COLLECTION + "harden"
NETWORK = COLLECTION + "netns_network"
RULES = COLLECTION + "docker_user_chain"
WRONG = [
    ({"harden": {}}, "not one module by its whole name: harden"),
    ({HARDEN: {}, "ansible.builtin.debug": {}}, "not one module by its whole name"),
    ({HARDEN: {}, "whn": True}, "not one module by its whole name"),
    ({COLLECTION + "hardn": {}}, "there is no module drawbridge.docker.hardn"),
    ({"ansible.builtin.nosuch": {}}, "there is no module ansible.builtin.nosuch"),
    ({"ansible.builtin.debug": {"mgs": "{{ x }}"}}, "mgs"),
    ({"ansible.builtin.package": {"name": "x"}}, "missing required arguments: state"),
    ({HARDEN: {"polcy": {}}}, "polcy"),
    ({HARDEN: "policy"}, "no dictionary of arguments"),
    ({HARDEN: {"policy": {"published_port": {}}}}, "published_port"),
    ({HARDEN: {"policy": {"published_ports": {"allow": [{"port": 70000, "sources": ["any"]}]}}}}, "70000"),
    ({HARDEN: {"profile": "egde", "policy": "{{ policy }}"}}, "value of profile must be one of"),
    ({RULES: {"rules": [{"jump": "DROP"}]}}, "missing required arguments: section"),
    ({RULES: {"section": "x", "rules": [{"jmp": "DROP"}]}}, "jmp"),
    ({RULES: {"section": "x", "rules": [{"source": "192.0.2.300", "jump": "DROP"}]}}, "192.0.2.300"),
    ({NETWORK: {"name": "n", "namespaces": [{"name": "a", "interface": []}]}}, "interface"),
    ({COLLECTION + "container_egress": {"allow": [{"destination": "nowhere"}]}}, "nowhere"),
    ({COLLECTION + "masquerade": {"networks": {"back": "192.0.2"}}}, "192.0.2"),
    ({COLLECTION + "container_netns_rule": {"name": "web", "section": "x", "rules": [{"jmp": "DROP"}]}}, "jmp"),
    ({COLLECTION + "packet_verdict": {"packets": [{"from": "203.0.113.9", "to": "[2001:db8::10]:53/udp"}]}}, "of another family"),
    ({COLLECTION + "address_set": {"name": "x", "entries": ["192.0.2.300"]}}, "192.0.2.300"),
    ({COLLECTION + "container_port": {"name": "x"}}, "missing required arguments: port"),
    ({COLLECTION + "nat_filter_chain": {"allow": [{"port": 8080, "soruces": ["any"]}]}}, "soruces"),
    ({"block": [{HARDEN: {"polcy": {}}}], "always": []}, "polcy"),
    ({"block": [], "alwyas": []}, "alwyas"),
    ({"hosts": "all", "taks": []}, "taks"),
    ({"hosts": "all", "handlers": [{HARDEN: {"polcy": {}}}]}, "polcy"),
    ({"hosts": "all", "roles": ["drawbridge.docker.nosuch"]}, "there is no role"),
    ({"hosts": "all", "roles": [{"role": "drawbridge.docker.boot_restore", "nosuch": 1}]}, "nosuch"),
    ({"hosts": "all", "roles": [{"role": "drawbridge.docker.docker_daemon", "docker_daemon_config": {"userland_prxy": False}}]}, "userland_prxy"),
]


@pytest.mark.parametrize("item, message", WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wrong_is_found(item, message):
    with pytest.raises(Wrong) as caught:
        check(item)
    assert message in str(caught.value)


def test_templates_may_come_to_anything():
    check({RULES: {"section": "own-{{ item.table }}", "ip_version": "{{ item.ip_version }}", "priority": "{{ place }}", "rules": "{{ item.rules }}"}})


def test_nothing_comes_to_this_machine():
    """A module whose arguments are right goes on until it would read something."""
    with pytest.raises(Reached), apart():
        os.stat("/")
    check({COLLECTION + "firewall_checkpoint": {"state": "rolled_back"}})
    assert os.stat("/")
