# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The event service on the lab's hosts, and rules that it has to put back."""
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab.api import Client, Host
from tests.lab.layout import CLIENTS

from .background import from_client
from .playbook import Run, Task, play
from .reach import wait_for

UNIT = "drawbridge-events"
DENIED = CLIENTS["denied"].v4
DROPPED = "-A DB-NS-blocked -s %s/32 -j DROP" % DENIED


def service(**arguments: object) -> Task:
    """The task that sets the service up."""
    return {"drawbridge.docker.event_service": arguments}


def blocked(**selector: object) -> Task:
    """The task that keeps the denied client out of containers."""
    rules = [{"source": DENIED, "jump": "DROP"}]
    return {"drawbridge.docker.container_netns_rule": {"section": "blocked", "rules": rules, **selector}}


def protect(hosts: Sequence[Host], *tasks: Task, **arguments: object) -> Run:
    """Set the service up, then these tasks."""
    return play(hosts, [service(**arguments), *tasks])


def is_blocked(host: Host, name: str) -> bool:
    """Whether a container that runs has the rule."""
    found = host.containers().get(name)
    # It may end while this looks.
    return found is not None and DROPPED in found.run(["iptables-save"], check=False).stdout


def wait_until_blocked(host: Host, *names: str) -> None:
    """The service has put the rule into all of these."""
    wait_for(lambda: all(is_blocked(host, name) for name in names), "%s: %s blocked" % (host.name, " and ".join(names)), 60)


def pid(host: Host, unit: str = UNIT) -> int:
    """A unit's main process; 0 where it has none."""
    return int(host.run(["systemctl", "show", "--property=MainPID", "--value", unit]).stdout)


def journal(host: Host) -> str:
    """What the service said since it was set up."""
    return host.run(["journalctl", "--unit", UNIT, "--output=cat", "--no-pager"]).stdout


_HAMMER = """
import json, select, socket, sys, time
address, port, server = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
tried, answered, waiting = 0, [], []
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((address, port))
    tried += 1
    waiting.append((time.time(), s))
    while waiting and time.time() - waiting[0][0] > 0.3:
        began, s = waiting.pop(0)
        try:
            if s.recv(100).startswith(server):
                answered.append(began)
        except OSError:
            pass
        s.close()
print(json.dumps([tried, answered]))
"""


@dataclass
class Hammered:
    """How often a client tried, and when those tries began that the server answered, in seconds since the epoch."""

    tried: int = 0
    answered: list[float] = field(default_factory=list)


@contextmanager
def hammered(client: Client, address: str, port: int, server: str) -> Iterator[Hammered]:
    """A client that opens a connection each millisecond while the block runs."""
    found = Hammered()
    with from_client(client, _HAMMER, address, str(port), server) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield found
        found.tried, found.answered = json.loads(process.communicate("\n", timeout=30)[0])


def restart(host: Host, name: str) -> tuple[float, float]:
    """Restart a container, and wait until the service has put the rule in → when its process started, and when the service said so, in seconds
    since the epoch."""
    host.run(["docker", "restart", "--time", "0", name])
    wait_until_blocked(host, name)
    found = host.run(["sh", "-c", "cut -d' ' -f22 /proc/%d/stat; getconf CLK_TCK; cat /proc/uptime; date +%%s.%%N; "
                                  "journalctl --unit %s --output=short-unix --no-pager | grep 'put in for' | tail -n 1"
                      % (host.containers()[name].pid, UNIT)]).stdout.split()
    start, per_second, uptime, _idle, now, said = map(float, found[:6])
    return now - uptime + start / per_second, said


def size(host: Host) -> tuple[int, int, int]:
    """Memory in KiB, files and threads of the service."""
    text = host.run(["sh", "-c", "grep -e ^VmRSS -e ^Threads /proc/{0}/status; ls /proc/{0}/fd | wc -l".format(pid(host))]).stdout.split()
    return int(text[1]), int(text[-1]), int(text[4])
