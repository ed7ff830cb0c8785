# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A lock that allows one Drawbridge run at a time on a host. It is advisory. The kernel releases it when its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from ...errors import DrawbridgeError
from .files import hint_for
from .system import System

LOCK_FILE = "/run/drawbridge.lock"
_POLL_SECONDS = 0.1


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
        deadline = time.monotonic() + self.timeout
        while not self._try():
            if time.monotonic() >= deadline:
                holder = lock_holders(System(), self.path)
                os.close(self._fd)
                raise DrawbridgeError(
                    "another run holds %s since more than %g s: process %s" % (self.path, round(self.timeout, 1), holder),
                    None,
                    "wait for it, or raise lock_timeout",
                )
            time.sleep(_POLL_SECONDS)
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
