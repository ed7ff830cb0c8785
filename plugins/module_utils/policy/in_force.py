# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which of a policy's records is in force, and what its sets are called: both stand in a chain that nothing leads to."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from ..netfilter.model import Line, Wanted
from ..netfilter.save import Ruleset
from .owners import POLICY_LASTING

MODULE = "host_policy"
_KEYS = ("docker_host", "transport", "open_ports", "masquerade")
_MARK = "drawbridge:record:"
_MARKED = re.compile(re.escape(_MARK) + "([0-9a-f]{32})")
_OWN_SET = re.compile(r"--match-set (DB[A-Z]+-(\S+)-([46])[ab]) ")
_SET = re.compile(r"--match-set @(\S+)")


def record_name(arguments: Mapping[str, object]) -> str:
    """The name of the one record that says this."""
    text = json.dumps({key: arguments[key] for key in _KEYS}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def mark(name: str) -> Line:
    """The line that says that the record of this name is in force."""
    return Line('-m comment --comment "%s%s" -j RETURN' % (_MARK, name))


def marked(text: str) -> Optional[str]:
    """The record that is in force by these rules, as iptables-save prints them."""
    found = _MARKED.search(text)
    return found.group(1) if found else None


def record_in_force(rulesets: Mapping[int, Ruleset]) -> Optional[str]:
    """The record that is in force by what the kernel holds."""
    return marked("\n".join(_rules(rulesets)))


def set_in(line: Line) -> Optional[str]:
    """The user's name of the set that a line names, None for none."""
    found = _SET.search(line.text)
    return found.group(1) if found else None


def with_own_sets(wanted: Wanted, rulesets: Mapping[int, Ruleset]) -> Wanted:
    """``wanted`` with the policy's own sets under the names that they have in the kernel, whichever generation is in force."""
    names: Dict[Tuple[str, int], str] = {}
    for rule in _rules(rulesets):
        names.update(((name, int(family)), kernel_name) for kernel_name, name, family in _OWN_SET.findall(rule))
    return wanted._replace(
        chains=[chain._replace(lines=[spelt for line in chain.lines for spelt in _spelt(line, names)]) for chain in wanted.chains]
    )


def _spelt(line: Line, names: Mapping[Tuple[str, int], str]) -> List[Line]:
    """The line, or one for each family."""
    name = set_in(line)
    mine = {family: names[(name, family)] for family in line.families if name is not None and (name, family) in names}
    if not mine:
        return [line]
    return [line._replace(text=line.text.replace("@%s" % name, kernel_name), families=(family,)) for family, kernel_name in mine.items()]


def _rules(rulesets: Mapping[int, Ruleset]) -> Iterable[str]:
    return [rule for ruleset in rulesets.values() for rule in ruleset.rules(*POLICY_LASTING)]
