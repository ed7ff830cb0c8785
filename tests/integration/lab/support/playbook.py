# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Run ansible-playbook against the lab's hosts over SSH, and read what every task came to."""
from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab import layout
from tests.lab.api import Host

ROOT = Path(__file__).resolve().parents[4]
CALLBACKS = Path(__file__).with_name("callback")
NEWEST, OLDEST = "newest", "oldest"
GROUP = "docker_hosts"
TIMEOUT = 180

Task = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished ansible-playbook: what it printed, and each host's results in order."""

    code: int
    output: str
    results: Mapping[str, Sequence[Mapping[str, Any]]]

    def of(self, host: str) -> list[Mapping[str, Any]]:
        """What a host's tasks returned."""
        return [item["result"] for item in self.results.get(host, ())]

    def last(self, host: str) -> Mapping[str, Any]:
        """What a host's last task returned."""
        results = self.of(host)
        assert results, self.output
        return results[-1]

    def changed(self) -> dict[str, bool]:
        """Whether any task changed anything, by host. Of a run that came to its end, every host has results: one without would pass for
        unchanged."""
        assert self.code != 0 or all(self.results.values()), self.output
        return {host: any(result.get("changed") for result in self.of(host)) for host in self.results}

    def failed(self) -> dict[str, str]:
        """The message of the first task that failed, by host. harden fails once more where it was rescued."""
        return {host: str(item["result"].get("msg")) for host, items in self.results.items()
                for item in reversed(items) if item["outcome"] in ("failed", "unreachable")}


@dataclass(frozen=True)
class Options:
    """How a playbook runs.

    core: newest or oldest ansible-core. host_vars: by host, in the inventory. groups: more groups of the inventory, each
    a mapping with hosts and vars. extra: variables given by -e. fails: whether the run has to fail.
    arguments: more words of ansible-playbook's command line.
    """

    core: str = NEWEST
    check: bool = False
    host_vars: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    fails: bool = False
    arguments: Sequence[str] = ()


@functools.cache
def core_version(core: str) -> tuple[int, int]:
    """The release of an environment's ansible-core, as (2, 18); (0, 0) where there is no such environment."""
    program = _program(core)
    if not program.exists():
        return 0, 0
    code = "from ansible.release import __version__ as v; print(v)"
    done = subprocess.run([program.with_name("python"), "-c", code], capture_output=True, text=True, check=True)
    major, minor = done.stdout.split(".")[:2]
    return int(major), int(minor)


def play(hosts: Sequence[Host], tasks: Sequence[Task], **options: Any) -> Run:
    """Run tasks on hosts as one play without facts."""
    text = [{"hosts": GROUP, "gather_facts": False, "tasks": list(tasks)}]
    with tempfile.TemporaryDirectory(prefix="drawbridge-play-") as folder:
        path = Path(folder, "play.json")
        path.write_text(json.dumps(text), encoding="utf-8")
        return playbook(hosts, str(path), **options)


def playbook(hosts: Sequence[Host], name: str, **options: Any) -> Run:
    """Run a playbook, a file or one of the collection's, with an inventory of these hosts only."""
    chosen = Options(**options)
    with tempfile.TemporaryDirectory(prefix="drawbridge-run-") as folder:
        inventory, results, extra = (Path(folder, part) for part in ("inventory.json", "results", "extra.json"))
        inventory.write_text(json.dumps(_inventory(hosts, chosen)), encoding="utf-8")
        extra.write_text(json.dumps(chosen.extra), encoding="utf-8")
        results.touch()
        argv = [str(_program(chosen.core)), "-i", str(inventory), "-e", "@%s" % extra, "--diff", *chosen.arguments, name]
        done = subprocess.run(argv + (["--check"] if chosen.check else []), env=_environment(chosen.core, results),
                              cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=TIMEOUT, check=False)
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    found: dict[str, list[Mapping[str, Any]]] = {host.name: [] for host in hosts}
    for line in lines:
        found[line["host"]].append(line)
    assert "Traceback (most recent call last)" not in done.stdout, done.stdout
    assert (done.returncode != 0) == chosen.fails, done.stdout
    return Run(done.returncode, done.stdout, found)


def _program(core: str) -> Path:
    return ROOT / ".build" / ("venv-" + core) / "bin" / "ansible-playbook"


def _inventory(hosts: Sequence[Host], options: Options) -> dict[str, Any]:
    known = {host.name: dict(options.host_vars.get(host.name, {})) for host in hosts}
    connection = {
        "ansible_user": "root",
        "ansible_ssh_common_args": "-F %s" % layout.SSH_CONFIG,
        "ansible_python_interpreter": layout.PYTHON,
        "ansible_pipelining": True,
    }
    return {GROUP: {"hosts": known, "vars": connection}, **options.groups}


def _environment(core: str, results: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    program = _program(core)
    return dict(
        kept,
        PATH="%s:%s" % (program.parent, kept.get("PATH", "")),
        LC_ALL="C.UTF-8",
        ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".build" / "collections"),
        ANSIBLE_CALLBACK_PLUGINS=str(CALLBACKS),
        ANSIBLE_CALLBACKS_ENABLED="lab_results",
        # By default all labs share connections that are kept, since their hosts have the same names.
        ANSIBLE_SSH_CONTROL_PATH_DIR=str(layout.RUN / "ssh"),
        ANSIBLE_RETRY_FILES_ENABLED="False",
        ANSIBLE_NOCOLOR="1",
        DRAWBRIDGE_LAB_RESULTS=str(results),
    )
