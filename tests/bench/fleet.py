# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook harden over many light hosts, everything on, against a play with one ping at the same number of forks.

Controller and hosts share this machine's processors here. What a controller of its own would feel is the ratio of its CPU seconds, which are
printed beside the seconds by the clock.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.demo.playbook import PROGRAM, SUMMARY

from . import subjects
from .controller import Cost, play
from .light_hosts import FOLDER, KEY, LightHost, light_hosts
from .measure import Finding
from .playbooks import PING

HOSTS = 100
FORKS = (5, 20, 50)
# The forks of the runs that compare sizes, memory, and what is changed.
MIDDLE = 20
HARDEN = "drawbridge.docker.harden"
SETTINGS = f"""[defaults]
collections_path = {{collections}}
interpreter_python = /usr/bin/python3
remote_user = root
nocolor = true
home = {FOLDER}/ansible
private_key_file = {KEY}
inventory = {FOLDER}/inventory
internal_poll_interval = 0.02
[ssh_connection]
control_path_dir = {FOLDER}/ssh
ssh_args = -C -o ControlMaster=auto -o ControlPersist=1h -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
pipelining = true
"""
# What a fleet has: sets and ports of all, and of each host a port of its own by a template.
GROUP = {
    "host_policy__sites": {"address_sets": {
        "office": [subjects.address(number) for number in range(200)], "partners": [subjects.address(number) for number in range(1000, 1100)]}},
    "host_policy__web": {"published_ports": {"allow": [
        {"port": 443, "sources": ["any"]}, {"port": 8080, "sources": ["@office"]}, {"port": 8082, "sources": ["@office", "@partners"]}]}},
    "host_policy__own": {"published_ports": {"allow": [{"port": "{{ own_port }}", "sources": ["@office"]}]}},
}


@dataclass(frozen=True)
class Fleet:
    """The hosts, and the environment that Ansible reaches them with."""

    hosts: Sequence[LightHost]
    environment: dict[str, str]

    def ping(self, forks: int, count: int = 0, watched: bool = False) -> Cost:
        """The play with one ping. count: on that many of the hosts."""
        return self._play([str(FOLDER / "ping.yml")], forks, count, watched, 0)

    def harden(self, forks: int, count: int = 0, watched: bool = False, port: int = 0, changes: bool = False) -> Cost:
        """The playbook harden. port: in place of the one that each host has of its own."""
        words = [HARDEN, *(["-e", f"own_port={port}"] if port else [])]
        return self._play(words, forks, count, watched, len(self.hosts) if changes else 0)

    def _play(self, words: Sequence[str], forks: int, count: int, watched: bool, changed: int) -> Cost:
        limit = ["--limit", f"docker_hosts[0:{count - 1}]"] if count else []
        cost = play([str(PROGRAM), "--forks", str(forks), *limit, *words], self.environment, watched)
        if cost.returncode:
            raise RuntimeError(f"{words[0]} failed:\n{cost.output}")
        found = sum(int(tasks) > 0 for _host, tasks, _unreachable, _failed in SUMMARY.findall(cost.output))
        if found != changed:
            raise RuntimeError(f"{words[0]} changed {found} hosts, not {changed}:\n{cost.output}")
        # Shown as it comes: the table is minutes away. Standard output is for the findings alone.
        print(f"  {' '.join(words)} on {count or len(self.hosts)} hosts, forks {forks}: {_seconds(cost)}", file=sys.stderr, flush=True)
        return cost


def _seconds(cost: Cost) -> str:
    memory = f", {cost.memory / 2 ** 20:.0f} MiB" if cost.memory else ""
    return f"{cost.seconds:.1f} s, first line after {cost.first:.1f} s, CPU {cost.cpu:.1f} s{memory}"


def fleet(rounds: int) -> list[Finding]:
    """Every measurement of as many hosts as the targets are for."""
    return of_hosts(str(HOSTS), rounds)


def of_hosts(told: str, rounds: int) -> list[Finding]:
    """Every measurement of so many hosts. told: their number, as it was asked for."""
    count = int(told)
    with light_hosts(count) as hosts:
        subject = Fleet(hosts, _furnish(hosts))
        # Connections are opened here, and kept.
        subject.ping(MIDDLE)
        first = subject.harden(MIDDLE, changes=True)
        unchanged = {forks: [(subject.ping(forks), subject.harden(forks)) for _round in range(rounds)] for forks in FORKS}
        found = [finding for forks in FORKS for finding in _unchanged(count, forks, unchanged[forks])]
        pings, ours = (list(side) for side in zip(*unchanged[MIDDLE], strict=True))
        found += _sizes(subject, ours) + _memory(subject)
        return found + _changed(count, pings[:1], first, subject.harden(MIDDLE, port=443, changes=True))


def _furnish(hosts: Sequence[LightHost]) -> dict[str, str]:
    """Write what Ansible reads; return its environment."""
    (FOLDER / "inventory" / "group_vars").mkdir(parents=True)
    listed = {host.name: {"ansible_host": host.address, "own_port": 9000 + host.number} for host in hosts}
    root = Path(__file__).resolve().parents[2]
    play_of_one = [{"name": "ping", "hosts": "docker_hosts", "gather_facts": False, "tasks": PING}]
    for name, content in (("inventory/hosts.yml", {"docker_hosts": {"hosts": listed}}), ("inventory/group_vars/docker_hosts.yml", GROUP),
                          ("ping.yml", play_of_one)):
        (FOLDER / name).write_text(yaml.dump(content))
    config = FOLDER / "ansible.cfg"
    config.write_text(SETTINGS.format(collections=root / ".build" / "collections"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHONPATH"))}
    return {**kept, "ANSIBLE_CONFIG": str(config), "PYTHONUNBUFFERED": "1"}


def _unchanged(count: int, forks: int, pairs: Sequence[tuple[Cost, Cost]]) -> list[Finding]:
    pings, ours = (list(side) for side in zip(*pairs, strict=True))
    return [
        Finding(f"{count} hosts, forks {forks}: no change", _of(ours, "seconds"), _of(pings, "seconds"), 1.2, note=_in_words(ours[0], pings[0])),
        Finding("  the controller's CPU", _of(ours, "cpu"), _of(pings, "cpu"), 1.2,
                note=f"ms a host: harden {_each(ours, count)}, ping {_each(pings, count)}"),
        Finding("  until the first line of a host", _of(ours, "first"), _of(pings, "first")),
    ]


def _of(costs: Sequence[Cost], what: str) -> list[float]:
    return [float(getattr(cost, what)) for cost in costs]


def _each(costs: Sequence[Cost], count: int) -> str:
    return f"{statistics.median(cost.cpu for cost in costs) * 1000 / count:.0f}"


def _in_words(ours: Cost, ping: Cost) -> str:
    return f"harden {_seconds(ours)}; ping {_seconds(ping)}"


def _changed(count: int, pings: Sequence[Cost], first: Cost, change: Cost) -> list[Finding]:
    found = []
    for what, ours in (("first apply, on hosts that had no task before", first), ("a change on each, confirmed over a new connection", change)):
        found += [
            Finding(f"{count} hosts, forks {MIDDLE}: {what}", [ours.seconds], _of(pings, "seconds"), note=_in_words(ours, pings[0])),
            Finding("  the controller's CPU", [ours.cpu], _of(pings, "cpu")),
        ]
    return found


def _memory(subject: Fleet) -> list[Finding]:
    count, forks = len(subject.hosts), max(FORKS)
    ping, ours = subject.ping(forks, watched=True), subject.harden(forks, watched=True)
    mib = [cost.memory / 2 ** 20 for cost in (ours, ping)]
    note = f"MiB: harden {mib[0]:.0f}, ping {mib[1]:.0f}; for each host that it works on at a time {mib[0] / min(forks, count):.1f}"
    return [Finding(f"{count} hosts, forks {forks}: the controller's memory", [ours.memory], [ping.memory], note=note)]


def _sizes(subject: Fleet, whole: Sequence[Cost]) -> list[Finding]:
    """What a host costs among all of them, against a host among a quarter and a half."""
    count, found = len(subject.hosts), []
    for size in (count // 4, count // 2):
        part = [subject.harden(MIDDLE, size) for _cost in whole]
        for what, name in (("seconds", "seconds"), ("the controller's CPU", "cpu")):
            ours, theirs = [cost / count for cost in _of(whole, name)], [cost / size for cost in _of(part, name)]
            note = f"ms: {statistics.median(ours) * 1000:.0f} against {statistics.median(theirs) * 1000:.0f}"
            found.append(Finding(f"{what} a host, {count} hosts to {size}", ours, theirs, 1.1, note=note))
    return found
