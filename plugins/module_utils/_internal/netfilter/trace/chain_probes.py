# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Probes of iptables: at the head of each chain a rule that logs packets of one flow, by a prefix that tells the chain."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from ...errors import DrawbridgeError
from ...host.system.system import System
from ..kernel.iptables import Transport
from ..rules.saved_ruleset import Ruleset, quote, split_words
from .flow import Flow
from .leftovers import Label, find_label, is_left_over

_ORDER = ("raw", "mangle", "nat", "filter", "security")
_COMMENT = "drawbridge-trace-"
_TRIES = 3


class Place(NamedTuple):
    """A chain, and whether its probe tells of packets of another state than the one that is asked for."""

    variant: str
    table: str
    chain: str
    is_builtin: bool
    is_other: bool = False


class ChainProbes:
    """target: the words of a probe's target, by the number of its place. rate: packets a second that are logged at most by each."""

    def __init__(self, system: System, label: Label, flow: Flow, rate: int, target: Callable[[int], List[str]]) -> None:
        self._system = system
        self._label, self._flow = label, flow
        self._target = target
        # More than the first chain's, so that no later chain lacks a packet that an earlier one has logged.
        self._limit = ["-m", "limit", "--limit", "%d/second" % rate, "--limit-burst", str(min(10000, 4 * rate))]
        self.places: List[Place] = []

    def put(self, saved: Dict[str, Ruleset]) -> None:
        """Set the probes in each chain of each variant. Call take() whatever comes of it."""
        for variant, ruleset in saved.items():
            lines: List[str] = []
            # Tables are changed one by one, those first that packets come to last: who is seen in the first one is seen in all.
            for table in [name for name in reversed(_ORDER) if name in ruleset.tables]:
                lines.append("*%s" % table)
                for chain, held in ruleset.tables[table].items():
                    lines += self._rules(Place(variant, table, chain, held.is_builtin))
                lines.append("COMMIT")
            Transport(self._system, variant).restore(self._flow.family, "\n".join(lines) + "\n")

    def _rules(self, place: Place) -> List[str]:
        if place.table == "raw":
            return [self._rule(place, self._flow.plain())] if _sees_first(place, self._flow) else []
        asked = self._flow.state.upper()
        asked = asked if asked == "NEW" else "ESTABLISHED,RELATED"
        rules = [
            self._rule(place, [*self._flow.tracked(), "--ctstate", asked]),
            self._rule(place, [*self._flow.plain(), "-m", "conntrack", "--ctstate", "UNTRACKED"]),
        ]
        if not place.is_builtin:
            return rules
        other = place._replace(is_other=True)
        return [
            *rules,
            self._rule(other, [*self._flow.tracked(), "!", "--ctstate", asked]),
            self._rule(other, [*self._flow.plain(), "-m", "conntrack", "--ctstate", "INVALID"]),
        ]

    def _rule(self, place: Place, conditions: Sequence[str]) -> str:
        self.places.append(place)
        words = [*conditions, *self._limit, "-m", "comment", "--comment", str(self._label), *self._target(len(self.places) - 1)]
        return "-I %s 1 %s" % (quote(place.chain), " ".join(words))


def _sees_first(place: Place, flow: Flow) -> bool:
    """A chain of the table raw sees a packet before connection tracking does."""
    return not (place.chain == "OUTPUT" and flow.interface) and not (place.chain == "PREROUTING" and flow.is_local)


def take(system: System, family: int, variants: Sequence[str], is_ours: Callable[[Label], bool]) -> None:
    """Remove the probes of whom ``is_ours`` says so. Raises DrawbridgeError if the rules change all the time."""
    for variant in variants:
        transport = Transport(system, variant)
        failure: Optional[DrawbridgeError] = None
        for _try in range(_TRIES):
            text = _without(transport.text(family), is_ours)
            if not text:
                failure = None
                break
            try:
                transport.restore(family, text)
            except DrawbridgeError as error:
                # Somebody else took the same rule away in between.
                failure = error
        if failure is not None:
            raise failure


def _without(saved: str, is_ours: Callable[[Label], bool]) -> str:
    """Return what removes probes, empty if there are none."""
    lines: List[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            table: List[str] = [line]
        elif line.startswith("-A ") and _COMMENT in line:
            label = _label_of(line)
            if label is not None and is_ours(label):
                table.append("-D " + line[3:])
        elif line == "COMMIT" and len(table) > 1:
            lines += [*table, line]
    return "\n".join(lines) + "\n" if lines else ""


def _label_of(line: str) -> Optional[Label]:
    """The label of a rule that is a probe: whose comment is a label and nothing else."""
    words = split_words(line)
    comment = words[words.index("--comment") + 1] if "--comment" in words[:-1] else ""
    label = find_label(comment)
    return label if label is not None and str(label) == comment else None


def take_left_over(system: System, family: int, variants: Sequence[str]) -> None:
    """Remove probes that nobody takes away any more."""
    take(system, family, variants, lambda label: is_left_over(system, label))
