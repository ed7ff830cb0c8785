# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The record of a policy that is in force, and the names of its sets. Both are in a chain that no rule jumps to."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from ...netfilter.rules.desired import DesiredState, Line
from ...netfilter.rules.ownership import any_generation, called
from ...netfilter.rules.saved_rule import called_sets, parse, set_names, with_set_names
from ...netfilter.rules.saved_ruleset import Ruleset
from ..blocks.owners import POLICY_LASTING

MODULE = "host_policy"
_KEYS = ("docker_host", "transport", "open_ports", "masquerade")
_MARK = "drawbridge:record:"
_RECORD = re.compile("[0-9a-f]{32}")


def record_name(arguments: Mapping[str, object]) -> str:
    """Return the name of the record with these arguments: a hash of its content."""
    text = json.dumps({key: arguments[key] for key in _KEYS}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def mark(name: str) -> Line:
    """Return the line that marks the record of this name as in force."""
    return Line('-m comment --comment "%s%s" -j RETURN' % (_MARK, name))


def marked(text: str) -> Optional[str]:
    """Return the record that is in force by these rules, as iptables-save prints them. Lines without the mark are not parsed."""
    rules = [parse(line) for line in text.split("\n") if _MARK in line]
    comments = [comment for rule in rules for comment in rule.comments]
    named = [comment[len(_MARK):] for comment in comments if comment.startswith(_MARK)]
    return next((name for name in named if _RECORD.fullmatch(name)), None)


def record_in_force(rulesets: Mapping[int, Ruleset]) -> Optional[str]:
    """Return the record that is in force by the kernel's rules."""
    return marked("\n".join(_rules(rulesets)))


def set_in(line: Line) -> Optional[str]:
    """Return the user's name of the set that a line names, or None."""
    return next(iter(called_sets(line.text)), None)


def with_own_sets(wanted: DesiredState, rulesets: Mapping[int, Ruleset]) -> DesiredState:
    """Return ``wanted`` with the kernel's names of the policy's own sets, of the generation that is in force."""
    names: Dict[Tuple[str, int], str] = {}
    for kernel_name in (each for rule in _rules(rulesets) for each in set_names(rule)):
        if any_generation(kernel_name) != kernel_name:
            names[called(kernel_name), int(kernel_name[-2])] = kernel_name
    return wanted._replace(
        chains=[chain._replace(lines=[spelt for line in chain.lines for spelt in _spelt(line, names)]) for chain in wanted.chains]
    )


def _spelt(line: Line, names: Mapping[Tuple[str, int], str]) -> List[Line]:
    """Return the line as it is, or one line with the kernel's set name for each family."""
    name = set_in(line)
    mine = {family: names[(name, family)] for family in line.families if name is not None and (name, family) in names}
    if not mine:
        return [line]
    return [line._replace(text=_with(line.text, {"@%s" % name: kernel_name}), families=(family,)) for family, kernel_name in mine.items()]


def _with(text: str, sets: Mapping[str, str]) -> str:
    return with_set_names(text, lambda name: sets.get(name, name))


def _rules(rulesets: Mapping[int, Ruleset]) -> Iterable[str]:
    return [rule for ruleset in rulesets.values() for rule in ruleset.rules(*POLICY_LASTING)]
