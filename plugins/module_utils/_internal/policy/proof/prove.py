# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Prove a policy's tests by the verdicts on the rules as they are planned. Pure."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from ...engine.api.answers import PublishedPort
from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...netfilter.rules.ownership import is_ours
from ...netfilter.verdict.snapshot import sets
from ...netfilter.verdict.snapshot.texts import Snapshot
from ...netfilter.verdict.walk.asked import Asked
from ...netfilter.verdict.walk.judge import Judge, Judgement
from ...netfilter.verdict.walk.path import ACCEPTED, UNKNOWN, Step
from ..language.model import Policy
from ..language.policy_tests import PolicyTest
from .packets import Packets

# More failing tests than these are only counted.
_MOST_TOLD = 8
# Of a rule's text. Others write rules, too.
_MOST_CHARACTERS = 300
_NOBODY = "nothing on this host is what the test is about: no sender in it comes from outside, or no such container runs, or no address is there"
# The place in the user's data of a rule: its family, and its step.
Entry = Callable[[int, Step], Optional[str]]


class Scene(NamedTuple):
    """What tests are proved by. snapshot: the host as it is planned. is_check: whether sets may be missing that earlier tasks would make."""

    policy: Policy
    facts: HostFacts
    published: Sequence[PublishedPort]
    snapshot: Snapshot
    entry: Entry
    is_check: bool = False


class Proof(NamedTuple):
    """packets: how many were judged. warnings: tests that are about nobody on this host."""

    tests: int
    packets: int
    warnings: List[str]


class Failure(NamedTuple):
    """words: what was expected, what is so, and by which rule."""

    test: PolicyTest
    words: str


def prove(scene: Scene) -> Proof:
    """Prove all tests. Raises DrawbridgeError that tells all that fail."""
    prover = Prover(scene)
    failures = [failure for failure in map(prover.failure, scene.policy.tests) if failure is not None]
    if failures:
        raise _error(failures, len(scene.policy.tests))
    return Proof(len(scene.policy.tests), prover.packets, prover.warnings())


def _error(failures: List[Failure], count: int) -> DrawbridgeError:
    hint = "nothing was changed"
    if len(failures) == 1:
        return DrawbridgeError(failures[0].words, failures[0].test.path, hint)
    told = ["%s: %s" % (failure.test.path, failure.words) for failure in failures[:_MOST_TOLD]]
    if len(failures) > _MOST_TOLD:
        told.append("and %d more" % (len(failures) - _MOST_TOLD))
    return DrawbridgeError("%d of %d tests fail: %s" % (len(failures), count, "; ".join(told)), None, hint)


class Prover:
    """Proves tests one by one. What they have in common is made ready once."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._judge = Judge(scene.snapshot)
        self._sets = sets.parse(scene.snapshot.text("ipset") or "")
        self._families: Dict[int, Packets] = {}
        self._judged: Dict[Asked, Judgement] = {}
        self._warnings: List[str] = []

    @property
    def packets(self) -> int:
        return len(self._judged)

    def warnings(self) -> List[str]:
        return [*self._warnings, *dict.fromkeys(told for packets in self._families.values() for told in packets.warnings)]

    def failure(self, test: PolicyTest) -> Optional[Failure]:
        """Return why a test fails; None if it holds."""
        try:
            packets = self.asked(test)
            if not packets:
                return self._about_nobody(test)
            found = self._counterexamples(test, packets)
        except DrawbridgeError as error:
            return Failure(test, "cannot be proved: %s" % _plain(str(error)))
        if not found:
            return None
        more = " (and %d more of its %d packets)" % (len(found) - 1, len(packets)) if len(found) > 1 else ""
        return Failure(test, "expected %s, but %s%s" % (test.expect, found[0], more))

    def asked(self, test: PolicyTest) -> List[Asked]:
        """Return the first packets that a test is about. Raises DrawbridgeError with the place of what is not there."""
        return [asked for family in test.families if self._scene.snapshot.save_names(family) for asked in self._packets(family).of(test)]

    def _packets(self, family: int) -> Packets:
        if family not in self._families:
            scene = self._scene
            self._families[family] = Packets(scene.policy, scene.facts, scene.published, self._judge.world(family), self._sets, scene.is_check)
        return self._families[family]

    def _about_nobody(self, test: PolicyTest) -> Optional[Failure]:
        """Nobody is kept out of what nobody asks for. But what is to be allowed has to be possible, as far as the engine tells its containers."""
        asks_engine = test.container is not None or test.to.container is not None
        if asks_engine and not self._scene.facts.known:
            self._warnings.append("%s: not proved, as the engine does not tell its containers" % test.path)
            return None
        if test.allows:
            return Failure(test, _NOBODY)
        self._warnings.append("%s: %s" % (test.path, _NOBODY))
        return None

    def _counterexamples(self, test: PolicyTest, packets: List[Asked]) -> List[str]:
        found = [(asked.family, self.counterexample(test, asked)) for asked in packets]
        if test.allows and (test.container is not None or test.to.container is not None):
            # A container is reached by one of its addresses, and sends by one of them. Which one it takes is its own affair.
            reached = {family for family, words in found if not words}
            found = [(family, words) for family, words in found if family not in reached]
        return [words for _family, words in found if words]

    def counterexample(self, test: PolicyTest, asked: Asked) -> str:
        """Return what goes against a test, empty if nothing does."""
        judgement = self.judgement(asked)
        words = _against(test, judgement)
        if not words and test.allows and judgement.end.kind in ("interface", "bridge", "listener", "host"):
            answer = asked._replace(state="reply", flags=frozenset(("SYN", "ACK")) if asked.flags else asked.flags)
            judgement = self.judgement(answer)
            words = _against(test, judgement)
        return words and "%s is %s" % (judgement.packet, words) + self._by(asked.family, judgement)

    def judgement(self, asked: Asked) -> Judgement:
        """Return the verdict on a packet."""
        if asked not in self._judged:
            self._judged[asked] = self._judge.judge(asked)
        return self._judged[asked]

    def _by(self, family: int, judgement: Judgement) -> str:
        """Tell by which rule, and which entry of the policy."""
        step = _decider(judgement)
        if step is None:
            return ""
        entry = self._scene.entry(family, step)
        rule = "" if judgement.verdict != ACCEPTED else "; it gets past %s: %s" % (step.place, _plain(step.text))
        return rule + (", which is %s" % entry if entry else "")


def _against(test: PolicyTest, judgement: Judgement) -> str:
    """Return the verdict that goes against a test, with its reason."""
    if judgement.verdict == UNKNOWN:
        return "unknown: %s" % _plain(judgement.reason)
    is_reached = judgement.verdict == ACCEPTED
    # Where nobody listens, nothing is reached, and nothing is in the way either.
    if is_reached == test.allows or is_reached and judgement.end.kind == "nobody":
        return ""
    end = " (%s)" % _plain(judgement.end.words) if judgement.end.words else ""
    return "%s: %s%s" % (judgement.verdict, _plain(judgement.reason), end)


def _decider(judgement: Judgement) -> Optional[Step]:
    """Return the rule that decides: the one that stops the packet, or the last of ours that lets it go on."""
    steps = [step for step in judgement.path if step.table]
    if judgement.verdict == UNKNOWN or not steps:
        return None
    if judgement.verdict != ACCEPTED:
        return steps[-1] if judgement.path[-1] is steps[-1] else None
    ours = [step for step in steps if is_ours(step.chain) and step.text.endswith(_ENDS)]
    return (ours or steps)[-1]


_ENDS: Tuple[str, ...] = ("-j RETURN", "-j ACCEPT", "-j MARK --set-xmark 0x0/0x20000000")


def _plain(text: str) -> str:
    """Return text of the host for an error message: on one line, and not too long."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= _MOST_CHARACTERS else shown[:_MOST_CHARACTERS] + "..."
