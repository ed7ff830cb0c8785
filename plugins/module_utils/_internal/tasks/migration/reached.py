# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a sender reaches a target, by the verdicts on the first packet and on its answer. Pure."""

from __future__ import annotations

from typing import Dict, NamedTuple

from ...errors import DrawbridgeError
from ...netfilter.verdict.snapshot.texts import Snapshot
from ...netfilter.verdict.walk.asked import Asked
from ...netfilter.verdict.walk.judge import Judge, Judgement
from ...netfilter.verdict.walk.path import ACCEPTED, UNKNOWN
from ...netfilter.verdict.walk.world import World

OPEN, CLOSED, NOT_KNOWN = "open", "closed", "unknown"
_ANSWERED = ("interface", "bridge", "listener", "host")


class Reached(NamedTuple):
    """state: open, closed or unknown. A port where nobody listens is open if the rules let its packets pass. reason: why."""

    state: str
    reason: str


class Reach:
    """Answers about one host. Each packet is judged once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._judge = Judge(snapshot)
        self._found: Dict[Asked, Reached] = {}

    def world(self, family: int) -> World:
        return self._judge.world(family)

    def of(self, asked: Asked) -> Reached:
        if asked not in self._found:
            try:
                self._found[asked] = self._of(asked)
            except DrawbridgeError as error:
                self._found[asked] = Reached(NOT_KNOWN, str(error))
        return self._found[asked]

    def _of(self, asked: Asked) -> Reached:
        first = self._judge.judge(asked)
        state = _state(first)
        if state != OPEN or first.end.kind not in _ANSWERED:
            return Reached(state, first.reason)
        answer = self._judge.judge(asked._replace(state="reply", flags=frozenset(("SYN", "ACK")) if asked.flags else asked.flags))
        return Reached(OPEN, first.reason) if answer.verdict == ACCEPTED else Reached(_state(answer), "its answer: %s" % answer.reason)


def _state(judgement: Judgement) -> str:
    if judgement.verdict == UNKNOWN or judgement.end.kind == "unknown":
        return NOT_KNOWN
    return OPEN if judgement.verdict == ACCEPTED else CLOSED
