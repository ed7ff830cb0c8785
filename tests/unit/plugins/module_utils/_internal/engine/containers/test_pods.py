# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Pods by crictl, with its answers as containerd and CRI-O give them; which runtime is asked."""
import json
import os
import socket

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.pods import PodSource
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.target import HOST_NETWORK
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri import model, runtime
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri.crictl import Crictl
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri.socket import SocketCri
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System

READY, NOT_READY = "SANDBOX_READY", "SANDBOX_NOTREADY"


class Node(System):
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


def source(system, name="demo", namespace="default"):
    return PodSource(system, runtime.connect(system, None), name, namespace)


def pod(identity, name="demo", namespace="default", state=READY):
    return {"id": identity, "metadata": {"name": name, "namespace": namespace}, "state": state}


def sandbox(pid, network="POD", state=READY, created="2026-01-01T00:00:00Z"):
    return {"status": {"state": state, "createdAt": created, "linux": {"namespaces": {"options": {"network": network}}}},
            "info": {"pid": pid}}


def test_the_ready_sandbox_of_exactly_that_name():
    system = Node([pod("old", state=NOT_READY), pod("other", "demo2"), pod("else", namespace="kube-system"), pod("new")],
                  {"new": sandbox(os.getpid())})
    (target,) = source(system).find()
    assert (target.name, target.id, target.pid) == ("default/demo", "new", os.getpid())
    # This process is on the host's network, as far as tests are.
    assert target.reason == HOST_NETWORK
    assert system.calls == [["/bin/crictl", "pods", "--output", "json"], ["/bin/crictl", "inspectp", "--output", "json", "new"]]


def test_a_pod_on_the_hosts_network():
    (target,) = source(Node([pod("a")], {"a": sandbox(4711, "NODE")})).find()
    assert target.is_host_network


def test_a_pod_that_is_not_ready_is_told_once():
    (target,) = source(Node([pod("a", state=NOT_READY), pod("b", state=NOT_READY)])).find()
    assert (target.state, target.reason) == ("exited", "the pod is not ready")


def test_a_pod_that_is_made_anew():
    system = Node([pod("a")], {"a": sandbox(os.getpid())})
    asked = source(system)
    (target,) = asked.find()
    assert asked.lost(target) is None
    for anew in (sandbox(1), sandbox(os.getpid(), state=NOT_READY), sandbox(os.getpid(), created="2026-01-02T00:00:00Z")):
        system.answers["inspectp"]["a"] = anew
        assert "ended" in asked.lost(target)


@pytest.mark.parametrize("pods", [[], None, [None, {"metadata": []}]])
def test_none(pods):
    assert source(Node(pods)).find() == []


def test_answers_that_make_no_sense():
    with pytest.raises(DrawbridgeError, match="inspectp failed"):
        source(Node([pod("a")])).find()
    with pytest.raises(DrawbridgeError, match="does not tell the process"):
        source(Node([pod("a")], {"a": {"status": {}}})).find()
    system = Node([])
    system.answers["pods"] = "no JSON"
    with pytest.raises(DrawbridgeError, match="did not print JSON"):
        source(system).find()


@pytest.mark.parametrize("name", ["--config=/etc/shadow", "a;b", "x\ny", ".*"])
def test_hostile_names_are_only_compared(name):
    system = Node([pod("a")])
    assert source(system, name, name).find() == []
    assert system.calls == [["/bin/crictl", "pods", "--output", "json"]]


def test_who_is_asked(monkeypatch, tmp_path):
    usual, named = str(tmp_path / "usual.sock"), str(tmp_path / "named.sock")
    monkeypatch.setattr(runtime, "SOCKETS", (str(tmp_path / "none.sock"), str(tmp_path), usual))
    without = Node([], installed=False)
    with pytest.raises(DrawbridgeError, match="no crictl, and no socket") as caught:
        runtime.connect(without, None)
    assert "cri-tools" in caught.value.hint and caught.value.path == "pod"
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        one.bind(usual)
        other.bind(named)
        assert isinstance(runtime.connect(without, None), SocketCri)
        assert isinstance(runtime.connect(Node([]), None), Crictl)
        assert isinstance(runtime.connect(Node([]), named), SocketCri)
    with pytest.raises(DrawbridgeError, match="no socket at") as caught:
        runtime.connect(Node([]), str(tmp_path / "gone.sock"))
    assert caught.value.path == "cri_socket"


@pytest.mark.parametrize("info, path", [
    ({"runtimeSpec": {"linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/cni-1"}]}}}, "/var/run/netns/cni-1"),
    ({"runtimeSpec": {"linux": {"namespaces": [{"type": "network"}]}}}, None),
    ({"runtimeSpec": {"linux": {"namespaces": [{"type": "network", "path": "relative"}]}}}, None),
    ({"runtimeSpec": {"linux": None}}, None), ({"runtimeSpec": []}, None), (None, None),
])
def test_the_namespace_that_a_runtime_made(info, path):
    assert model.told_sandbox(info) == path


def test_a_pod_is_where_its_runtime_made_it(tmp_path):
    """The runtime's file counts where it can be seen, and it is this process's namespace only as far as its name goes."""
    answer = sandbox(os.getpid())
    for path, seen in ((str(tmp_path), "/proc/%d/ns/net" % os.getpid()), ("/proc/self/ns/net", "/proc/self/ns/net")):
        answer["info"]["runtimeSpec"] = {"linux": {"namespaces": [{"type": "network", "path": path}]}}
        (target,) = source(Node([pod("new")], {"new": answer})).find()
        assert target.path == seen
