# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Kubernetes pods by a real CRI, containerd's: the guide's pod and its task, on one host."""
import pytest

from tests.integration.lab.support import cri
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import wait_for
from tests.integration.lab.support.ways import dumps
from tests.integration.lab.test_container_guide import YAML, task
from tests.lab.api import Lab, Probe

HOST = "trixie"
MODULE = "drawbridge.docker.container_netns_rule"
INFO = "drawbridge.docker.container_netns_info"


@pytest.fixture(scope="module", name="node")
def node_of_pods():
    """The host, with a runtime for pods beside its engine."""
    host = Lab.load().hosts[HOST]
    with cri.node(host) as found:
        yield found


def answers(node, address, source):
    return node.host.probe([Probe("tcp", address, 80, source=source)])[0].open


def rule(node, **changes):
    """The guide's task, for the lab's runtime and with the host's own address in the place of the blocked one."""
    own = {"cri_socket": cri.SOCKET, "rules": [{"source": node.host.spec.v4, "jump": "DROP"}]}
    return {MODULE: {**task("One source is dropped in a pod")[MODULE], **own, **changes}}


def test_the_guides_pod(node):
    (manifest,) = [block for block in YAML if isinstance(block, dict) and block.get("kind") == "Pod"]
    assert "add" not in manifest["spec"]["containers"][0]["securityContext"]["capabilities"]
    identity, address = node.pod(manifest["metadata"]["name"], "default")
    _other, bystander = node.pod(manifest["metadata"]["name"] + "2", "default", "2")
    own = node.host.spec.v4
    wait_for(lambda: all(answers(node, to, own) for to in (address, bystander)), "pods that answer")
    before = dumps([node.host])
    done = play([node.host], [rule(node)]).last(HOST)
    (entry,) = done["containers"]
    assert (entry["name"], entry["id"], entry["state"]) == ("default/ubuntu-demo", identity, "running")
    assert not answers(node, address, own)
    assert answers(node, address, cri.GATEWAY) and answers(node, bystander, own)
    assert dumps([node.host]) == before
    assert not play([node.host], [rule(node)]).last(HOST)["changed"]
    told = play([node.host], [{INFO: {"pod": "ubuntu-demo", "cri_socket": cri.SOCKET}}]).last(HOST)["containers"]
    assert [item["address"] for item in told[0]["addresses"] if "." in item["address"]] == [address + "/16"]
    node.remove(identity)
    assert play([node.host], [rule(node)]).last(HOST)["containers"] == []
    play([node.host], [rule(node, on_missing="fail")], fails=True)


def test_a_pod_on_the_hosts_network_is_refused(node):
    node.pod("hosted", "kube-system", "3", 2)
    before = dumps([node.host])
    failed = play([node.host], [rule(node, pod="hosted", pod_namespace="kube-system")], fails=True).failed()
    assert "kube-system/hosted" in failed[HOST] and "host's network" in failed[HOST]
    assert dumps([node.host]) == before


def test_without_crictl_the_usual_sockets_are_asked(node):
    """The engine's own containerd has a CRI, which knows no pods."""
    play([node.host], [rule(node, cri_socket=None)])
    failed = play([node.host], [rule(node, cri_socket="/run/none.sock")], fails=True).failed()
    assert "no socket at '/run/none.sock'" in failed[HOST]
