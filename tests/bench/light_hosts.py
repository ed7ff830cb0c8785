# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Many light hosts: Debian's sshd, Python and iptables in namespaces of their own, on one bridge, with a recorded engine's answers on a socket.

They read one root file system of the lab's, each writes above it, in memory. systemd is recorded as well: its units run. Rules are the kernel's own.
Only for processes whose network, mount and PID namespaces are new (sandbox.py): hosts, rules and mounts end with those, however they end.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.goldens import engine
from tests.lab import rootfs
from tests.lab.sh import LabError, in_netns, run

HERE = Path(__file__).resolve().parent
GOLDENS = HERE.parent / "goldens" / "hosts"
CAPTURES = HERE.parent / "unit" / "fixtures" / "captures"
SUITE, ENGINE = "trixie", "docker-27.5.1"
FOLDER = Path("/run/light")
SHARED = FOLDER / "root"
KEY = FOLDER / "key"
SOCKET = FOLDER / "docker.sock"
CONTROLLER = "198.18.0.1"
# What is large there and used by no host here.
LEFT_OUT = ("dev", "usr/share/doc", "usr/share/locale", "usr/share/man", "usr/bin/containerd*", "usr/bin/docker*", "usr/sbin/dockerd")
DEVICES = {"null": "1 3", "zero": "1 5", "full": "1 7", "random": "1 8", "urandom": "1 9", "tty": "5 0"}
SSHD = """HostKey /etc/ssh/light_key
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
MaxStartups 100
"""
PATIENCE = 60.0


class _Engine(engine.Engine):
    """One for all hosts. A queue that is full would be an engine that does not answer: they ask at once."""

    request_queue_size = 1024


@dataclass(frozen=True)
class LightHost:
    """One of them. number: from 1."""

    number: int

    @property
    def name(self) -> str:
        """As the inventory calls it."""
        return f"light{self.number:03}"

    @property
    def address(self) -> str:
        """Within the network for benchmarks."""
        return f"198.18.{1 + self.number // 200}.{1 + self.number % 200}"


@contextmanager
def light_hosts(count: int) -> Iterator[Sequence[LightHost]]:
    """So many hosts; the way to them is KEY, from this process's network namespace."""
    if os.getpid() != 1:
        raise LabError("light hosts are made in a sandbox alone: python -m tests.bench fleet")
    hosts = [LightHost(number) for number in range(1, count + 1)]
    with ExitStack() as stack:
        FOLDER.mkdir()
        stack.callback(shutil.rmtree, FOLDER)
        _shared_root()
        facts = yaml.safe_load((GOLDENS / f"{ENGINE}.yml").read_text())
        stack.enter_context(_Engine(str(SOCKET), engine.answers(facts)))
        _network(hosts)
        rules = _rules()
        for host in hosts:
            stack.callback(run, ["ip", "netns", "delete", host.name])
            _engines_network(host, [link for link in facts["links"] if link[1:] == ["bridge"]], rules)
            process = _start(host)
            stack.callback(_end, process)
        for host in hosts:
            _wait_for(host)
        yield hosts


def _shared_root() -> None:
    """The files that no host changes: the suite's, without what nobody uses here, and with what is recorded."""
    SHARED.mkdir()
    excluded = [f"--exclude=./{name}" for name in LEFT_OUT]
    run(["tar", "-x", "-C", SHARED, *excluded, "-f", rootfs.tarball(SUITE)])
    (SHARED / "dev" / "pts").mkdir(parents=True)
    (SHARED / "dev" / "ptmx").symlink_to("pts/ptmx")
    for name, numbers in DEVICES.items():
        run(["mknod", "-m", "666", SHARED / "dev" / name, "c", *numbers.split()])
    for name in ("systemctl", "systemd-run"):
        (SHARED / "usr" / "bin" / name).unlink()
        shutil.copy(HERE / "light-systemctl", SHARED / "usr" / "bin" / name)
    for path in (KEY, SHARED / "etc" / "ssh" / "light_key"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path])
    (SHARED / "etc" / "ssh" / "light_config").write_text(SSHD)
    (SHARED / "root" / ".ssh").mkdir(mode=0o700, exist_ok=True)
    shutil.copy(KEY.with_suffix(".pub"), SHARED / "root" / ".ssh" / "authorized_keys")


def _network(hosts: Sequence[LightHost]) -> None:
    """A bridge, and a namespace with a cable to it for each host."""
    lines = ["link add light type bridge", "link set light up", f"address add {CONTROLLER}/15 dev light"]
    for host in hosts:
        run(["ip", "netns", "add", host.name])
        lines += [f"link add {host.name} type veth peer name eth0 netns {host.name}", f"link set {host.name} master light up"]
    run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")
    for host in hosts:
        lines = ["link set lo up", "link set eth0 up", f"address add {host.address}/15 dev eth0", f"route add default via {CONTROLLER}"]
        run(["ip", "-n", host.name, "-batch", "-"], input="\n".join(lines) + "\n")


def _rules() -> dict[str, str]:
    """What the engine loaded, by the program that loads it."""
    saved = (CAPTURES / f"{ENGINE}.c.iptables-save").read_text()
    texts = re.split(r"^# ip6?tables-save$", saved, flags=re.MULTILINE)[1:]
    return dict(zip(("iptables-restore", "ip6tables-restore"), texts, strict=True))


def _engines_network(host: LightHost, bridges: Sequence[Sequence[str]], rules: dict[str, str]) -> None:
    run(["ip", "-n", host.name, "-batch", "-"], input="".join(f"link add {name} type bridge\nlink set {name} up\n" for name, _kind in bridges))
    for program, text in rules.items():
        run(in_netns(host.name, ["chroot", SHARED, program]), input=text)


def _start(host: LightHost) -> subprocess.Popen[bytes]:
    own = FOLDER / host.name
    own.mkdir()
    first: list[str | Path] = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--", HERE / "light-host", SHARED, own, SOCKET]
    return subprocess.Popen(in_netns(host.name, first), stdin=subprocess.DEVNULL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End unshare; its child, the host's first process, ends with it and takes the others along."""
    process.kill()
    process.wait()


def _wait_for(host: LightHost) -> None:
    """Until sshd answers."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection((host.address, 22), 1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            pass
        if time.monotonic() > end:
            raise LabError(f"{host.name}: no sshd after {PATIENCE:.0f} s")
        time.sleep(0.05)
