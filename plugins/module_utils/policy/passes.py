# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether rules of ours let a flow from outside pass: the rules and sets as the kernel has them, read here. Pure.

Of iptables' language it knows what the guard is written in. Rules with anything else make no statement about a flow.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_pton
from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Sequence, Set, Tuple

from ..host.conntrack import Flow
from .answers import is_answer

Chains = Dict[str, Sequence[str]]
Entries = Dict[str, FrozenSet[str]]
_ENDS = ("RETURN", "DROP", "ACCEPT")


class Unknown(Exception):
    """A rule that this does not understand."""


class Place(NamedTuple):
    """Where a flow's packets come from and go to. interface: by which they come in; empty for one that no rule names.
    to_host: whether they go to an address of the host."""

    interface: str
    to_host: bool


class Judgement:
    """One family's chains and sets at one moment."""

    def __init__(self, chains: Chains, sets: Entries) -> None:
        self._chains = chains
        self._words: Dict[str, List[List[str]]] = {}
        self._sets = sets
        self._about: Dict[Tuple[str, str, int], List[List[str]]] = {}
        self._indexes: Dict[str, Index] = {}

    def passes(self, chain: str, flow: Flow, place: Place) -> bool:
        """Whether a packet that the client sends on an established flow comes through a chain. Raises Unknown."""
        for words in self._rules_about(chain, flow):
            if not self._matches(words, flow, place):
                continue
            target = words[-1]
            if target in _ENDS:
                return target != "DROP"
            if words[-2] != "-g" or target not in self._chains:
                raise Unknown(target)
            # It does not come back here.
            return self.passes(target, flow, place)
        return True

    def _rules_about(self, chain: str, flow: Flow) -> List[List[str]]:
        """The rules of a chain that are for the flow's protocol and port: there may be a thousand for others. Raises Unknown."""
        key = (chain, flow.protocol, flow.port)
        if key not in self._about:
            if chain not in self._words:
                self._words[chain] = [_words(rule) for rule in self._chains.get(chain, ()) if not is_answer(rule)]
            self._about[key] = [words for words in self._words[chain] if _is_about(words, flow)]
        return self._about[key]

    def _matches(self, words: List[str], flow: Flow, place: Place) -> bool:
        rest = iter(words[:-2])
        return all(self._holds(option, next(rest), rest, flow, place) for option in rest)

    def _holds(self, option: str, value: str, rest: Iterator[str], flow: Flow, place: Place) -> bool:
        if option in ("-m", "-p", "--dport"):
            return True
        if option == "--match-set":
            return self._index(value, self._sets.get(value, frozenset())).holds(_parts(next(rest), flow, place), flow.port)
        if option in ("-s", "-d"):
            return self._index(value, [value]).holds([flow.source if option == "-s" else flow.destination], flow.port)
        if option == "-i":
            return place.interface.startswith(value[:-1]) if value.endswith("+") else place.interface == value
        if option == "--ctdir":
            return value == "ORIGINAL"
        if option == "--ctstate":
            return "ESTABLISHED" in value.split(",")
        if option == "--dst-type":
            return "LOCAL" in value.split(",") and place.to_host
        raise Unknown(option)

    def _index(self, name: str, entries: Iterable[str]) -> Index:
        if name not in self._indexes:
            self._indexes[name] = Index(entries)
        return self._indexes[name]


def _words(rule: str) -> List[str]:
    words = rule.split()
    if '"' in rule or "!" in words or words[-2:-1] not in (["-j"], ["-g"]):
        raise Unknown(rule)
    return words


def _is_about(words: List[str], flow: Flow) -> bool:
    for option, value in zip(words, words[1:]):
        if option == "-p" and value != flow.protocol:
            return False
        if option == "--dport":
            first, _colon, last = value.partition(":")
            if not int(first) <= flow.port <= int(last or first):
                return False
    return True


def _parts(dimensions: str, flow: Flow, place: Place) -> List[str]:
    """A packet as a set sees it: an address first, then a port of the server's or an interface."""
    ends = dimensions.split(",")
    return [flow.source if ends[0] == "src" else flow.destination] + [
        place.interface if end == "src" else "%s:%d" % (flow.protocol, flow.port) for end in ends[1:]
    ]


class Index:
    """A set's entries by the length of their networks, so that a lookup does not grow with the set."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._ports: Set[str] = set()
        self._networks: Dict[int, Set[Tuple[int, Tuple[str, ...]]]] = {}
        for entry in entries:
            first, *others = entry.split(" ")[0].split(",")
            if first.isdigit():
                self._ports.add(first)
                continue
            address, _slash, length = first.partition("/")
            number, bits = _number(address)
            prefix = int(length) if length else bits
            self._networks.setdefault(prefix, set()).add((number >> (bits - prefix), tuple(others)))

    def holds(self, parts: List[str], port: int) -> bool:
        """parts: address, and what else there is. port: for a set of nothing but ports."""
        if self._ports:
            return str(port) in self._ports
        number, bits = _number(parts[0])
        others = tuple(parts[1:])
        return any((number >> (bits - prefix), others) in found for prefix, found in self._networks.items())


def _number(address: str) -> Tuple[int, int]:
    raw = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    return int.from_bytes(raw, "big"), len(raw) * 8
