# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A lock that allows one Drawbridge run at a time on a host. It is advisory. The kernel releases it when its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
import threading

from ...errors import DrawbridgeError
from .files import hint_for
from .system import System

LOCK_FILE = "/run/drawbridge.lock"


class HostLock:
    """``with HostLock(30):`` waits up to that many seconds for other plays on the same host."""

    def __init__(self, timeout: float, path: str = LOCK_FILE) -> None:
        self.timeout = timeout
        self.path = path
        self._fd = -1

    def __enter__(self) -> HostLock:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise DrawbridgeError("cannot open the lock %s: %s" % (self.path, error.strerror), None, hint_for(error)) from None
        if not self._try() and not (self.timeout > 0 and _Waiter(os.dup(self._fd)).wait(self.timeout)):
            holder = lock_holders(System(), self.path)
            os.close(self._fd)
            raise DrawbridgeError(
                "another run holds %s since more than %g s: process %s" % (self.path, round(self.timeout, 1), holder),
                None,
                "wait for it, or raise lock_timeout",
            )
        return self

    def __exit__(self, *_exc: object) -> None:
        os.close(self._fd)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EINTR):
                return False
            raise
        return True


class _Waiter:
    """Waits for a lock in the kernel's queue. A thread does, since flock(2) has no timeout.

    Who asks now and then instead may wait in vain beside others that wait in the queue and hold the lock one after another.
    """

    def __init__(self, fd: int) -> None:
        """fd: a duplicate of the lock's descriptor, which has the same lock. It is closed after the wait."""
        self._fd = fd
        self._mutex = threading.Lock()
        self._is_locked = False
        self._is_over = False

    def wait(self, seconds: float) -> bool:
        """Return whether the lock was taken within this time."""
        thread = threading.Thread(target=self._lock, daemon=True)
        thread.start()
        thread.join(seconds)
        with self._mutex:
            self._is_over = True
            return self._is_locked

    def _lock(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        with self._mutex:
            self._is_locked = True
            if self._is_over:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            os.close(self._fd)


def lock_holders(system: System, path: str) -> str:
    """Return the ids and names of the processes that hold a file's lock, from the kernel's list."""
    try:
        inode = os.stat(path).st_ino
    except OSError:
        return "unknown"
    found = []
    for line in (system.read("/proc/locks") or "").splitlines():
        fields = line.split()
        if len(fields) > 5 and fields[5].rsplit(":", 1)[-1] == str(inode):
            found.append(_process(system, fields[4]))
    return ", ".join(found) or "unknown"


def _process(system: System, pid: str) -> str:
    name = (system.read("/proc/%s/comm" % pid) or "?").strip()
    return "%s (%s)" % (pid, ascii(name)[1:-1])
