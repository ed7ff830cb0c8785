# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Rules that can never match, because earlier rules of their chain take every packet that they would match. Pure.

Only certain cases are reported. The earlier rule must be final and completely understood, and each of its criteria must be met by all
packets of the later rule. Two such rules that differ in one negation count as one rule without that criterion.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Callable, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ...address import ends, parse_network
from ...errors import DrawbridgeError
from .desired import Chain, Line
from .matches import Jump, Match, SetMatch, TcpFlagsMatch, Unknown, Verdict
from .saved_rule import parse

# Limits of the search: lines of one chain, and shadowing rules with the same keys.
_MAX_LINES = 2000
_MAX_ALIKE = 20


class Criterion(NamedTuple):
    """One condition of a rule."""

    key: str
    negated: bool
    value: str


class Reading(NamedTuple):
    """The understood part of a rule. whole: whether all of it is understood. final: whether no packet that it matches reaches the
    rules after it."""

    criteria: FrozenSet[Criterion]
    whole: bool
    final: bool


class Shadower(NamedTuple):
    """Criteria whose packets do not get further, and the lines that take these packets."""

    criteria: FrozenSet[Criterion]
    lines: Tuple[Line, ...]


def shadow_warnings(chains: Iterable[Chain]) -> List[str]:
    """Return a warning for each line that a user wrote and that can never match."""
    found = []
    for chain in chains:
        for line, taken_by in shadowed(chain.lines[:_MAX_LINES]):
            if line.path is not None:
                by = " and ".join(item.path or "the line '%s' before all others" % item.text for item in taken_by)
                found.append("%s can never match: %s take%s all that it would" % (line.path, by, "s" if len(taken_by) == 1 else ""))
    return list(dict.fromkeys(found))


def shadowed(lines: Sequence[Line]) -> List[Tuple[Line, Tuple[Line, ...]]]:
    """Return the lines that can never match, each with the earlier lines that shadow it."""
    takers = _Takers()
    found = []
    for line in lines:
        reading = read(line.text)
        taker = takers.of(line, reading)
        if taker is not None:
            found.append((line, taker.lines))
        elif reading.final and reading.whole:
            takers.add(Shadower(reading.criteria, (line,)))
    return found


class _Takers:
    """Shadowing rules, indexed by their criteria. So the lines of a long chain are not compared one by one."""

    def __init__(self) -> None:
        self._by_keys: Dict[FrozenSet[str], List[Shadower]] = {}
        self._exact: Dict[FrozenSet[Criterion], Shadower] = {}

    def of(self, line: Line, reading: Reading) -> Optional[Shadower]:
        asked = {criterion.key: criterion for criterion in reading.criteria}
        for keys, alike in self._by_keys.items():
            if keys <= asked.keys():
                for taker in alike:
                    if _covers(taker, asked) and all(set(line.families) <= set(by.families) for by in taker.lines):
                        return taker
        return None

    def add(self, taker: Shadower) -> None:
        alike = self._by_keys.setdefault(frozenset(criterion.key for criterion in taker.criteria), [])
        if len(alike) < _MAX_ALIKE:
            alike.append(taker)
        self._exact.setdefault(taker.criteria, taker)
        for criterion in taker.criteria:
            rest = taker.criteria - {criterion}
            other = self._exact.get(rest | {criterion._replace(negated=not criterion.negated)})
            if other is not None:
                self.add(Shadower(rest, other.lines + taker.lines))


def _covers(taker: Shadower, asked: Dict[str, Criterion]) -> bool:
    for wide in taker.criteria:
        narrow = asked[wide.key]
        if narrow != wide and not _implies(narrow, wide):
            return False
    return True


def _implies(narrow: Criterion, wide: Criterion) -> bool:
    compare = _ORDERED.get(narrow.key)
    if compare is None:
        return False
    if not narrow.negated and not wide.negated:
        return compare(narrow.value, wide.value)
    if narrow.negated and wide.negated:
        return compare(wide.value, narrow.value)
    return False


def _in_network(narrow: str, wide: str) -> bool:
    return _within(_network(narrow), _network(wide))


def _in_range(narrow: str, wide: str) -> bool:
    return _within(_range(narrow), _range(wide))


# The first and the last of a range, each as family and number. Ports have the family 0.
_Span = Tuple[Tuple[int, int], Tuple[int, int]]


def _within(inner: Optional[_Span], outer: Optional[_Span]) -> bool:
    return inner is not None and outer is not None and outer[0] <= inner[0] and inner[1] <= outer[1]


# Cached: each value is compared with many others.
@lru_cache(maxsize=2 * _MAX_LINES)
def _network(text: str) -> Optional[_Span]:
    try:
        network = parse_network(text)
    except DrawbridgeError:
        return None
    first, last = ends(network)
    return (network.family, first), (network.family, last)


@lru_cache(maxsize=2 * _MAX_LINES)
def _range(text: str) -> Optional[_Span]:
    first, colon, last = text.partition(":")
    if not first.isdigit() or (colon and not last.isdigit()):
        return None
    return (0, int(first)), (0, int(last if colon else first))


def _among(narrow: str, wide: str) -> bool:
    return set(narrow.split(",")) <= set(wide.split(","))


def _is_interface(narrow: str, wide: str) -> bool:
    return wide.endswith("+") and narrow.startswith(wide[:-1])


_ORDERED: Dict[str, Callable[[str, str], bool]] = {
    "-s": _in_network,
    "-d": _in_network,
    "-i": _is_interface,
    "-o": _is_interface,
    "--sport": _in_range,
    "--dport": _in_range,
    "--ctorigdstport": _in_range,
    "--ctstate": _among,
}
# Further options with one word; two values of these are equal or not comparable.
_PLAIN = frozenset(("-p", "--ctdir", "--ctorigdst", "--dports", "--sports", "--icmp-type", "--icmpv6-type", "--src-type", "--dst-type"))


def read(text: str) -> Reading:
    """Return a line's criteria. A match that is unknown, or that changes the meaning of another one, makes the whole rule not understood."""
    rule = parse(text)
    found = [_criterion(match) for match in rule.asks]
    criteria = frozenset(criterion for criterion in found if criterion is not None)
    if rule.target is None or None in found:
        return Reading(frozenset(), False, False)
    is_final = isinstance(rule.target, Verdict) or isinstance(rule.target, Jump) and rule.target.goto
    return Reading(criteria, len({criterion.key for criterion in criteria}) == len(found), is_final)


def _criterion(match: Match) -> Optional[Criterion]:
    """Return a match as a criterion; None if it is not understood. The key contains a set's name, since a rule may name several
    sets, and the mask of TCP flags."""
    if isinstance(match, SetMatch):
        return Criterion("--match-set " + match.name, match.negated, match.sides)
    if isinstance(match, TcpFlagsMatch):
        return Criterion("--tcp-flags " + match.mask, match.negated, match.flags)
    option = "--ctstate" if match.option == "--state" else match.option
    if isinstance(match, Unknown) or (option not in _ORDERED and option not in _PLAIN):
        return None
    return Criterion(option, match.negated, match.words[-1])
