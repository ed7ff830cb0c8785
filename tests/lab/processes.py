# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lab's own processes: started detached, recognised beyond doubt, ended by pid only."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import layout

ENGINE_PROGRAMS = ("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "runc", "docker-init")


def start(argv: Sequence[str], log: Path) -> int:
    """Start a process that outlives this command; its output goes to a log file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                   start_new_session=True, cwd="/")
    return process.pid


def own() -> Iterator[int]:
    """The pids of the lab's processes: its engine, what runs in its containers, what runs in its namespaces."""
    namespaces = set(_lab_namespaces())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _is_own(entry, namespaces):
            yield int(entry.name)


def end(pids: Sequence[int], grace: float = 10.0) -> None:
    """End processes by pid: asked first, killed after the grace; a pid used anew meanwhile is never hit."""
    handles = {pid: handle for pid in pids if (handle := _open(pid)) is not None}
    try:
        for sign, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            for handle in handles.values():
                _send(handle, sign)
            _wait(list(handles.values()), patience)
    finally:
        for handle in handles.values():
            os.close(handle)


def end_own(grace: float = 10.0) -> None:
    """End whatever the lab runs, until nothing is left or the deadline passed."""
    deadline = time.monotonic() + 30
    while (pids := list(own())) and time.monotonic() < deadline:
        end(pids, grace)


def engine_pids(program: str) -> list[int]:
    """The pids of the lab's dockerd or containerd."""
    entries = {pid: Path("/proc") / str(pid) for pid in own()}
    return [pid for pid, entry in entries.items() if _program(entry) == program and _is_engine(entry)]


def _open(pid: int) -> int | None:
    """A handle of the process, taken only while it still is one of the lab's."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    if _is_own(Path("/proc") / str(pid), set(_lab_namespaces())):
        return handle
    os.close(handle)
    return None


def _send(handle: int, sign: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(handle, sign)
    except ProcessLookupError:
        pass


def _wait(handles: list[int], patience: float) -> None:
    """Wait until all processes ended, at most for the given time."""
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    left = set(handles)
    deadline = time.monotonic() + patience
    while left and (remaining := deadline - time.monotonic()) > 0:
        for handle, _event in poll.poll(remaining * 1000):
            poll.unregister(handle)
            left.discard(handle)


def _is_own(entry: Path, namespaces: set[tuple[int, int]]) -> bool:
    try:
        if _is_engine(entry):
            return True
        if any(line.split(":", 2)[2].startswith(f"{layout.CGROUP_PARENT}/")
               for line in (entry / "cgroup").read_text().splitlines()):
            return True
        status = os.stat(entry / "ns" / "net")
    except OSError:
        return False
    return (status.st_dev, status.st_ino) in namespaces


def _is_engine(entry: Path) -> bool:
    """An engine's program that was told to work under the lab's folders."""
    if _program(entry) not in ENGINE_PROGRAMS:
        return False
    command = (entry / "cmdline").read_bytes().decode(errors="replace")
    return f"{layout.RUN}/" in command or f"{layout.STATE}/" in command


def _program(entry: Path) -> str:
    try:
        return os.path.basename(os.readlink(entry / "exe")).removesuffix(" (deleted)")
    except OSError:
        return ""


def _lab_namespaces() -> Iterator[tuple[int, int]]:
    for name in layout.NAMESPACES:
        try:
            status = os.stat(layout.NETNS_DIR / name)
        except OSError:
            continue
        if status.st_dev != layout.NETNS_DIR.stat().st_dev:
            yield status.st_dev, status.st_ino
