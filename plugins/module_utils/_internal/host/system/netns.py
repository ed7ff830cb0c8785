# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Work in a network namespace other than the host's, in this process, on a thread of its own.

unshare(2) and setns(2) move only the calling thread, and the commands it starts go along: nothing has to be
forked or entered from outside, and the rest of the process stays where it is.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Callable, List, TypeVar

from ...errors import DrawbridgeError

_CLONE_NEWNET = 0x40000000

T = TypeVar("T")


class NamespaceUnavailable(DrawbridgeError):
    """A network namespace could not be made or entered: not root, or a container that forbids it."""


def in_new_netns(work: Callable[[], T]) -> T:
    """Run ``work`` in a network namespace that exists only until it returns.

    Raises NamespaceUnavailable where the kernel refuses one, and whatever ``work`` raises.
    """
    return _on_a_thread(_unshare, work)


def in_netns(fd: int, work: Callable[[], T]) -> T:
    """Run ``work`` in the network namespace that is open as ``fd``. The namespace lives at least that long.

    Raises NamespaceUnavailable where the kernel does not let us in, and whatever ``work`` raises.
    """
    return _on_a_thread(lambda: _enter(fd), work)


def _on_a_thread(move: Callable[[], None], work: Callable[[], T]) -> T:
    results: List[T] = []
    errors: List[BaseException] = []

    def body() -> None:
        try:
            move()
            results.append(work())
        except BaseException as error:  # pylint: disable=broad-exception-caught
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise NamespaceUnavailable("cannot make a network namespace: %s" % reason)


def _enter(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise NamespaceUnavailable("cannot enter the network namespace: %s" % reason)
