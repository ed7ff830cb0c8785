# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet's way as it was seen beside the way that the verdict says: the first difference. Pure."""

from __future__ import annotations

from itertools import zip_longest
from typing import List, Optional, Sequence, Tuple

from ..rules.saved_ruleset import Ruleset, split_words
from ..verdict.walk.judge import Judgement
from ..verdict.walk.path import ACCEPTED, DROPPED, REJECTED, UNKNOWN, Step
from .hits import CHAINS, SeenPacket
from .steps import spelt_end

_TABLES = ("raw", "mangle", "nat", "filter", "security")
_STOPPED = (DROPPED, REJECTED)


def difference(said: Judgement, seen: SeenPacket, chains: Sequence[Ruleset]) -> Optional[str]:
    """Return the first difference in words, None without one. chains: the rulesets, which know the chains that rules jump to."""
    if said.verdict == UNKNOWN:
        # There is nothing to compare it with.
        return None
    path = None if said.open else _other_chain(said, seen, chains) if seen.detail == CHAINS else _other_rule(said.path, seen.path)
    return path or _other_end(said, seen)


def is_compared(said: Judgement) -> bool:
    """Tell whether the verdict says enough to be compared."""
    return said.verdict != UNKNOWN


def _other_rule(said: List[Step], seen: List[Step]) -> Optional[str]:
    for ours, kernels in zip_longest(_of_tables(said), _of_tables(seen)):
        if ours is None or kernels is None or _key(ours) != _key(kernels):
            return "the verdict has %s; the packet met %s" % (_words(ours), _words(kernels))
        if ours.change and kernels.change and ours.change not in kernels.change:
            return "at %s the verdict says that %s; it was seen that %s" % (ours.place, ours.change, kernels.change)
    return None


def _of_tables(path: List[Step]) -> List[Step]:
    return [step for step in path if step.table in _TABLES]


def _key(step: Step) -> Tuple[str, str, str, Optional[int]]:
    return step.variant, step.table, step.chain, step.rule


def _words(step: Optional[Step]) -> str:
    return "no further rule" if step is None else "%s (%s)" % (step.place, step.text)


def _other_chain(said: Judgement, seen: SeenPacket, rulesets: Sequence[Ruleset]) -> Optional[str]:
    entered = [found for found in (_entered(step, rulesets) for step in said.path) if found is not None]
    came = [(table, chain) for _variant, table, chain in seen.chains]
    for ours, kernels in zip_longest(entered, came):
        if ours != kernels:
            return "the verdict has %s; the packet came to %s" % (_chain(ours), _chain(kernels))
    return None


def _entered(step: Step, rulesets: Sequence[Ruleset]) -> Optional[Tuple[str, str]]:
    """The chain that a rule leads to."""
    words = split_words(step.text) if step.table and step.rule is not None else []
    names = [words[place + 1] for place, word in enumerate(words[:-1]) if word in ("-j", "-g")]
    return next(((step.table, name) for name in names if any(ruleset.chain(step.table, name) for ruleset in rulesets)), None)


def _chain(place: Optional[Tuple[str, str]]) -> str:
    return "no further chain" if place is None else "chain %s of table %s" % (place[1], place[0])


def _other_end(said: Judgement, seen: SeenPacket) -> Optional[str]:
    if seen.verdict == UNKNOWN:
        # What takes it where nobody looks is no rule.
        step = said.path[-1] if said.path else None
        if said.verdict == ACCEPTED and seen.detail != CHAINS:
            return "the verdict says that it is accepted; %s" % seen.reason
        if seen.detail != CHAINS and step is not None and step.table and step.rule is not None:
            return "the verdict is %s by %s; %s" % (said.verdict, step.place, seen.reason)
        return None
    same = said.verdict == seen.verdict or seen.detail == CHAINS and said.verdict in _STOPPED and seen.verdict in _STOPPED
    if not same:
        return "the verdict is %s (%s); it was seen to be %s (%s)" % (said.verdict, said.reason, seen.verdict, seen.reason)
    if said.verdict == ACCEPTED and _place(said.arrived) != _place(seen.last.ends):
        return "the verdict has it come to %s; it was seen at %s" % (_spelt(seen, _place(said.arrived)), _spelt(seen, _place(seen.last.ends)))
    both_leave = seen.end.kind == "interface" and said.end.kind in ("interface", "bridge")
    if said.verdict == ACCEPTED and both_leave and _device(said.end.words) != _device(seen.end.words):
        return "the verdict has it leave for %s; it was seen to leave for %s" % (said.end.words, seen.end.words)
    if said.verdict == ACCEPTED and (seen.end.kind == "host") != (said.end.kind in ("host", "listener", "nobody")):
        return "the verdict has it come to %s; it was seen to come to %s" % (said.end.words, seen.end.words)
    return None


def _place(ends: Tuple[int, int, Optional[int], Optional[int]]) -> Tuple[int, Optional[int]]:
    return ends[1], ends[3]


def _device(words: str) -> str:
    return words.rpartition(" ")[2]


def _spelt(seen: SeenPacket, place: Tuple[int, Optional[int]]) -> str:
    return spelt_end(seen.last.family, *place)
