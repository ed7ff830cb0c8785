# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The outer engine: containerd and dockerd in a network namespace of their own, all state under the lab's folders."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess

from . import layout, network, processes
from .layout import OUTER_NETNS, RUN, SOCKET, STATE
from .sh import LabError, in_netns, run

CONTAINERD_SOCKET = RUN / "containerd" / "containerd.sock"
CONTAINERD_CONFIG = f'''version = 2
root = "{STATE}/containerd"
state = "{RUN}/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
path = "{STATE}/containerd/opt"
'''
CONFIG = STATE / "containerd.toml"
DAEMON_CONFIG = STATE / "daemon.json"
LAN = "lan"


def docker(argv: Sequence[str | Path], *, input: str | bytes | None = None, check: bool = True,
           timeout: float | None = None) -> CompletedProcess[str]:
    """Run a command of the outer engine's client."""
    return run(client(argv), input=input, check=check, timeout=timeout, env=environment())


def client(argv: Sequence[str | Path]) -> list[str]:
    """The command line of the engine's client."""
    return ["docker", "--host", f"unix://{SOCKET}", *(str(word) for word in argv)]


def environment() -> dict[str, str]:
    """An environment without the caller's Docker contexts, credentials and proxies."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    return {**kept, "DOCKER_CONFIG": str(STATE / "docker-client")}


def answers() -> bool:
    """Whether the engine answers."""
    return SOCKET.exists() and not docker(["version"], check=False, timeout=20).returncode


def ensure() -> None:
    """Start what does not run yet, and make the LAN."""
    network.ensure_netns(OUTER_NETNS)
    if not answers():
        _start()
    if docker(["network", "inspect", LAN], check=False).returncode:
        docker(["network", "create", "--ipv6", "--subnet", layout.LAN_V4, "--gateway", layout.ENGINE_V4,
                "--subnet", layout.LAN_V6, "--gateway", layout.ENGINE_V6,
                "--opt", f"com.docker.network.bridge.name={layout.LAN_BRIDGE}", LAN])
    network.reach_check()


def _start() -> None:
    """Start containerd and dockerd, detached, and wait for them."""
    processes.end([pid for program in ("dockerd", "containerd") for pid in processes.engine_pids(program)])
    for folder in (STATE, RUN, STATE / "docker-client"):
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    for stale in (RUN / "dockerd.pid", SOCKET):
        stale.unlink(missing_ok=True)
    CONFIG.write_text(CONTAINERD_CONFIG)
    DAEMON_CONFIG.write_text("{}\n")
    processes.start(in_netns(OUTER_NETNS, ["containerd", "--config", CONFIG]), STATE / "containerd.log")
    _await(CONTAINERD_SOCKET.exists, "containerd", STATE / "containerd.log")
    processes.start(in_netns(OUTER_NETNS, _dockerd()), STATE / "dockerd.log")
    _await(answers, "dockerd", STATE / "dockerd.log")


def _dockerd() -> list[str]:
    return [
        "dockerd", "--config-file", str(DAEMON_CONFIG), "--host", f"unix://{SOCKET}",
        "--data-root", str(STATE / "docker"), "--exec-root", str(RUN / "docker"),
        "--pidfile", str(RUN / "dockerd.pid"), "--containerd", str(CONTAINERD_SOCKET),
        "--cgroup-parent", layout.CGROUP_PARENT, "--exec-opt", "native.cgroupdriver=cgroupfs",
        "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
        "--userland-proxy=false", "--bridge=none", "--storage-driver=overlay2", "--shutdown-timeout=5",
    ]


def _await(ready: Callable[[], bool], name: str, log: Path) -> None:
    """Wait for a daemon, or fail with the end of its log."""
    deadline = time.monotonic() + 40
    while not ready():
        if time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            raise LabError(f"the lab's {name} does not answer:\n{tail}")
        time.sleep(0.1)
