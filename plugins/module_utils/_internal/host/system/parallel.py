# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run work in several threads. Most of the work is waiting for commands."""

from __future__ import annotations

import os
import sys
import threading
from typing import Callable, Dict, Iterator, List, Sequence, Tuple, TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
S = TypeVar("S")
T = TypeVar("T")

_SWITCH_SECONDS = 0.0005


def at_once(first: Callable[[], A], second: Callable[[], B], third: Callable[[], C]) -> Tuple[A, B, C]:
    """Call three functions at the same time. Return their results."""
    one: List[A] = []
    two: List[B] = []
    three: List[C] = []
    questions: List[Callable[[], None]] = [lambda: one.append(first()), lambda: two.append(second()), lambda: three.append(third())]
    on_all(lambda ask: ask(), questions)
    return one[0], two[0], three[0]


def on_all(work: Callable[[S], T], things: Sequence[S]) -> List[T]:
    """Run ``work`` on each of ``things``. Return the results in the same order.

    The first error is raised when all work that was started is done.
    """
    pending: Iterator[int] = iter(range(len(things)))
    guard = threading.Lock()
    results: Dict[int, T] = {}
    errors: List[BaseException] = []

    def worker() -> None:
        while not errors:
            with guard:
                index = next(pending, -1)
            if index < 0:
                return
            try:
                results[index] = work(things[index])
            except BaseException as error:  # pylint: disable=broad-exception-caught
                errors.append(error)

    threads = [threading.Thread(target=worker) for _count in range(min(len(things), (os.cpu_count() or 1) + 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(things))]


def begun(work: Callable[[], T]) -> Callable[[], T]:
    """Start work in a thread. The returned function waits for it and returns its result, or raises its error."""
    results: List[T] = []
    errors: List[BaseException] = []

    def worker() -> None:
        try:
            results.append(work())
        except BaseException as error:  # pylint: disable=broad-exception-caught
            errors.append(error)

    # A thread that waits for a command has to continue at once when the command answers, not after 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    thread = threading.Thread(target=worker)
    thread.start()

    def result() -> T:
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    return result
