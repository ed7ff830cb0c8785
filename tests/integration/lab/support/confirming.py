# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A change whose controller goes before it confirms."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.lab.api import Host

from . import playbook as playbooks


def killed_after_the_apply(hosts: Sequence[Host], folder: Path, tasks: Sequence[playbooks.Task], is_applied: Callable[[Host], bool]) -> None:
    """Run a play and kill the controller as soon as the change is in force on all hosts. folder: of the test's own."""
    text = [{"hosts": playbooks.GROUP, "gather_facts": False, "tasks": list(tasks)}]
    (folder / "play.json").write_text(json.dumps(text), encoding="utf-8")
    (folder / "inventory.json").write_text(json.dumps(playbooks._inventory(hosts, playbooks.Options())), encoding="utf-8")
    (folder / "results").touch()
    argv = [str(playbooks._program(playbooks.NEWEST)), "-i", str(folder / "inventory.json"), str(folder / "play.json")]
    process = subprocess.Popen(argv, env=playbooks._environment(playbooks.NEWEST, folder / "results"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    for host in hosts:
        wait_for(partial(is_applied, host))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
