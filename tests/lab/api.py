# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lab for tests and for the demo: hosts, containers and clients as objects.

    lab = Lab.load()
    lab.hosts["trixie"].run(["iptables-save"])
    lab.clients["denied"].probe([Probe("tcp", lab.hosts["trixie"].spec.v4, 8080)])
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

from . import engine, hosts, layout, probing, workload
from .layout import CLIENTS, HOSTS, ClientSpec, HostSpec
from .probing import Probe, Result
from .sh import LabError, in_netns, run

__all__ = ["Client", "Container", "Host", "Lab", "Probe", "Result"]
PRISTINE = ["python3", f"{layout.PROGRAMS}/pristine.py"]


@dataclass(frozen=True)
class Client:
    """A namespace on the LAN, or the one outside."""

    spec: ClientSpec

    @property
    def name(self) -> str:
        """The client's name."""
        return self.spec.name

    def run(self, argv: Sequence[str], *, input: str | None = None, check: bool = True,
            timeout: float | None = 60) -> CompletedProcess[str]:
        """Run a command of this machine in the client's namespace."""
        return run(in_netns(self.spec.netns, argv), input=input, check=check, timeout=timeout)

    def probe(self, probes: Sequence[Probe]) -> list[Result]:
        """Make all these connections at once."""
        return probing.probe(self.run, probes)


@dataclass(frozen=True)
class Container:
    """A container on a host, as it runs now: addresses and process change when it restarts."""

    host: Host
    name: str
    pid: int
    v4: str
    v6: str
    gateway: str

    def run(self, argv: Sequence[str], *, input: str | None = None, check: bool = True,
            timeout: float | None = 60) -> CompletedProcess[str]:
        """Run a command of the host in the container's network namespace (not in its file system)."""
        return self.host.run(["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *argv], input=input, check=check,
                             timeout=timeout)

    def probe(self, probes: Sequence[Probe]) -> list[Result]:
        """Make all these connections at once."""
        return probing.probe(self.run, probes)


@dataclass(frozen=True)
class Host:
    """A Docker host."""

    spec: HostSpec

    @property
    def name(self) -> str:
        """The host's name, which is its suite and its name in the inventory."""
        return self.spec.name

    def run(self, argv: Sequence[str], *, input: str | bytes | None = None, check: bool = True,
            timeout: float | None = 120) -> CompletedProcess[str]:
        """Run a command on the host, without SSH."""
        return hosts.execute(self.name, list(argv), input=input, check=check, timeout=timeout)

    def ssh(self, argv: Sequence[str], *, input: str | None = None, check: bool = True,
            timeout: float | None = 60) -> CompletedProcess[str]:
        """Run a command on the host over SSH, as the controller."""
        return run(["ssh", "-F", layout.SSH_CONFIG, self.name, *argv], input=input, check=check, timeout=timeout)

    def probe(self, probes: Sequence[Probe]) -> list[Result]:
        """Make all these connections at once from the host itself."""
        return probing.probe(self.run, probes)

    def vm_probe(self, probes: Sequence[Probe]) -> list[Result]:
        """Make all these connections at once from the network behind the host that is not Docker's."""
        return probing.probe(lambda argv, input: self.run(["nsenter", "--net=/run/netns/vm", "--", *argv], input=input),
                             probes)

    def containers(self) -> dict[str, Container]:
        """The running containers by name."""
        ids = self.run(["docker", "ps", "--quiet"]).stdout.split()
        found = json.loads(self.run(["docker", "inspect", *ids]).stdout) if ids else []
        return {item.name: item for item in map(self._container, found)}

    def _container(self, data: dict[str, Any]) -> Container:
        network: dict[str, str] = next(iter(data["NetworkSettings"]["Networks"].values()), {})
        return Container(self, data["Name"].lstrip("/"), data["State"]["Pid"], network.get("IPAddress", ""),
                         network.get("GlobalIPv6Address", ""), network.get("Gateway", ""))

    def engine_version(self) -> str:
        """The engine's version, as 26.1.5."""
        return self.run(["docker", "version", "--format", "{{.Server.Version}}"]).stdout.strip().split("+")[0]

    def reboot(self) -> None:
        """Restart the host as a machine restarts, and wait until it is ready."""
        engine.docker(["restart", "--time", "20", self.name], timeout=120)
        self.wait_ready()

    def wait_ready(self, timeout: float = 90) -> None:
        """Wait until units, sshd, engine and workload run."""
        hosts.wait_ready(self.name, timeout)
        workload.wait_running(self.spec, timeout)

    def pristine(self) -> None:
        """Put the host's firewall back to what it was right after the lab came up; see guest/pristine.py."""
        self.run([*PRISTINE, "restore"])


@dataclass(frozen=True)
class Lab:
    """The lab as it is up now."""

    hosts: dict[str, Host]
    clients: dict[str, Client]

    @classmethod
    def load(cls) -> Lab:
        """The running lab; LabError when there is none."""
        if not engine.answers():
            raise LabError("the lab is not up: python3 -m tests.lab up")
        running = [spec for name, spec in HOSTS.items() if hosts.state(name) == "running"]
        return cls({spec.name: Host(spec) for spec in running}, {name: Client(spec) for name, spec in CLIENTS.items()})

    def client(self, name: str) -> Client:
        """A client by name: controller, allowed, denied, outside."""
        return self.clients[name]

    def host(self, name: str) -> Host:
        """A host by name."""
        return self.hosts[name]
