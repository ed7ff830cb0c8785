# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The resident part of the boot program, in the namespace that the test is in."""
import contextlib
import fcntl
import os
import signal
import subprocess
import time

TABLE = ("inet", "drawbridge-sentry")


def until(holds, what="it"):
    """Wait for something to be so."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "%s does not come" % what
        time.sleep(0.02)


class Watching:
    """A watch that runs. frozen: it sees nothing any more, and the table is what it is."""

    def __init__(self, program):
        self._program = program
        self._run = program.folder / "run"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([*self._program.command, "watch"], start_new_session=True, stderr=subprocess.DEVNULL)

    def kill(self):
        """As systemd does when its main process was killed."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        """All of it but the holder, while nothing of it holds the lock."""
        with open(self._program.folder / "lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.killpg(self.process.pid, signal.SIGSTOP)
            os.kill(self.holder, signal.SIGCONT)

    def wake(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    @property
    def holder(self):
        """The process that the table belongs to, None where there is none."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._run / "sentry.pid").read_text(encoding="ascii"))
            os.kill(pid, 0)
            return pid
        return None

    def asked(self):
        """What the table asks for, each as FAMILY:LABEL."""
        with contextlib.suppress(OSError):
            if is_there():
                return set((self._run / "sentry.asked").read_text(encoding="ascii").partition("\n")[0].split())
        return set()


def nft(*words):
    """Whether nft does it."""
    return subprocess.run(["nft", *words], capture_output=True, check=False).returncode == 0


def is_there():
    return nft("list", "table", *TABLE)


@contextlib.contextmanager
def watching(program):
    """The watch, until the block ends; what it started ends with it."""
    watch = Watching(program)
    try:
        yield watch
    finally:
        watch.kill()
