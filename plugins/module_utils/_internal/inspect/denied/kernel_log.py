# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read the kernel's log for a bounded time: from journald, else from the kernel itself, or from a file."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from typing import Iterator, List, NamedTuple, Optional

from ...address import quoted
from ...errors import DrawbridgeError
from ...host.system.system import System
from .log_lines import Denial, denials, parse_message, told

JOURNAL, KERNEL, FILE = "journal", "kernel", "file"
KMSG = "/dev/kmsg"
# The most messages that are read: the last ones.
MOST_LINES = 200000
# Facility 0, the kernel's. A program that writes to /dev/kmsg has another.
_RECORD = re.compile(r"(?P<head>[0-9]+),[0-9]+,(?P<at>[0-9]+),[^;]*;(?P<message>[^\n]*)")
_LONGEST_RECORD = 8192


class Read(NamedTuple):
    """Denied packets, the oldest first, and where they were read. warnings: what of the log could not be read."""

    denials: List[Denial]
    log: str
    warnings: List[str]


def read_log(system: System, minutes: int) -> Read:
    """Read the last minutes of this host's kernel log. Raises DrawbridgeError if there is none to read."""
    since = time.time() - 60 * minutes
    program = system.which("journalctl")
    if program is not None:
        argv = [program, "-k", "-q", "--no-pager", "-o", "short-unix", "-n", str(MOST_LINES), "--since", "@%d" % since]
        output = system.run(argv)
        if output.rc == 0:
            found = list(denials(output.stdout.split("\n")))
            return Read(found, JOURNAL, _full(output.stdout.count("\n")))
    return Read([denial for denial in _kernels() if denial.at is None or denial.at >= since], KERNEL, [])


def read_file(path: str, minutes: Optional[int]) -> Read:
    """Read a file. minutes: leave out older packets, if the file tells their time; None for all."""
    since = None if minutes is None else time.time() - 60 * minutes
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise DrawbridgeError("%s is not a file" % quoted(path), "path")
            found = [denial for denial in denials(stream) if since is None or denial.at is None or denial.at >= since]
    except OSError as error:
        raise DrawbridgeError("cannot read %s: %s" % (quoted(path), error.strerror), "path") from None
    return Read(found[-MOST_LINES:], FILE, _full(len(found)))


def _full(lines: int) -> List[str]:
    return ["only the last %d messages were read" % MOST_LINES] if lines >= MOST_LINES else []


def _kernels() -> Iterator[Denial]:
    """Yield the denied packets of the kernel's ring buffer. Its times do not count when the host slept."""
    booted = time.time() - time.monotonic()
    for record in _records():
        found = _RECORD.match(record)
        if found is None or int(found.group("head")) >= 8:
            continue
        at = booted + int(found.group("at")) / 1e6
        denial = parse_message(at, told(at) or "", found.group("message"))
        if denial is not None:
            yield denial


def _records() -> Iterator[str]:
    try:
        kmsg = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        hint = "read it where there is one, or name a file by path"
        raise DrawbridgeError("cannot read the kernel's log: %s: %s" % (KMSG, error.strerror), None, hint) from None
    try:
        # The buffer has a bounded size, but the kernel may write faster than this reads.
        for _count in range(MOST_LINES):
            try:
                record = os.read(kmsg, _LONGEST_RECORD)
            except BlockingIOError:
                return
            except OSError as error:
                # Records were overwritten while this read: the next read goes on behind them.
                if error.errno != errno.EPIPE:
                    raise DrawbridgeError("cannot read the kernel's log: %s: %s" % (KMSG, error.strerror)) from None
                continue
            if not record:
                return
            yield record.decode("utf-8", "surrogateescape")
    finally:
        os.close(kmsg)
