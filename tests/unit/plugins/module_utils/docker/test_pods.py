# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Pods by crictl, with its answers as containerd and CRI-O give them."""
import json
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils.docker.pods import PodSource
from ansible_collections.drawbridge.docker.plugins.module_utils.docker.target import HOST_NETWORK
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.host.system import Output, System

READY, NOT_READY = "SANDBOX_READY", "SANDBOX_NOTREADY"


class Crictl(System):
    """A host whose crictl answers what the test says, and that notes how it was called."""

    def __init__(self, pods, inspected=None, installed=True):
        super().__init__()
        self.answers = {"pods": {"items": pods}, "inspectp": inspected or {}}
        self.installed = installed
        self.calls = []

    def which(self, name):
        return "/bin/crictl" if self.installed else None

    def run(self, argv, stdin="", env=None):
        self.calls.append(argv)
        answer = self.answers[argv[1]]
        if argv[1] == "inspectp":
            answer = answer.get(argv[-1])
        if answer is None:
            return Output(1, "", "E1120 \x1b[31mnot found\n")
        return Output(0, answer if isinstance(answer, str) else json.dumps(answer), "")


def pod(identity, name="demo", namespace="default", state=READY):
    return {"id": identity, "metadata": {"name": name, "namespace": namespace}, "state": state}


def sandbox(pid, network="POD", state=READY, created="2026-01-01T00:00:00Z"):
    return {"status": {"state": state, "createdAt": created, "linux": {"namespaces": {"options": {"network": network}}}},
            "info": {"pid": pid}}


def test_the_ready_sandbox_of_exactly_that_name():
    system = Crictl([pod("old", state=NOT_READY), pod("other", "demo2"), pod("else", namespace="kube-system"), pod("new")],
                    {"new": sandbox(os.getpid())})
    (target,) = PodSource(system, "demo", "default").find()
    assert (target.name, target.id, target.pid) == ("default/demo", "new", os.getpid())
    # This process is on the host's network, as far as tests are.
    assert target.reason == HOST_NETWORK
    assert system.calls == [["/bin/crictl", "pods", "--output", "json"], ["/bin/crictl", "inspectp", "--output", "json", "new"]]


def test_a_pod_on_the_hosts_network():
    (target,) = PodSource(Crictl([pod("a")], {"a": sandbox(4711, "NODE")}), "demo", "default").find()
    assert target.is_host_network


def test_a_pod_that_is_not_ready_is_told_once():
    (target,) = PodSource(Crictl([pod("a", state=NOT_READY), pod("b", state=NOT_READY)]), "demo", "default").find()
    assert (target.state, target.reason) == ("exited", "the pod is not ready")


def test_a_pod_that_is_made_anew():
    system = Crictl([pod("a")], {"a": sandbox(os.getpid())})
    source = PodSource(system, "demo", "default")
    (target,) = source.find()
    assert source.lost(target) is None
    for anew in (sandbox(1), sandbox(os.getpid(), state=NOT_READY), sandbox(os.getpid(), created="2026-01-02T00:00:00Z")):
        system.answers["inspectp"]["a"] = anew
        assert "ended" in source.lost(target)


def test_none():
    assert PodSource(Crictl([]), "demo", "default").find() == []
    assert PodSource(Crictl(None), "demo", "default").find() == []
    assert PodSource(Crictl([None, {"metadata": []}]), "demo", "default").find() == []


def test_without_crictl_the_package_is_named():
    with pytest.raises(DrawbridgeError) as caught:
        PodSource(Crictl([], installed=False), "demo", "default").find()
    assert "cri-tools" in caught.value.hint and caught.value.path == "pod"


def test_answers_that_make_no_sense():
    with pytest.raises(DrawbridgeError, match="inspectp failed"):
        PodSource(Crictl([pod("a")]), "demo", "default").find()
    with pytest.raises(DrawbridgeError, match="does not tell the process"):
        PodSource(Crictl([pod("a")], {"a": {"status": {}}}), "demo", "default").find()
    system = Crictl([])
    system.answers["pods"] = "no JSON"
    with pytest.raises(DrawbridgeError, match="did not print JSON"):
        PodSource(system, "demo", "default").find()


def test_hostile_names_are_only_compared():
    for name in ("--config=/etc/shadow", "a;b", "x\ny", ".*"):
        system = Crictl([pod("a")])
        assert PodSource(system, name, name).find() == []
        assert system.calls == [["/bin/crictl", "pods", "--output", "json"]]
