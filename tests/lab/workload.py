# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What runs on each host: containers that publish ports in every way that the tests tell apart."""

from __future__ import annotations

import time
from dataclasses import dataclass

from . import hosts, layout
from .layout import HostSpec
from .sh import LabError

IMAGE = "lab/server:3"
BACKEND = "backend"
NET6 = "net6"
RANGE = range(8100, 8104)


@dataclass(frozen=True)
class Container:
    """A container of the workload; it answers on the given places (protocol,address,port)."""

    name: str
    places: tuple[str, ...]
    publish: tuple[str, ...] = ()
    network: str = "bridge"

    def argv(self) -> list[str]:
        """The engine's command that makes it."""
        published = [word for port in self.publish for word in ("--publish", port)]
        return ["docker", "run", "--detach", "--restart=always", "--stop-signal=KILL", "--name", self.name,
                "--network", self.network, *published, IMAGE, "answer", self.name, *self.places]


def containers(spec: HostSpec) -> list[Container]:
    """The workload of a host."""
    span = f"{RANGE[0]}-{RANGE[-1]}"
    return [
        Container("web", ("tcp,0.0.0.0,80",), ("8080:80",)),
        Container("same", ("tcp,0.0.0.0,8081",), ("8081:8081",)),
        Container("one", ("tcp,0.0.0.0,80",), (f"{spec.v4_second}:8082:80", f"[{spec.v6_second}]:8082:80")),
        Container("range", tuple(f"tcp,0.0.0.0,{port}" for port in RANGE), (f"{span}:{span}",)),
        Container("udp", ("udp,0.0.0.0,5300",), ("5300:5300/udp",)),
        Container("local", ("tcp,0.0.0.0,80",), ("127.0.0.1:8090:80",)),
        Container("six", ("tcp,0.0.0.0,80", "tcp,::,80"), ("8083:80",), NET6),
        Container("peer", ("tcp,0.0.0.0,80",), (), BACKEND),
        Container("peer2", ("tcp,0.0.0.0,80",), (), BACKEND),
    ]


def networks(spec: HostSpec) -> dict[str, list[str]]:
    """The user-defined networks of a host and their options."""
    return {BACKEND: [], NET6: ["--ipv6", "--subnet", spec.net6]}


def ensure(spec: HostSpec) -> None:
    """Make what is missing of the workload, and start what stands still."""
    if hosts.execute(spec.name, ["docker", "image", "inspect", IMAGE], check=False).returncode:
        hosts.execute(spec.name, ["python3", f"{layout.PROGRAMS}/make_image.py", IMAGE])
    there = hosts.execute(spec.name, ["docker", "network", "ls", "--format", "{{.Name}}"]).stdout.split()
    for name, options in networks(spec).items():
        if name not in there:
            hosts.execute(spec.name, ["docker", "network", "create", *options, name])
    states = _states(spec.name)
    for container in containers(spec):
        if container.name not in states:
            hosts.execute(spec.name, container.argv())
        elif states[container.name] != "running":
            hosts.execute(spec.name, ["docker", "start", container.name])


def wait_running(spec: HostSpec, timeout: float = 60) -> None:
    """Wait until every container of the workload that exists runs, as after a reboot."""
    deadline = time.monotonic() + timeout
    names = {container.name for container in containers(spec)}
    while still := [name for name, state in _states(spec.name).items() if name in names and state != "running"]:
        if time.monotonic() > deadline:
            raise LabError(f"{spec.name}: not running after {timeout:.0f} s: {', '.join(still)}")
        time.sleep(0.2)


def _states(host: str) -> dict[str, str]:
    listed = hosts.execute(host, ["docker", "ps", "--all", "--format", "{{.Names}} {{.State}}"]).stdout
    return dict(line.split(" ", 1) for line in listed.splitlines())
