# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Who is served on one way into each of several hosts, by real connections; and waiting for things to happen."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from tests.lab.api import Client, Host, Lab, Probe
from tests.lab.probing import Result

Way = Callable[[Host], Probe]
TIMEOUT = 1.0
DEADLINE = 45.0


def v4(port: int, protocol: str = "tcp") -> Way:
    """The port on the host's first IPv4 address."""
    return lambda host: Probe(protocol, host.spec.v4, port, timeout=TIMEOUT)


def v6(port: int, protocol: str = "tcp") -> Way:
    """The port on the host's first IPv6 address."""
    return lambda host: Probe(protocol, host.spec.v6, port, timeout=TIMEOUT)


def answers(client: Client, hosts: Sequence[Host], way: Way) -> dict[str, Result]:
    """What came of trying every host once."""
    results = client.probe([way(host) for host in hosts])
    return {host.name: result for host, result in zip(hosts, results, strict=True)}


def wait_for(condition: Callable[[], bool], what: str, deadline: float = DEADLINE) -> None:
    """Poll until something is so."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "not within %.0f s: %s" % (deadline, what)
        time.sleep(0.05)


class Onlooker:
    """Asks, on several hosts at once, who is let in."""

    def __init__(self, lab: Lab, hosts: Iterable[Host]) -> None:
        self.lab = lab
        self.hosts = list(hosts)
        self.everywhere = {host.name for host in self.hosts}

    def serves(self, who: str, way: Way) -> bool:
        """Whether every host answers; tried again for a while, since a busy machine answers late."""
        end = time.monotonic() + DEADLINE
        left = self.hosts
        while left and time.monotonic() < end:
            found = answers(self.lab.clients[who], left, way)
            left = [host for host in left if not found[host.name].open]
        return not left

    def turns_away(self, who: str, way: Way) -> bool:
        """Whether no host answers. Meaningful where somebody else is served."""
        return not any(result.open for result in answers(self.lab.clients[who], self.hosts, way).values())

    def peers(self, who: str, way: Way) -> set[str]:
        """The addresses that the servers on the hosts see."""
        assert self.serves(who, way)
        return {result.peer for result in answers(self.lab.clients[who], self.hosts, way).values() if result.peer}
