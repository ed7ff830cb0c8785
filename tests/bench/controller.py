# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""One run of ansible-playbook, and what it took on the controller: seconds, CPU, memory, and when it told of the first host."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_HOST = re.compile(r"^(ok|changed|skipping|fatal|failed): \[")
_PAUSE = 0.5


@dataclass(frozen=True)
class Cost:
    """seconds: by the clock. first: until the first line that names a host. cpu: seconds of all its processes, ssh among them. memory: the most that they
    had at one time, in bytes, what they share counted once; 0 where nobody looked."""

    seconds: float
    first: float
    cpu: float
    memory: int
    output: str
    returncode: int


def play(argv: Sequence[str], environment: Mapping[str, str], watched: bool = False) -> Cost:
    """Run the program. watched: look at its memory as well, which takes time from it."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    memory = _Memory(process.pid)
    if watched:
        memory.start()
    assert process.stdout is not None
    lines, first = [], 0.0
    for line in process.stdout:
        lines.append(line)
        if not first and _HOST.match(line):
            first = time.perf_counter() - started
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    memory.is_over.set()
    return Cost(time.perf_counter() - started, first, usage.ru_utime + usage.ru_stime, memory.most, "".join(lines), process.returncode)


class _Memory(threading.Thread):
    """Looks at a process and all that descend from it until it is over."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.most = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        """Add up, over and over."""
        while not self.is_over.wait(_PAUSE):
            self.most = max(self.most, sum(_memory(pid) for pid in _tree(self.pid)))


def _tree(root: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children.setdefault(_parent(entry), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _memory(pid: int) -> int:
    """A process's share of the memory that it has."""
    try:
        found = re.search(r"^Pss: +(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0
