# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet in one table of a hook: rules in order, jumps, gotos, returns, translations, and the chain's policy. Pure."""

from __future__ import annotations

from typing import List, Optional

from ...rules.matches import Effect, Jump, Translation, Verdict
from ..matching.chains import Chain, Rule
from ..matching.conditions import Condition
from ..matching.effects import WITHOUT_EFFECT, apply_effect
from ..matching.packet import Packet
from ..matching.translation import Unmodelled, translate
from .choices import Choices, Question
from .path import UNKNOWN, Ended, Step
from .tables import Table
from .world import World

ACCEPT = "ACCEPT"
# The kernel refuses deeper ones.
_MOST_JUMPS = 64


class TableWalk:
    """path: the steps are added to it."""

    def __init__(self, world: World, packet: Packet, choices: Choices, path: List[Step]) -> None:
        self._world = world
        self._packet = packet
        self._choices = choices
        self._path = path
        self._hook = self._name = self._variant = ""

    def walk(self, variant: str, name: str, table: Table, hook: str) -> str:
        """Return the table's verdict: ACCEPT, DROP or REJECT. Raises Ended where it is unknown."""
        chain = table.chain(hook)
        if chain is None:
            return ACCEPT
        self._hook, self._name, self._variant = hook, name, variant
        verdict = self._chain(table, chain, 0)
        if verdict is None:
            verdict = chain.policy
            if verdict != ACCEPT:
                self._path.append(Step(name, hook, None, "policy %s" % verdict, variant=variant))
        return verdict

    def _chain(self, table: Table, chain: Chain, depth: int) -> Optional[str]:
        """Return a verdict; None if the packet returns from the chain."""
        if depth > _MOST_JUMPS:
            raise Ended(UNKNOWN, "chain %s jumps to itself" % chain.name)
        for rule in chain.candidates(self._packet):
            if not self._meets(chain, rule):
                continue
            self._path.append(Step(self._name, chain.name, rule.number, rule.text, variant=self._variant))
            target = rule.read.target
            if isinstance(target, Verdict):
                return None if target.name == "RETURN" else target.name
            if isinstance(target, Translation):
                return self._translate(target)
            if isinstance(target, Effect):
                self._changed(apply_effect(self._packet, target.name, target.options))
            elif isinstance(target, Jump) and target.name in table:
                inner = table.chain(target.name)
                verdict = self._chain(table, inner, depth + 1) if inner is not None else None
                if verdict is not None or target.goto:
                    return verdict
            elif target is not None and target.name not in WITHOUT_EFFECT:
                raise Ended(UNKNOWN, "%s: the target %s is not modelled" % (self._path[-1].place, target.name))
        return None

    def _meets(self, chain: Chain, rule: Rule) -> bool:
        place = Step(self._name, chain.name, rule.number, rule.text, variant=self._variant)
        return all_hold(rule.conditions, self._packet, self._choices, place)

    def _translate(self, target: Translation) -> str:
        self._changed(translated(self._world, self._packet, target, self._hook, self._choices, self._path[-1].place))
        return ACCEPT

    def _changed(self, words: str) -> None:
        if words:
            self._path[-1] = self._path[-1]._replace(change=words)


def all_hold(conditions: List[Condition], packet: Packet, choices: Choices, step: Step) -> bool:
    """Tell whether a packet meets all conditions of a rule. Those that are not known are asked only if all others hold."""
    unknown = []
    for condition in conditions:
        held = condition.holds(packet)
        if held is None:
            unknown.append(condition)
        elif not held:
            return False
    for condition in unknown:
        negated = condition.words.startswith("! ") and bool(condition.key)
        if choices.ask(Question(step.place, condition.words, condition.key or step.place + condition.words)) == negated:
            return False
    return True


def translated(world: World, packet: Packet, target: Translation, hook: str, choices: Choices, place: str) -> str:
    """Translate a packet by the rule at a place. Returns the change in words. Raises Ended where it is unknown."""
    def ask(words: str) -> bool:
        return choices.ask(Question(place, words, place + words))

    try:
        return translate(packet, target, hook, world.interfaces, ask)
    except Unmodelled as error:
        raise Ended(UNKNOWN, "%s: %s" % (place, error)) from None
