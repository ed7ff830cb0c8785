# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell whether our rules let a flow from outside pass, or one of the host's own. Reads rules and sets as the kernel has them. Pure.

It knows only the matches that our chains use, and of those negated only sets. A rule with any other match raises ``Unknown``.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from ...address import number
from ...host.network.conntrack import Flow
from ...netfilter.rules.matches import (
    AddressMatch,
    InterfaceMatch,
    Jump,
    Match,
    OneOfMatch,
    PortMatch,
    ProtocolMatch,
    SetMatch,
    Target,
    Verdict,
)
from ...netfilter.rules.saved_rule import parse
from ..compile.denials import is_log
from ..compile.labels import is_answer

Chains = Dict[str, Sequence[str]]
Entries = Dict[str, FrozenSet[str]]


class Unknown(Exception):
    """A rule that this module does not understand."""


class Place(NamedTuple):
    """A flow's way. interface: the packets' incoming one; empty for an interface that no rule names. to_host: whether they go to an address
    of the host. leaves_by: the outgoing interface of what the host itself sends; None for other flows."""

    interface: str
    to_host: bool
    leaves_by: Optional[str] = None


class _Rule(NamedTuple):
    """about: the matches on the server's protocol and port. asks: the other matches."""

    about: Tuple[Match, ...]
    asks: Tuple[Match, ...]
    target: Target


class RulesetMatcher:
    """One family's chains and sets at one moment."""

    def __init__(self, chains: Chains, sets: Entries) -> None:
        self._chains = chains
        self._rules: Dict[str, List[_Rule]] = {}
        self._sets = sets
        self._about: Dict[Tuple[str, str, int], List[_Rule]] = {}
        self._indexes: Dict[str, Index] = {}

    def passes(self, chain: str, flow: Flow, place: Place) -> bool:
        """Whether a client's packet on an established flow passes a chain. Raises Unknown."""
        return self._decided(chain, flow, place) is not False

    def _decided(self, chain: str, flow: Flow, place: Place) -> Optional[bool]:
        """Return whether the packet passes for good; None if it returns to the calling chain."""
        for rule in self._rules_about(chain, flow):
            if not all(self._holds(match, flow, place) for match in rule.asks):
                continue
            target = rule.target
            if isinstance(target, Verdict) and target.name != "REJECT":
                return {"DROP": False, "RETURN": None}.get(target.name, True)
            if not isinstance(target, Jump) or target.name not in self._chains:
                raise Unknown(target.name)
            decided = self._decided(target.name, flow, place)
            # A goto does not return to this chain.
            if target.goto or decided is not None:
                return decided
        return None

    def _rules_about(self, chain: str, flow: Flow) -> List[_Rule]:
        """Return a chain's rules for the flow's protocol and port. There may be a thousand for others. Raises Unknown."""
        key = (chain, flow.protocol, flow.port)
        if key not in self._about:
            if chain not in self._rules:
                self._rules[chain] = [_read(rule) for rule in self._chains.get(chain, ()) if not is_answer(rule) and not is_log(rule)]
            self._about[key] = [rule for rule in self._rules[chain] if all(_is_about(match, flow) for match in rule.about)]
        return self._about[key]

    def _holds(self, match: Match, flow: Flow, place: Place) -> bool:
        if isinstance(match, SetMatch):
            return self._index(match.name).holds(_parts(match.sides, flow, place), flow.port) != match.negated
        if isinstance(match, AddressMatch) and match.option in ("-s", "-d"):
            return match.holds(flow.source if match.option == "-s" else flow.destination)
        if isinstance(match, InterfaceMatch) and match.option == "-i":
            return match.holds(place.interface)
        if isinstance(match, InterfaceMatch) and match.option == "-o" and place.leaves_by is not None:
            return match.holds(place.leaves_by)
        if isinstance(match, ProtocolMatch):
            return match.holds(flow.protocol)
        if isinstance(match, PortMatch) and match.option == "--sport":
            return match.holds(flow.source_port) is not False
        if isinstance(match, OneOfMatch) and match.option in _ESTABLISHED:
            return match.holds_any(_ESTABLISHED[match.option])
        if isinstance(match, OneOfMatch) and match.option == "--dst-type":
            return place.to_host and match.holds_any("LOCAL")
        raise Unknown(" ".join(match.words))

    def _index(self, name: str) -> Index:
        if name not in self._indexes:
            self._indexes[name] = Index(self._sets.get(name, ()))
        return self._indexes[name]


# Connection tracking's values for a client's packet on an established flow.
_ESTABLISHED = {"--ctdir": "ORIGINAL", "--ctstate": "ESTABLISHED"}


def _read(text: str) -> _Rule:
    rule = parse(text)
    if rule.target is None or any(match.negated and not isinstance(match, SetMatch) for match in rule.matches):
        raise Unknown(text)
    about = tuple(match for match in rule.asks if _says_about(match))
    return _Rule(about, tuple(match for match in rule.asks if match not in about), rule.target)


def _says_about(match: Match) -> bool:
    return match.option in ("-p", "--dport")


def _is_about(match: Match, flow: Flow) -> bool:
    if isinstance(match, ProtocolMatch):
        return match.holds(flow.protocol)
    return isinstance(match, PortMatch) and match.holds(flow.port) is not False


def _parts(sides: str, flow: Flow, place: Place) -> List[str]:
    """Return a packet's parts in a set's order: an address first, then the server's port or an interface. Rules about what the host sends have
    no sets of ports."""
    ends = sides.split(",")
    there = "%s:%d" % (flow.protocol, flow.port) if place.leaves_by is None else place.leaves_by
    return [flow.source if ends[0] == "src" else flow.destination] + [place.interface if end == "src" else there for end in ends[1:]]


class Index:
    """A set's entries by prefix length, so that the cost of a lookup does not grow with the set."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._ports: Set[str] = set()
        self._networks: Dict[int, Set[Tuple[int, Tuple[str, ...]]]] = {}
        for entry in entries:
            first, *others = entry.split(" ")[0].split(",")
            if first.isdigit():
                self._ports.add(first)
                continue
            address, _slash, length = first.partition("/")
            value, bits = number(address)
            prefix = int(length) if length else bits
            self._networks.setdefault(prefix, set()).add((value >> (bits - prefix), tuple(others)))

    def holds(self, parts: List[str], port: int) -> bool:
        """parts: the address, then the other parts. port: for a set of ports only."""
        if self._ports:
            return str(port) in self._ports
        value, bits = number(parts[0])
        others = tuple(parts[1:])
        return any((value >> (bits - prefix), others) in found for prefix, found in self._networks.items())
