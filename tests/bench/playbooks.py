# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whole runs of ansible-playbook over SSH to one lab host, against one that only pings, with the same variables loaded."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence

import yaml

from tests.demo.playbook import BUILD, play
from tests.lab import layout
from tests.lab.api import Host

from . import subjects
from .measure import AT_LEAST, Finding, compare, milliseconds, timed

FOLDER = BUILD / ("bench-" + layout.LAB if layout.LAB else "bench")
CHAIN = "BENCH"
TRIES = 4
# Where hosts keep the code that modules run from.
CODE = "/run/drawbridge-code"
PING = [{"name": "Ping", "ansible.builtin.ping": {}}]
RULES = [{"name": "Rules", "drawbridge.docker.docker_user_chain": {"section": "bench", "rules_from": "bench_rules"}}]
LOOP = [
    {"name": "Chain", "ansible.builtin.iptables": {"chain": CHAIN, "chain_management": True}},
    {"name": "Rules", "loop": "{{ bench_rules }}", "ansible.builtin.iptables": {
        "chain": CHAIN, **{key: "{{ item.%s }}" % key for key in subjects.rules(1)[0]}}},
]
TEMPLATE = [{"name": "File", "notify": "Load", "ansible.builtin.template": {
    "src": str(FOLDER / "rules.j2"), "dest": "/run/drawbridge-bench.rules", "mode": "0600"}}]
LOAD = [{"name": "Load", "ansible.builtin.command": "iptables-restore --noflush /run/drawbridge-bench.rules"}]
RULES_TEMPLATE = """*filter
:BENCH - [0:0]
{% for item in bench_rules %}
-A BENCH -s {{ item.source }} -p {{ item.protocol }} -m tcp --dport {{ item.destination_port }} -m comment --comment "{{ item.comment }}" -j {{ item.jump }}
{% endfor %}
COMMIT
"""


class Disturbed(Exception):
    """A run changed something, or nothing, where it had to be the other way round."""


class Subject:
    """One set of variables, and playbooks that run with it."""

    def __init__(self, host: Host, name: str, variables: Mapping[str, object]) -> None:
        self.host = host
        self.names: dict[str, str] = {}
        self.folder = FOLDER / name
        (self.folder / "inventory" / "host_vars").mkdir(parents=True, exist_ok=True)
        self._write("inventory/hosts.yml", {"docker_hosts": {"hosts": {host.name: None}}})
        self._write(f"inventory/host_vars/{host.name}.yml", variables)
        self.playbook("ping", PING)

    def playbook(self, name: str, tasks: Sequence[object], handlers: Sequence[object] | None = None) -> None:
        """Write a playbook of one play."""
        content = {"tasks": tasks, "handlers": handlers or []}
        self._write(f"{name}.yml", [{"name": name, "hosts": "docker_hosts", "gather_facts": False, **content}])

    def named(self, name: str, playbook: str) -> None:
        """Give a playbook of a collection a name."""
        self.names[name] = playbook

    def _write(self, name: str, content: object) -> None:
        (self.folder / name).write_text(yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)))

    def seconds(self, name: str, changes: bool) -> float:
        """Run a playbook and time it; Disturbed if it does not change things as it has to."""
        runs = []
        path = self.names.get(name, str(self.folder / f"{name}.yml"))
        took = timed(lambda: runs.append(play(["-i", str(self.folder / "inventory"), path], False)))
        run = runs[0]
        if not run.succeeded:
            raise RuntimeError(f"{name} failed:\n{run.output}")
        if (run.changed[self.host.name] > 0) != changes:
            raise Disturbed(f"{name}: changed={run.changed[self.host.name]}")
        return took

    def rounds(self, count: int, sides: list[tuple[str, str, bool]], before: Callable[[], object] = lambda: None) -> list[dict[str, float]]:
        """Rounds of (side, playbook, whether it changes something), each from a host without any rules of ours, and ``before``
        called. From the second one on, which the first is left out for, the host has the code of this collection."""
        self.seconds("ping", False)
        return [self._round(sides, before) for _round in range(count + 1)][1:]

    def _round(self, sides: list[tuple[str, str, bool]], before: Callable[[], object]) -> dict[str, float]:
        for _try in range(TRIES):
            self.host.pristine()
            before()
            try:
                return {side: self.seconds(name, changes) for side, name, changes in sides}
            except Disturbed as error:
                print(f"  once more, somebody else changed the host: {error}", flush=True)
        raise RuntimeError(f"somebody else kept changing {self.host.name}")


def all_of(host: Host, count: int) -> list[Finding]:
    """Every measurement of whole playbooks."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    (FOLDER / "rules.j2").write_text(RULES_TEMPLATE)
    try:
        return [*_harden(host, count), *_policy(host, count), *_thousand(host, count), *_loops(host, count)]
    finally:
        host.run(["rm", "-f", "/run/drawbridge-bench.rules"])
        host.pristine()


OURS = [("ping", "ping", False), ("first", "ours", True), ("again", "ours", False)]


def _harden(host: Host, count: int) -> list[Finding]:
    """The whole playbook, with boot files and event service, confirmed over a new connection."""
    subject = Subject(host, "harden", {"host_policy__bench": subjects.policy()})
    subject.named("ours", "drawbridge.docker.harden")
    rounds = subject.rounds(count, OURS)
    what = "harden, everything on"
    return [compare(f"{what}: first apply, confirmed", rounds, "first", "ping", 1.5, note=milliseconds(rounds)),
            compare(f"{what}: no change", rounds, "again", "ping", 1.2)]


def _policy(host: Host, count: int) -> list[Finding]:
    subject = Subject(host, "policy", {"host_policy__bench": subjects.policy()})
    subject.playbook("ours", [_role(confirm_timeout=0)])
    rounds = subject.rounds(count, OURS)
    subject.playbook("confirmed", [_role(confirm_timeout=60)])
    confirmed = subject.rounds(min(count, 3), [("ping", "ping", False), ("first", "confirmed", True)])
    unknown = subject.rounds(min(count, 3), [("ping", "ping", False), ("first", "ours", True)], lambda: host.run(["rm", "-rf", CODE]))
    what = "policy: 60 ports, 10 sets, 10,000 addresses"
    return [compare(f"{what}: first apply", rounds, "first", "ping", 1.3, note=milliseconds(rounds)),
            compare(f"{what}: no change", rounds, "again", "ping", 1.15),
            compare("  first apply, confirmed over a new connection", confirmed, "first", "ping"),
            compare("  first apply on a host that has not had any task since it was booted", unknown, "first", "ping")]


def _role(confirm_timeout: int) -> dict[str, object]:
    """The policy alone, by its role."""
    return {"name": "Policy", "vars": {"host_policy_confirm_timeout": confirm_timeout}, "ansible.builtin.import_role": {
        "name": "drawbridge.docker.host_policy", "rolespec_validate": False}}


def _thousand(host: Host, count: int) -> list[Finding]:
    subject = Subject(host, "rules-1000", {"bench_rules": subjects.rules(1000)})
    subject.playbook("ours", RULES)
    subject.playbook("template", TEMPLATE, LOAD)
    rounds = subject.rounds(count, [*OURS, ("template", "template", True), ("template again", "template", False)])
    what = "1,000 rules, a list of dicts"
    return [compare(f"{what}: first apply", rounds, "first", "ping", 1.35, note=milliseconds(rounds)),
            compare(f"{what}: no change", rounds, "again", "ping", 1.25),
            compare("  template and handler: first apply", rounds, "template", "ping"),
            compare("  template and handler: no change", rounds, "template again", "ping")]


def _loops(host: Host, count: int) -> list[Finding]:
    ten = _looped(host, 10, min(count, 3))
    # The loop takes most of a minute, in which noise evens out by itself; what takes a second is done more often.
    hundred = _looped(host, 100, 1 if count < 9 else 2)
    ours = [statistics.median(item["ours"] for item in _looped(host, 100, count, [])) for _round in hundred]
    loops, pings = ([item[side] for item in hundred] for side in ("loop", "ping"))
    thousand = [ping + 10 * (loop - ping) for loop, ping in zip(loops, pings, strict=True)]
    return [Finding("100 ansible.builtin.iptables tasks against our 100 rules", loops, ours, 30, AT_LEAST,
                    f"ms: loop {loops[0] * 1000:.0f}, ours {ours[0] * 1000:.0f}"),
            compare("  ansible.builtin.iptables, 10 rules", ten, "loop", "ping"),
            compare("  ansible.builtin.iptables, 100 rules", hundred, "loop", "ping"),
            Finding("  ansible.builtin.iptables, 1,000 rules, extrapolated", thousand, pings)]


def _looped(host: Host, rules: int, count: int, loop: Sequence[tuple[str, str, bool]] = (("loop", "loop", True),)) -> list[dict[str, float]]:
    subject = Subject(host, f"rules-{rules}", {"bench_rules": subjects.rules(rules)})
    subject.playbook("ours", RULES)
    subject.playbook("loop", LOOP)
    return subject.rounds(count, [("ping", "ping", False), ("ours", "ours", True), *loop])
