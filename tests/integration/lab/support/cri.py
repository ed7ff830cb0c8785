# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A Kubernetes node as far as pods go: Debian's containerd with its CRI plugin, beside the host's own, and Debian's CNI plugins.

The sandbox's own process is the server, so that no further container is needed in a pod.
"""
from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.api import Host
from tests.lab.workload import IMAGE

from . import debian
from .playbook import ROOT
from .reach import wait_for

FOLDER = "/run/lab-cri"
SOCKET = FOLDER + "/containerd.sock"
UNIT = "lab-cri"
PAUSE = "localhost/lab-pod:1"
GATEWAY, NETWORK = "10.88.0.1", "10.88.0.0/16"
# RunPodSandbox and its opposites, by the collection's own client.
CLIENT = """
import sys
sys.path.insert(0, "%s/code")
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri import grpc
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.cri.protobuf import (
    Message, bytes_field, number_field, text_field)

def ask(method, message):
    return Message(grpc.call("%s", "/runtime.v1.RuntimeService/" + method, message, 60))

def make(name, namespace, uid, network):
    metadata = text_field(1, name) + text_field(2, uid) + text_field(3, namespace)
    options = bytes_field(1, number_field(1, int(network)))
    config = (bytes_field(1, metadata) + text_field(3, "/run/lab-cri")
              + bytes_field(8, text_field(1, "/lab-pods") + bytes_field(2, options)))
    identity = ask("RunPodSandbox", bytes_field(1, config)).text(1)
    address = ask("PodSandboxStatus", text_field(1, identity)).message(1).message(5).text(1)
    print(identity, address)

def remove(identity):
    for method in ("StopPodSandbox", "RemovePodSandbox"):
        ask(method, text_field(1, identity))

def clear():
    for pod in ask("ListPodSandbox", b"").messages(1):
        remove(pod.text(1))

{"make": make, "remove": remove, "clear": clear}[sys.argv[1]](*sys.argv[2:])
""" % (FOLDER, SOCKET)
CONFIG = """
version = 2
root = "%(folder)s/root"
state = "%(folder)s/state"
[grpc]
  address = "%(socket)s"
[ttrpc]
  address = "%(socket)s.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "%(folder)s/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%(pause)s"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%(folder)s/cni/usr/lib/cni"
    conf_dir = "%(folder)s/net.d"
""" % {"folder": FOLDER, "socket": SOCKET, "pause": PAUSE}
NET = {"cniVersion": "0.4.0", "name": "lab", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": NETWORK}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": FOLDER + "/ipam"}}]}


class Node:
    """A host with a runtime for pods."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def pod(self, name: str, namespace: str, uid: str = "1", network: int = 0) -> tuple[str, str]:
        """Run a pod → its sandbox's id and address. network: 0 its own, 2 the host's."""
        done = self.host.run(["python3", FOLDER + "/client.py", "make", name, namespace, uid, str(network)], check=False)
        assert done.returncode == 0, done.stderr + self.host.run(["journalctl", "--unit", UNIT, "-n", "30"]).stdout
        identity, _space, address = done.stdout.rstrip("\n").partition(" ")
        return identity, address

    def remove(self, identity: str) -> None:
        """End a pod."""
        self.host.run(["python3", FOLDER + "/client.py", "remove", identity])


def _file(host: Host, name: str, text: str) -> None:
    host.run(["tee", "%s/%s" % (FOLDER, name)], input=text)


def _code() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add(str(ROOT / "plugins" / "module_utils"), "ansible_collections/drawbridge/docker/plugins/module_utils")
    return stream.getvalue()


@contextmanager
def node(host: Host) -> Iterator[Node]:
    """A runtime of its own for pods on a host, and its end."""
    plugins = debian.fetched("containernetworking-plugins")
    host.run(["mkdir", "-p", FOLDER + "/net.d", FOLDER + "/code"])
    try:
        debian.unpacked(host, plugins, FOLDER + "/cni")
        host.run(["tar", "-x", "-C", FOLDER + "/code"], input=_code())
        _file(host, "net.d/10-lab.conflist", json.dumps(NET))
        _file(host, "config.toml", CONFIG)
        _file(host, "client.py", CLIENT)
        host.run(["systemd-run", "--unit", UNIT, "containerd", "--config", FOLDER + "/config.toml"])
        wait_for(lambda: host.run(["test", "-S", SOCKET], check=False).returncode == 0, "a runtime at %s" % SOCKET)
        _skip_without_plugin(host)
        _image(host)
        yield Node(host)
    finally:
        host.run(["sh", "-c", "python3 %s/client.py clear; systemctl stop %s; systemctl reset-failed %s; ip link delete cni0;"
                  " awk '$2 ~ \"^%s/\" {print $2}' /proc/mounts | sort -r | xargs -r umount; rm -rf %s /var/lib/cni"
                  % (FOLDER, UNIT, UNIT, FOLDER, FOLDER)], check=False)


def _skip_without_plugin(host: Host) -> None:
    """Several labs beside each other use up the kernel's inotify instances, and the plugin wants one."""
    told = host.run(["journalctl", "--quiet", "--output", "cat", "--unit", UNIT]).stdout
    failed = [line for line in told.splitlines() if "failed to load plugin io.containerd.grpc.v1.cri" in line]
    if failed:
        pytest.skip("containerd's CRI plugin does not start on this machine: %s" % failed[0].partition("error=")[2])


def _image(host: Host) -> None:
    """The lab's image as the one that sandboxes run."""
    host.run(["sh", "-c", "docker rm -f pause 2>/dev/null; docker create --name pause %s answer pod tcp,0.0.0.0,80 &&"
              " docker export pause | docker import --change 'ENTRYPOINT [\"answer\", \"pod\", \"tcp,0.0.0.0,80\"]'"
              " --change 'ENV PATH=/usr/bin' - %s && docker save %s | ctr --address %s --namespace k8s.io images import"
              " --snapshotter native - && docker rm pause && docker rmi %s" % (IMAGE, PAUSE, PAUSE, SOCKET, PAUSE)])
