# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is up and what is missing, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from . import engine, hosts, layout, network, prerequisites, rootfs, workload
from .layout import CLIENTS, HOSTS, ROUTER, HostSpec


def lines() -> Iterator[str]:
    """The lines of the status command."""
    running = engine.answers()
    yield f"engine         {'up  ' if running else 'down'}  {_outer_version() if running else 'python3 -m tests.lab up'}"
    with ThreadPoolExecutor() as pool:
        yield from pool.map(_host if running else _host_down, HOSTS.values())
    for client in (ROUTER, *CLIENTS.values()):
        state = "up" if network.exists(client.netns) else "down"
        yield f"{client.name:<14} {state:<4}  {client.netns} {client.v4} {client.v6}"
    for name, reason in layout.LEFT_OUT.items():
        yield f"left out       {name}: {reason}"
    for package in prerequisites.missing_packages():
        yield f"missing        package {package} (up installs it)"
    for problem in prerequisites.problems():
        yield f"missing        {problem}"


def healthy() -> bool:
    """Whether everything that exists of the lab is up."""
    return engine.answers() and all(network.exists(client.netns) for client in (ROUTER, *CLIENTS.values()))


def _outer_version() -> str:
    version = engine.docker(["version", "--format", "docker {{.Server.Version}}"]).stdout.strip()
    return f"{version} in {layout.OUTER_NETNS}"


def _host_down(spec: HostSpec) -> str:
    cached = "root file system cached" if rootfs.tarball(spec.suite).exists() else "root file system not built yet"
    return f"{spec.name:<14} down  {cached}"


def _host(spec: HostSpec) -> str:
    if hosts.state(spec.name) != "running":
        return _host_down(spec)
    version = hosts.execute(spec.name, ["docker", "version", "--format", "{{.Server.Version}}"], check=False)
    iptables = hosts.execute(spec.name, ["iptables", "--version"], check=False).stdout.strip()
    return (f"{spec.name:<14} up    docker {version.stdout.strip() or 'does not answer'}, {iptables}, "
            f"{spec.v4} {spec.v4_second} {spec.v6} {spec.v6_second}{_lacking(spec)}")


def _lacking(spec: HostSpec) -> str:
    """The containers of the workload that do not run."""
    seen = hosts.execute(spec.name, ["docker", "ps", "--format", "{{.Names}}"], check=False).stdout.split()
    missing = [item.name for item in workload.containers(spec) if item.name not in seen]
    return f"; not running: {', '.join(missing)}" if missing else ""
