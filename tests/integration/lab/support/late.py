# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Containers that publish ports after the policy was applied, and who gets in while they do."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from tests.lab.api import Host, Lab, Probe
from tests.lab.workload import IMAGE

from . import policies
from .flood import Flood, flood, places_of
from .reach import wait_for
from .ways import on_all

PORT, ALLOWED = 8200, 8201
NAMES = {"late": PORT, "late-allowed": ALLOWED}


def policy(**more: Any) -> dict[str, Any]:
    """One port that nothing publishes yet for the allowed client, and whatever else is published for nobody."""
    return dict({"published_ports": {"allow": [{"port": ALLOWED, "sources": policies.ALLOWED}]}}, **more)


def publish(host: Host) -> None:
    """Run both, on a network without IPv6: docker-proxy serves that."""
    for name, port in NAMES.items():
        host.run(["docker", "run", "--detach", "--restart=always", "--name", name, "--publish", "%d:80" % port, IMAGE,
                  "answer", name, "tcp,0.0.0.0,80"])
    served(host)


def served(host: Host) -> None:
    """Wait until they serve whoever asks the host itself."""
    for name, port in NAMES.items():
        for address in ("127.0.0.1", "::1"):
            wait_for(partial(_answers, host, address, port, name), "%s on %s" % (name, address), 60)


def _answers(host: Host, address: str, port: int, name: str) -> bool:
    return host.probe([Probe("tcp", address, port)])[0].server == name


def flooded(lab: Lab, hosts: Sequence[Host], happen: Callable[[Host], object], more: float = 2.0) -> dict[str, tuple[Flood, Flood]]:
    """Let something happen on all hosts while both clients try as fast as they can → by host the denied client's, and the allowed one's."""
    with ExitStack() as stack:
        seen = {
            host.name: (stack.enter_context(flood(lab.clients["denied"], places_of(host, PORT, ALLOWED))),
                        stack.enter_context(flood(lab.clients["allowed"], places_of(host, ALLOWED))))
            for host in hosts
        }
        on_all(hosts, happen)
        time.sleep(more)
    return seen
