# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Network namespaces for tests that call the code in this process."""
from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
VARIANTS = ("nft", "legacy")
_LIBC = ctypes.CDLL(None, use_errno=True)


def missing(*names: str) -> str:
    """Why a test cannot run here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [name for name in names if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    return "not installed: %s" % ", ".join(absent) if absent else ""


def tools_of(variant: str) -> list[str]:
    """The commands that the code needs for one variant."""
    return ["ipset"] + ["%s-%s-%s" % (program, variant, verb)
                        for program in ("iptables", "ip6tables") for verb in ("restore", "save")]


def _checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def entered(path: str | None = None) -> Iterator[None]:
    """This thread, and what it starts, in the namespace of a file, or in a new one that lives as long as this.

    Should the way back fail, the process stays in a namespace that is not the machine's: the safe side.
    """
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if path is None:
            _checked(_LIBC.unshare(CLONE_NEWNET))
        else:
            target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _checked(_LIBC.setns(target, CLONE_NEWNET))
            finally:
                os.close(target)
        try:
            yield
        finally:
            _checked(_LIBC.setns(back, CLONE_NEWNET))
    finally:
        os.close(back)
