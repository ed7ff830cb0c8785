# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Modules as Ansible runs them, on the host that this namespace is: action plugin, arguments, result."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
COLLECTIONS = ROOT / ".build" / "collections"
CALLBACKS = ROOT / "tests" / "integration" / "lab" / "support" / "callback"
PROGRAM = Path(sys.executable).with_name("ansible-playbook")
# The lock of a module and its checkpoint are not the machine's: it has a /run and a /var/lib of its own.
OWN_RUN = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", 'mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib; exec "$@"', "sh"]


def of_core(name: str) -> Path:
    """ansible-playbook of the newest ansible-core that is supported, or of the oldest."""
    return ROOT / ".build" / ("venv-" + name) / "bin" / PROGRAM.name


def why_not(program: Path = PROGRAM) -> str:
    """Why no playbook can run here; empty where one can."""
    for path in (program, COLLECTIONS):
        if not path.exists():
            return "there is no %s: run make env" % path
    return ""


def play(folder: Path, tasks: Iterable[Mapping[str, object]], program: Path = PROGRAM, hosts: str = "here", **variables: object) -> list[dict[str, object]]:
    """Run tasks with --diff → what each of them returned, those that failed with ``failed``. None stops the play. hosts: names, all of this host."""
    playbook, results = Path(folder, "play.json"), Path(folder, "results")
    tasks = [dict({"ignore_errors": True}, **task) for task in tasks]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}]), encoding="utf-8")
    results.write_text("", encoding="utf-8")
    argv = [str(program), "-i", hosts + ",", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3", "--diff", str(playbook)]
    done = subprocess.run(OWN_RUN + argv, capture_output=True, text=True, check=False, cwd=str(folder), env=environment(results))
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return [dict(line["result"], failed=line["outcome"] == "failed") for line in lines]


def environment(results: Path) -> dict[str, str]:
    """The variables for ansible-playbook. results: the file for what every task came to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return dict(
        kept, LC_ALL="C.UTF-8", ANSIBLE_COLLECTIONS_PATH=str(COLLECTIONS), ANSIBLE_CALLBACK_PLUGINS=str(CALLBACKS),
        ANSIBLE_CALLBACKS_ENABLED="lab_results", DRAWBRIDGE_LAB_RESULTS=str(results), ANSIBLE_NOCOLOR="1",
    )
