# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What forwarding makes possible, tried by real connections, and what an administrator and an engine do about it."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tests.lab import layout
from tests.lab.api import Client, Host, Probe
from tests.lab.layout import OUTSIDE

from . import workloads
from .ways import on_all

# The way from the new state to the answer takes a moment on a busy machine.
DEADLINE = 20.0


def container_reaches_outside(host: Host) -> bool:
    """A container on the default bridge → the server outside."""
    probe = Probe("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP, timeout=1.5)
    return host.containers()["web"].probe([probe])[0].open


def vm_reaches_outside(host: Host) -> bool:
    """A machine behind the host that is not Docker's → the server outside."""
    return host.vm_probe([Probe("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP, timeout=1.5)])[0].open


def reaches(client: Client, address: Callable[[Host], str], port: int) -> Callable[[Host], bool]:
    """A client → a port of a host, or of what is behind it."""
    def tried(host: Host) -> bool:
        there = address(host)
        own = there in (host.spec.v4, host.spec.v6, host.spec.v4_second, host.spec.v6_second)
        probe = Probe("tcp", there, port, timeout=1.5, mark=0 if own else host.spec.number)
        return client.probe([probe])[0].open
    return tried


def all_are(hosts: Sequence[Host], what: Callable[[Host], bool], wanted: bool) -> dict[str, bool]:
    """The hosts for which it is not as wanted: nothing is what a test wants. Closed has to be closed at once."""
    end = time.monotonic() + (DEADLINE if wanted else 0)
    while True:
        found = {name: is_so for name, is_so in on_all(hosts, what).items() if is_so != wanted}
        if not found or time.monotonic() > end:
            return found


def new_networks(hosts: Sequence[Host], name: str) -> None:
    """A network is made, and one with IPv6, on each host."""
    def make(host: Host) -> None:
        workloads.network(host, name)
        workloads.network(host, name + "6", "--ipv6", "--subnet", "2001:db8:9%d:%x::/64" % (host.spec.number, ord(name[0])))
    on_all(hosts, make)


def sysctl(host: Host, name: str) -> str:
    """A kernel setting, by its file below /proc/sys."""
    return host.run(["cat", "/proc/sys/" + name]).stdout.strip()


def set_by_hand(host: Host, name: str, value: str) -> None:
    """As ``sysctl -w`` does."""
    host.run(["tee", "/proc/sys/" + name], input=value)


def policy(host: Host, program: str = "iptables") -> str:
    """FORWARD's policy."""
    return host.run([program, "-w", "5", "-S", "FORWARD"]).stdout.splitlines()[0].split()[-1]
