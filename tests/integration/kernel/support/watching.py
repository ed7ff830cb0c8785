# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The resident part of the boot program, in the namespace that the test is in."""
from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

from .program import Program

TABLE = ("inet", "drawbridge-sentry")


def until(holds: Callable[[], bool], what: str = "it") -> None:
    """Wait for something to be so."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, "%s does not come" % what
        time.sleep(0.02)


class Watching:
    """A watch that runs. frozen: it sees nothing any more, and the table is what it is."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._run = program.folder / "run"
        self._journal = program.folder / "journal"
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        with open(self._journal, "ab") as journal:
            self.process = subprocess.Popen([*self._program.command, "watch"], start_new_session=True, stderr=journal)

    def told(self) -> str:
        """How it is: its end, what is in its folder, what it wrote."""
        return "watch ended: %s; in its folder: %s; its journal:\n%s" % (
            self.process.poll(), " ".join(sorted(path.name for path in self._run.iterdir())), self._journal.read_text(encoding="utf-8", errors="replace"))

    def kill(self) -> None:
        """As systemd does when its main process was killed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """All of it but the holder, while nothing of it holds the lock."""
        with open(self._program.folder / "lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.killpg(self.process.pid, signal.SIGSTOP)
            holder = self.holder
            assert holder is not None
            os.kill(holder, signal.SIGCONT)

    def wake(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    @property
    def holder(self) -> int | None:
        """The process that the table belongs to, None where there is none."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._run / "sentry.pid").read_text(encoding="ascii"))
            os.kill(pid, 0)
            return pid
        return None

    def asked(self) -> set[str]:
        """What the table asks for, each as FAMILY:LABEL."""
        with contextlib.suppress(OSError):
            if is_there():
                return set((self._run / "sentry.asked").read_text(encoding="ascii").partition("\n")[0].split())
        return set()


def nft(*words: str) -> bool:
    """Whether nft does it."""
    return subprocess.run(["nft", *words], capture_output=True, check=False).returncode == 0


def is_there() -> bool:
    return nft("list", "table", *TABLE)


@contextlib.contextmanager
def watching(program: Program) -> Iterator[Watching]:
    """The watch, until the block ends; what it started ends with it."""
    watch = Watching(program)
    try:
        yield watch
    finally:
        watch.kill()
