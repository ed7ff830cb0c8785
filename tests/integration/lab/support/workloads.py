# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Containers and networks that come while a test runs; pristine() takes them away."""
from __future__ import annotations

from tests.lab.api import Host, Probe
from tests.lab.workload import IMAGE

from .reach import wait_for


def publish(host: Host, name: str, port: int, network: str = "bridge") -> None:
    """Run a container that publishes its port 80, and wait until it serves: the host's own loopback tells."""
    host.run(["docker", "run", "--detach", "--name", name, "--network", network, "--publish", "%d:80" % port, IMAGE,
              "answer", name, "tcp,0.0.0.0,80", *(["tcp,::,80"] if network != "bridge" else [])])
    wait_for(lambda: host.probe([Probe("tcp", "127.0.0.1", port)])[0].server == name, "%s on %d" % (name, port))


def run(host: Host, name: str, network: str) -> None:
    """Run a container that publishes nothing."""
    host.run(["docker", "run", "--detach", "--name", name, "--network", network, IMAGE, "answer", name,
              "tcp,0.0.0.0,80"])


def network(host: Host, name: str, *options: str) -> None:
    """Make a network."""
    host.run(["docker", "network", "create", *options, name])
