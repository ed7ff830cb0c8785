# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run work in another network namespace, in a separate thread of this process.

unshare(2) and setns(2) move only the calling thread. Commands that the thread starts run in its namespace.
So no fork and no helper program is needed, and the rest of the process stays in its namespace.
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
    """A network namespace could not be created or entered: the user is not root, or a container forbids it."""


def in_new_netns(work: Callable[[], T]) -> T:
    """Run ``work`` in a new network namespace that exists only until it returns.

    Raises NamespaceUnavailable if the kernel refuses a namespace, and any error of ``work``.
    """
    return _on_a_thread(_unshare, work)


def in_netns(fd: int, work: Callable[[], T]) -> T:
    """Run ``work`` in the network namespace that is open as ``fd``. The namespace exists at least until ``work`` returns.

    Raises NamespaceUnavailable if the kernel refuses access, and any error of ``work``.
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
