# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Describe in words what containers reach, and the host itself, from the egress rules."""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...netfilter.kernel.ipset import Ipset
from ...netfilter.kernel.state import State
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.desired import Hook
from ...netfilter.rules.saved_rule import parse
from ..blocks.owners import OUTPUT, OUTPUT_DENIED, POLICY_EGRESS, TASK_EGRESS, EgressOwner
from ..chains import host_output
from ..chains.egress import FORWARDED, SAME_LINK, TABLE, TO_HOST, spoken_names
from ..language.egress import Egress
from .rules_to_policy import Rule, behind, outward, plain
from .set_contents import lists_in
from .wording import Line, Wording, Words, merged, target_text

_GENERAL = "all"
_SAME_LINK = frozenset(map(plain, SAME_LINK))


class _Way(NamedTuple):
    """One direction of egress. hook: the hook that its packets pass. led: the prefix of the chains that rules jump to, ahead of a block's name.
    said: the prefix of the chains that say what is reached. text: shown after the containers. always: whether it gets a line without rules."""

    hook: Hook
    led: str
    said: str
    text: str
    always: bool


class _Said(NamedTuple):
    """One family's chain in words: a text for each rule, and one for the rest."""

    texts: List[str]
    rest: str


def egress_lines(states: Mapping[int, State], wording: Wording, spoken: Mapping[str, str], owner: EgressOwner = POLICY_EGRESS) -> List[Line]:
    """Return the lines about one moment, the narrowest blocks first. spoken: the known blocks' names for people."""
    called = {_GENERAL: "all other containers", **spoken}
    return [
        Line("from %s%s" % (called.get(block, block), way.text), text)
        for way in _ways(owner)
        for block, text in _told(way, {family: behind(state, way.hook) for family, state in states.items()}, wording)
    ]


def host_lines(moments: Sequence[Mapping[int, State]], wording: Wording) -> List[List[Line]]:
    """Return the line about what the host itself reaches, for each moment; none at any moment if nothing ever limits it."""
    held = [{family: behind(state, host_output.HOOK) for family, state in states.items()} for states in moments]
    if not any(chains for at_once in held for chains in at_once.values()):
        return [[] for _states in moments]
    return [
        [Line("from the host itself", _text({family: _said(_sent(chains), wording) for family, chains in at_once.items()}))] for at_once in held
    ]


def _sent(chains: Mapping[str, Sequence[str]]) -> List[str]:
    """Return the rules of the host's chain, with drops for what leads to the chain that drops."""
    enforces = any(parse(rule).goes_to == "DROP" for rule in chains.get(OUTPUT_DENIED, ()))
    rules = chains.get(OUTPUT, ())
    return list(map(host_output.drops, rules)) if enforces else []


def task_in_words(plan: Plan, ipset: Ipset, egress: Optional[Egress]) -> Optional[Dict[str, str]]:
    """Return Ansible's diff of a separate egress task, in words; None if the words show no change."""
    wording, spoken = Wording(lists_in(ipset, plan)), {} if egress is None else spoken_names(egress)
    before, after = plan.states
    return Words(egress_lines(before, wording, spoken, TASK_EGRESS), egress_lines(after, wording, spoken, TASK_EGRESS)).as_diff()


def _ways(owner: EgressOwner) -> List[_Way]:
    to_others, to_host = Hook(TABLE, FORWARDED, owner.forwarded), Hook(TABLE, TO_HOST, owner.to_host)
    return [
        _Way(to_others, owner.prefix, owner.prefix, "", True),
        _Way(to_others, owner.prefix, owner.prefix + "p", " to neighbours", False),
        _Way(to_host, owner.prefix + "h", owner.prefix + "h", " to the host", True),
    ]


def _told(way: _Way, chains: Mapping[int, Mapping[str, Sequence[str]]], wording: Wording) -> List[Tuple[str, str]]:
    blocks = dict.fromkeys(block for held in chains.values() for block in _blocks(way, held))
    if way.always:
        blocks[_GENERAL] = blocks.pop(_GENERAL, None)
    return [
        (block, _text({family: _said(held.get(way.said + block, ()), wording) for family, held in chains.items()}))
        for block in blocks
    ]


def _text(said: Mapping[int, _Said]) -> str:
    """``not 169.254.169.254, 5432/tcp at 10.0.5.0/24, nothing else``"""
    found = merged({family: part.texts for family, part in said.items()})
    rest = ["%s else" % text if found else text for text in merged({family: [part.rest] for family, part in said.items()})]
    return ", ".join(found + rest)


def _blocks(way: _Way, chains: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """Yield the blocks in the order of the rules that jump to them."""
    for chain in (rule.goes_to for rule in map(parse, chains.get(way.hook.target, ()))):
        block = chain[len(way.led):]
        if chain.startswith(way.led) and (way.always or way.said + block in chains):
            yield block


def _said(rules: Sequence[str], wording: Wording) -> _Said:
    found: List[str] = []
    for rule in [each for each in map(outward, rules) if each is not None]:
        if rule.target is None and rule.is_of_any:
            return _Said(found, "nothing" if rule.verdict == "DROP" else "everything")
        if not _SAME_LINK.issuperset(rule.sources):
            found.extend(_texts(rule, wording))
    return _Said(found, "everything")


def _texts(rule: Rule, wording: Wording) -> List[str]:
    service = "" if rule.target is None else target_text(rule.target)
    ends: List[str] = [] if rule.is_of_any else wording.each(rule.sources, "")
    texts = [" at ".join(part for part in (service, end) if part) for end in ends] or [service]
    return ["not " + text for text in texts] if rule.verdict == "DROP" else texts
