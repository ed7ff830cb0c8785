# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A client that tries places as fast as it can while something happens to a host."""
from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.api import Client, Host

from .background import from_client

# FLOOD ADDRESS,PORT...: connect to all places again and again, a thread each, until the input ends; then print how often, and the
# monotonic times of the connections that were opened, by place.
_FLOOD = """
import json, socket, sys, threading, time
ended, told = threading.Event(), {}

def knock(place):
    address, port = place.rsplit(",", 1)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    tried, opened, waiting = 0, [], []
    while not ended.is_set():
        connection = socket.socket(family)
        connection.setblocking(False)
        tried += 1
        if connection.connect_ex((address, int(port))) not in (0, 115):
            time.sleep(0.002)
        waiting.append(connection)
        time.sleep(0.002)
        # A handshake on a bridge takes less than a hundredth of a second; a busy machine gets five.
        if len(waiting) > 25:
            done = waiting.pop(0)
            try:
                done.getpeername()
                opened.append(time.monotonic())
            except OSError:
                pass
            done.close()
    told[place] = [tried, opened]

threads = [threading.Thread(target=knock, args=(place,)) for place in sys.argv[1:]]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
print(json.dumps(told))
"""


@dataclass
class Flood:
    """What came of it. opened: the times (time.monotonic()) of connections, by place."""

    tried: int = 0
    opened: dict[str, list[float]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many connections there were."""
        return sum(map(len, self.opened.values()))

    def first_after(self, moment: float) -> dict[str, float]:
        """Seconds from the moment to each place's first connection after it."""
        return {place: min(time for time in times if time > moment) - moment
                for place, times in self.opened.items() if any(time > moment for time in times)}

    def longest_pause(self) -> float:
        """The longest time without any connection, between two."""
        times = sorted(time for found in self.opened.values() for time in found)
        return max((after - before for before, after in zip(times, times[1:], strict=False)), default=0.0)


@contextmanager
def flood(client: Client, places: Sequence[str]) -> Iterator[Flood]:
    """Flood while the block runs; the result is filled in at its end."""
    result = Flood()
    with from_client(client, _FLOOD, *places) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield result
        told = json.loads(process.communicate(timeout=30)[0])
    result.tried = sum(tried for tried, _opened in told.values())
    result.opened = {place: opened for place, (_tried, opened) in told.items()}


def places_of(host: Host, *ports: int) -> list[str]:
    """Both ways in, DNAT and docker-proxy, by port."""
    return ["%s,%d" % (address, port) for address in (host.spec.v4, host.spec.v6) for port in ports]


def now() -> float:
    """The clock that floods use."""
    return time.monotonic()
