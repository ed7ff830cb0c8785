# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Containers as far as the network goes: processes in namespaces of their own, and an engine that tells of them."""
from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypedDict

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import Inspector, NoSuchContainer
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import SELECTOR_ARGUMENTS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Result, Task
from ansible_collections.drawbridge.docker.plugins.modules import container_netns_info, container_netns_rule

from .namespace import entered

SELECTORS = {**dict.fromkeys(SELECTOR_ARGUMENTS), "on_missing": "fail", "docker_host": "unused"}
DEFAULTS = {
    **SELECTORS, "lock_timeout": 5, "section": "web", "state": "present", "table": "filter", "chain": "INPUT", "priority": 500,
    "established": False, "loopback": False, "ip_version": "both", "purge": False, "rules": None, "rules_from": None,
}


class Config(TypedDict):
    """A container's, as far as anybody asks for it."""

    Labels: Mapping[str, str]
    Image: str


class Inspected(TypedDict):
    """A container as the engine tells of one."""

    Id: str
    Name: str
    State: dict[str, object]
    Config: Config
    HostConfig: dict[str, object]
    Mounts: list[dict[str, str]]


class Engine(Inspector):
    """``before_inspect``: called with the id and how often it was asked for; what a test lets happen in between."""

    def __init__(self) -> None:
        self.inspected: dict[str, Inspected] = {}
        self.asked: dict[str, int] = {}
        self.before_inspect: Callable[[str, int], object] = lambda container_id, times: None

    def all_containers(self) -> list[dict[str, object]]:
        return [{"Id": item["Id"], "Names": [item["Name"]], "Labels": item["Config"]["Labels"]}
                for item in self.inspected.values()]

    def inspect(self, container_id: str) -> dict[str, object]:
        self.asked[container_id] = self.asked.get(container_id, 0) + 1
        self.before_inspect(container_id, self.asked[container_id])
        if container_id not in self.inspected:
            raise NoSuchContainer("no such container")
        return dict(self.inspected[container_id])


class Containers:
    """Starts and ends them; runs container_netns_rule against them."""

    def __init__(self, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.variant = variant
        self.engine = Engine()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for module in (container_netns_rule, container_netns_info):
            monkeypatch.setattr(module, "SdkEngine", lambda _address: self.engine)

    def start(
        self, name: str, network: str = "default", labels: Mapping[str, str] | None = None, host: bool = False,
        config: Mapping[str, object] | None = None, mounts: Iterable[str] = (),
    ) -> str:
        """A container; ``network``: as HostConfig.NetworkMode, ``container:NAME`` joins another one's namespace. ``config``:
        more of its HostConfig; ``mounts``: folders and files of the host that are in it."""
        identity = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        here = os.readlink("/proc/thread-self/ns/net")
        argv = ["sleep", "300"]
        if network.startswith("container:"):
            argv = ["nsenter", "--net=/proc/%d/ns/net" % self.pid(network.partition(":")[2])] + argv
        elif not host:
            argv = ["unshare", "--net"] + argv
        process = subprocess.Popen(argv)  # pylint: disable=consider-using-with
        while not host and os.readlink("/proc/%d/ns/net" % process.pid) == here:
            time.sleep(0.002)
        self.processes[name] = process
        self.engine.inspected[identity] = {
            "Id": identity, "Name": "/" + name,
            "State": {"Status": "running", "Running": True, "Pid": process.pid, "StartedAt": "2026-01-01T00:00:00.1Z"},
            "Config": {"Labels": labels or {}, "Image": "image-of-" + name},
            "HostConfig": {"NetworkMode": "host" if host else network, **(config or {})},
            "Mounts": [{"Type": "bind", "Source": path} for path in mounts],
        }
        return identity

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def tell(self, name: str, **state: object) -> None:
        """Change what the engine tells of a container's state."""
        for item in self.engine.inspected.values():
            if item["Name"] == "/" + name:
                item["State"] = dict(item["State"], **state)

    def stop(self, name: str) -> None:
        """End the process; the engine tells it."""
        self.kill(name)
        self.tell(name, Status="exited", Running=False, Pid=0)

    def kill(self, name: str) -> None:
        """End the process; the engine does not know yet."""
        os.kill(self.pid(name), signal.SIGKILL)
        self.processes[name].wait()

    def apply(self, *rules: object, check: bool = False, **params: object) -> Result:
        """Run the module's job → its Result."""
        given = dict(DEFAULTS, rules=list(rules), transport=self.variant, **params)
        return container_netns_rule.keep_section(Task(given, check, System()))

    def look(self, **params: object) -> dict[str, dict[str, object]]:
        """Run container_netns_info's job → its containers by name."""
        result = container_netns_info.look(Task(dict(SELECTORS, **params), False, System()))
        assert result.values["changed"] is False
        return {entry["name"]: entry for entry in result.values["containers"]}

    def save(self, name: str, variant: str | None = None, program: str = "iptables") -> list[str]:
        """A container's rules without comments and counters."""
        with entered("/proc/%d/ns/net" % self.pid(name)):
            text = subprocess.run(["%s-%s-save" % (program, variant or self.variant)], capture_output=True, text=True,
                                  check=True).stdout
        return [line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")]

    def rules(self, name: str, chain: str = "DB-NS-web", variant: str | None = None, program: str = "iptables") -> list[str]:
        """A chain's rules in a container."""
        prefix = "-A %s " % chain
        return [line[len(prefix):] for line in self.save(name, variant, program) if line.startswith(prefix)]

    def sh(self, name: str, *commands: str) -> None:
        """Run iptables commands of the test's variant, or other commands, in a container."""
        with entered("/proc/%d/ns/net" % self.pid(name)):
            for command in commands:
                subprocess.run(command.split(), check=True)


@contextlib.contextmanager
def containers(variant: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Containers]:
    """Containers that end with the test."""
    found = Containers(variant, monkeypatch)
    try:
        yield found
    finally:
        for process in found.processes.values():
            process.kill()
            process.wait()
