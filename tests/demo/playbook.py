# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Running ansible-playbook against the lab's hosts, as a user would against real ones.

How the lab is reached stands in a configuration file, so that inventories and commands are those of every other fleet.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import layout

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
PROGRAM = BUILD / "venv-newest" / "bin" / "ansible-playbook"
CONFIG = BUILD / ("lab-ansible%s.cfg" % ("-" + layout.LAB if layout.LAB else ""))
WIDTH = 100
SUMMARY = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What a run of a playbook came to: its output, and per host how many tasks changed something."""

    output: str
    returncode: int
    changed: dict[str, int]

    @property
    def succeeded(self) -> bool:
        """Whether every task of every host went well."""
        return self.returncode == 0


def settings() -> dict[str, str]:
    """The environment in which Ansible finds this collection and the lab."""
    CONFIG.write_text(f"""# Written by tests/demo: how Ansible reaches the lab.
[defaults]
collections_path = {BUILD / "collections"}
interpreter_python = {layout.PYTHON}
remote_user = root
nocolor = true
[ssh_connection]
# Hosts have the same names in every lab: kept connections must not meet.
control_path_dir = {layout.RUN / "ssh"}
ssh_args = -C -o ControlMaster=auto -o ControlPersist=30s -F {layout.SSH_CONFIG}
pipelining = true
""")
    foreign = [name for name in os.environ if name.startswith("ANSIBLE_")]
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**kept, "ANSIBLE_CONFIG": str(CONFIG), "PYTHONUNBUFFERED": "1"}


def play(arguments: Sequence[str], shown: bool) -> Run:
    """Run ansible-playbook; its lines are printed as they come if they are to be shown."""
    process = subprocess.Popen([str(PROGRAM), *arguments], cwd=ROOT, env=settings(), text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if shown and line.strip():
            print("  " + fitted(line.rstrip(" *\n")), flush=True)
    output = "".join(lines)
    returncode = process.wait()
    return Run(output, returncode, {host: int(changed) for host, changed, _un, _failed in SUMMARY.findall(output)})


def fitted(line: str) -> str:
    """A line that fits the width beside an indent of two."""
    return line if len(line) <= WIDTH - 2 else line[:WIDTH - 6] + " ..."
