# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy with 50 tests against the same one without them: whole runs of ansible-playbook without SSH, and what the module says that it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.goldens.engine import Engine, answers

from . import subjects
from .measure import Finding, compare, milliseconds, timed

TESTS = 50
ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
NETWORK = """
link add eth0 type veth peer name far
address add 192.0.2.10/24 dev eth0
address add 2001:db8::10/64 dev eth0 nodad
link set eth0 up
link set far up
route add default via 192.0.2.1
route add default via 2001:db8::1
link add docker0 type bridge
address add 172.17.0.1/16 dev docker0
link set docker0 up
"""
# The policy's ports, published by one container.
ENGINE = {
    "release": "26.1.5", "networks": [{"name": "bridge", "interface": "docker0", "subnets": ["172.17.0.0/16"]}],
    "containers": [{"name": "web", "ends": {"bridge": ["172.17.0.2"]}, "ports": ["0.0.0.0:%d:80/tcp" % (8000 + port) for port in range(30)]}],
}


def findings(count: int) -> list[Finding]:
    """Both in turns, once the host has the policy and the code: nothing changes then, and all of it is looked at."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var/lib"], check=True)
    subprocess.run(["ip", "-batch", "-"], input=NETWORK, text=True, check=True)
    policy = subjects.policy()
    rounds: list[dict[str, float]] = []
    told: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, Engine(folder + "/docker.sock", answers(ENGINE)):
        for name, tests in (("without", []), ("with", subjects.tests(TESTS))):
            _write(Path(folder), name, {**policy, "tests": tests})
        for turn in range(count + 2):
            took: dict[str, float] = {}
            inside: dict[str, float] = {}
            for name in ("with", "without") if turn % 2 else ("without", "with"):
                took[name] = timed(lambda name=name: inside.update({name: _run(Path(folder), name)}))  # type: ignore[misc]
            rounds.append(took)
            told.append(inside)
    # The first run applies the policy, and the second one is the first that finds it.
    what = f"policy of 10,000 addresses, {TESTS} tests"
    return [compare(f"{what}: the whole run", rounds[2:], "with", "without", 1.3, note=milliseconds(rounds[2:])),
            compare("  the module's own time on the host", told[2:], "with", "without", note=milliseconds(told[2:]))]


def _write(folder: Path, name: str, policy: dict[str, object]) -> None:
    task = {"drawbridge.docker.host_policy": {"policy": policy, "docker_host": "unix://%s/docker.sock" % folder, "confirm_timeout": 0},
            "register": "kept"}
    told = {"ansible.builtin.copy": {"content": "{{ kept | to_json }}", "dest": str(folder / (name + ".told")), "mode": "0600"}}
    play = [{"hosts": "all", "gather_facts": False, "tasks": [task, told]}]
    (folder / (name + ".json")).write_text(json.dumps(play), encoding="utf-8")


def _run(folder: Path, name: str) -> float:
    """Run the playbook → the module's own seconds."""
    words = [str(PLAYBOOK), "-i", "here,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3", str(folder / (name + ".json"))]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ, ANSIBLE_NOCOLOR="1", LC_ALL="C.UTF-8"), cwd=folder)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    kept = json.loads((folder / (name + ".told")).read_text(encoding="utf-8"))
    if ("tests" in kept) != (name == "with"):
        raise RuntimeError("tests were proved where none are, or not where some are")
    return float(kept["seconds"])
