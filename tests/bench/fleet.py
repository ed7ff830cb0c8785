# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook harden over many light hosts, everything on, against a play with one ping at the same number of forks.

Controller and hosts share this machine's processors here. What a controller of its own would feel is the ratio of its CPU seconds, which are
printed beside the seconds by the clock.
"""

from __future__ import annotations

import os
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
        print(f"  {words[0].rpartition('/')[2]} {' '.join(words[1:])} on {count or len(self.hosts)} hosts, forks {forks}: {_seconds(cost)}", file=sys.stderr, flush=True)
        return cost


def _seconds(cost: Cost) -> str:
    memory = f", {cost.memory / 2 ** 20:.0f} MiB" if cost.memory else ""
    return f"{cost.seconds:.1f} s, first line after {cost.first:.1f} s, CPU {cost.cpu:.1f} s{memory}"


def fleet(rounds: int, count: int = HOSTS) -> list[Finding]:
    """Every measurement of many hosts."""
    with light_hosts(count) as hosts:
        subject = Fleet(hosts, _furnish(hosts))
        # Connections are opened here, and kept.
        subject.ping(MIDDLE)
        first = subject.harden(MIDDLE, changes=True)
        found = [finding for forks in FORKS for finding in _unchanged(subject, forks, rounds)]
        return [*found, *_changed(subject, first), *_memory(subject), *_sizes(subject, rounds)]


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


def _unchanged(subject: Fleet, forks: int, rounds: int) -> list[Finding]:
    pairs = [(subject.ping(forks), subject.harden(forks)) for _round in range(rounds)]
    what = f"{len(subject.hosts)} hosts, forks {forks}: "
    pings, ours = [ping for ping, _ours in pairs], [our for _ping, our in pairs]
    return [
        Finding(what + "no change", _of(ours, "seconds"), _of(pings, "seconds"), 1.2, note=_in_words(ours, pings)),
        Finding("  the controller's CPU", _of(ours, "cpu"), _of(pings, "cpu"), 1.2),
        Finding("  until the first host's line", _of(ours, "first"), _of(pings, "first")),
    ]


def _of(costs: Sequence[Cost], what: str) -> list[float]:
    return [float(getattr(cost, what)) for cost in costs]


def _in_words(ours: Sequence[Cost], pings: Sequence[Cost]) -> str:
    return f"harden {_seconds(ours[0])}; ping {_seconds(pings[0])}"


def _changed(subject: Fleet, first: Cost) -> list[Finding]:
    ping, change = subject.ping(MIDDLE), subject.harden(MIDDLE, port=443, changes=True)
    subject.harden(MIDDLE, changes=True)
    what = f"{len(subject.hosts)} hosts, forks {MIDDLE}: "
    return [
        Finding(what + "a change on each, confirmed over a new connection", [change.seconds], [ping.seconds], note=_in_words([change], [ping])),
        Finding("  the controller's CPU", [change.cpu], [ping.cpu]),
        Finding(what + "first apply, on hosts that had no task before", [first.seconds], [ping.seconds], note=f"harden {_seconds(first)}"),
        Finding("  the controller's CPU", [first.cpu], [ping.cpu]),
    ]


def _memory(subject: Fleet) -> list[Finding]:
    found = []
    for forks in FORKS:
        ping, ours = subject.ping(forks, watched=True), subject.harden(forks, watched=True)
        each = f"harden {ours.memory / 2 ** 20:.0f} MiB, {ours.memory / 2 ** 20 / len(subject.hosts):.1f} a host; ping {ping.memory / 2 ** 20:.0f} MiB"
        found.append(Finding(f"{len(subject.hosts)} hosts, forks {forks}: the controller's memory", [ours.memory], [ping.memory], note=each))
    return found


def _sizes(subject: Fleet, rounds: int) -> list[Finding]:
    """What a host costs among all of them, against a host among a quarter and a half."""
    count = len(subject.hosts)
    costs = {size: [subject.harden(MIDDLE, size) for _round in range(rounds)] for size in (count // 4, count // 2, count)}
    found = []
    for size in (count // 4, count // 2):
        for what, name in (("seconds", "seconds"), ("CPU", "cpu")):
            ours, theirs = ([item / each for item in _of(costs[each], name)] for each in (count, size))
            note = f"ms: {ours[0] * 1000:.0f} against {theirs[0] * 1000:.0f}"
            found.append(Finding(f"{what} a host, {count} hosts to {size}", ours, theirs, 1.1, note=note))
    return found
