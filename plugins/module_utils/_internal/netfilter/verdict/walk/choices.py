# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Open questions on a packet's way. Each is followed both ways, so that a verdict is unknown only where the answer matters."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Tuple, TypeVar

T = TypeVar("T")
# More ways than these are not followed.
MOST_RUNS = 256


class Question(NamedTuple):
    """place: the rule, or what else it is about. words: what is not known. key: questions of the same key have the same answer."""

    place: str
    words: str
    key: str

    def __str__(self) -> str:
        return "%s: %s" % (self.place, self.words) if self.place else self.words


class Choices:
    """The answers of one run: those given, then no to everything."""

    def __init__(self, given: Tuple[bool, ...] = ()) -> None:
        self._given = given
        self._answers: Dict[str, bool] = {}
        self.asked: List[Question] = []
        self.answers: List[bool] = []

    def ask(self, question: Question) -> bool:
        if question.key not in self._answers:
            place = len(self.asked)
            answer = self._given[place] if place < len(self._given) else False
            self._answers[question.key] = answer
            self.asked.append(question)
            self.answers.append(answer)
        return self._answers[question.key]


def runs(run: Callable[[Choices], T]) -> Tuple[List[Tuple[Choices, T]], bool]:
    """Return every run, the one that answers no to everything first, and whether these are all that there are."""
    waiting: List[Tuple[bool, ...]] = [()]
    done: List[Tuple[Choices, T]] = []
    while waiting and len(done) < MOST_RUNS:
        given = waiting.pop(0)
        choices = Choices(given)
        done.append((choices, run(choices)))
        waiting += [(*choices.answers[:place], True) for place in range(len(given), len(choices.asked))]
    return done, not waiting


def parted_by(one: Choices, other: Choices) -> Question:
    """Return the question that two runs answer differently, while they agree about all before it."""
    pairs = zip(one.asked, one.answers, other.answers)
    return next(question for question, answer, opposite in pairs if answer != opposite)
