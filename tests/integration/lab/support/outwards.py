# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Containers that go out: a network of their own on each host, and the address that the server outside sees."""
from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.lab import layout
from tests.lab.api import Host, Probe
from tests.lab.layout import OUTSIDE, ROUTER
from tests.lab.sh import in_netns, run
from tests.lab.workload import IMAGE

from . import workloads
from .reach import wait_for
from .ways import on_all

NETWORK = "outbound"
NAME = "traveller"
NEIGHBOUR = "neighbour"
DEADLINE = 20.0


# Writes, as JSON, the source of the first packet that comes for the server's port.
_SNIFF = """
import json, socket, sys
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
sniffer.settimeout(8)
print("ready", flush=True)
while True:
    packet = sniffer.recv(2048)
    head = (packet[0] & 15) * 4
    if packet[9] == 6 and int.from_bytes(packet[head + 2:head + 4], "big") == int(sys.argv[1]):
        print(socket.inet_ntoa(packet[12:16]))
        break
"""


def allow_replies(host: Host) -> None:
    """Engines from 28 on drop what comes for a container's own address, replies too, unless they are told not to."""
    if int(host.engine_version().split(".")[0]) >= 28:
        configure(host, {"allow-direct-routing": True})


def configure(host: Host, keys: Mapping[str, object]) -> None:
    """Start the engine anew with these keys beside what its daemon.json says."""
    host.run(["mkdir", "-p", "/etc/docker"])
    there = host.run(["cat", "/etc/docker/daemon.json"], check=False).stdout
    host.run(["tee", "/etc/docker/daemon.json"], input=json.dumps({**json.loads(there or "{}"), **keys}))
    restart_engine(host)


def restart_engine(host: Host) -> None:
    """As an administrator does it; tests do it more often than systemd likes."""
    host.run(["systemctl", "reset-failed", "docker"], check=False)
    host.run(["systemctl", "restart", "docker"])
    host.wait_ready()


def arriving(host: Host) -> str:
    """The source of what a container's connection puts on the wire outside, answered or not."""
    argv = in_netns(OUTSIDE.netns, [layout.PYTHON, "-c", _SNIFF, str(layout.OUTSIDE_SERVER_TCP)])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as sniffer:
        assert sniffer.stdout is not None and sniffer.stdout.readline() == "ready\n"
        seen(host)
        return sniffer.stdout.readline().strip()


def subnets(host: Host) -> dict[str, str]:
    """The network's subnets: unlike the workload's they differ from host to host, so that there are routes back."""
    return {"-4": "10.98.%d.0/24" % host.spec.number, "-6": "fd00:98:%d::/64" % host.spec.number}


def make(host: Host, name: str = NETWORK) -> None:
    """The network and two containers on it."""
    found = subnets(host)
    workloads.network(host, name, "--ipv6", "--subnet", found["-4"], "--subnet", found["-6"])
    for container in (NAME, NEIGHBOUR):
        host.run(["docker", "run", "--detach", "--restart=always", "--stop-signal=KILL", "--name", container,
                  "--network", name, IMAGE, "answer", container, "tcp,0.0.0.0,80", "tcp,::,80"])
    wait_for(lambda: set(host.containers()) >= {NAME, NEIGHBOUR}, "containers on " + name)


def unmake(host: Host, name: str = NETWORK) -> None:
    """Take the containers and their network away."""
    host.run(["docker", "rm", "--force", NAME, NEIGHBOUR])
    host.run(["docker", "network", "rm", name])


@contextmanager
def routes_back(hosts: Sequence[Host]) -> Iterator[None]:
    """The router knows the way to the containers' own addresses."""
    def each(verb: str) -> None:
        for host in hosts:
            found = subnets(host)
            run(["ip", "-n", ROUTER.netns, "-4", "route", verb, found["-4"], "via", host.spec.v4])
            run(["ip", "-n", ROUTER.netns, "-6", "route", verb, found["-6"], "via", host.spec.v6])

    each("replace")
    try:
        yield
    finally:
        each("delete")


def seen(host: Host, name: str = NAME, family: str = "v4") -> str:
    """The address that the server outside sees; empty where it cannot be reached."""
    probe = Probe("tcp", getattr(OUTSIDE, family), layout.OUTSIDE_SERVER_TCP, timeout=1.5)
    return host.containers()[name].probe([probe])[0].peer


def all_see(hosts: Sequence[Host], wanted: dict[str, str], family: str = "v4", name: str = NAME) -> dict[str, str]:
    """What the outside sees of each host's container, once it is what is wanted or some time has passed."""
    end = time.monotonic() + DEADLINE
    while True:
        found = on_all(hosts, lambda host: seen(host, name, family))
        if found == wanted or time.monotonic() > end:
            return found


def own(hosts: Sequence[Host], family: str = "v4") -> dict[str, str]:
    """The containers' own addresses."""
    return on_all(hosts, lambda host: getattr(host.containers()[NAME], family))


def hosts_own(hosts: Sequence[Host], attribute: str = "v4") -> dict[str, str]:
    """One of each host's addresses."""
    return {host.name: getattr(host.spec, attribute) for host in hosts}


def nobody(hosts: Sequence[Host]) -> dict[str, str]:
    """The outside sees nothing."""
    return {host.name: "" for host in hosts}
