# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The parts of an iptables rule, as values: its matches and its target. Pure.

Each option is a separate match, and a packet must meet all matches. An option that changes another one, like ``--return-nomatch`` of a
set, is a match too, so that no reader overlooks it. Anything unknown is ``Unknown``, with its words unchanged. Values are kept as
iptables-save prints them, and ``words`` returns them. Each reader decides how to treat a match that it does not know.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Optional, Tuple, Union

from ...address import number
from .saved_ruleset import split_words

Words = Tuple[str, ...]
# Options with the new address or port of a translation.
_TO = ("--to-destination", "--to-source", "--to-ports", "--to")
# iptables-save prints these protocols by name, and others by number.
_NUMBERS = {
    "icmp": "1", "ipencap": "4", "tcp": "6", "udp": "17", "dccp": "33", "ipv6": "41", "gre": "47", "esp": "50", "ah": "51", "ipv6-icmp": "58", "icmpv6": "58",
    "sctp": "132", "udplite": "136",
}  # fmt: skip
# Modules that a packet may fail even without options.
_ASKING = ("rpfilter", "socket", "limit")


class AddressMatch(NamedTuple):
    """``-s``, ``-d`` and the addresses of connection tracking. network: as printed, with a prefix length or a mask."""

    option: str
    network: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.network)

    @property
    def masked(self) -> Tuple[int, int, int]:
        """The network's address, its mask, and the number of bits of each."""
        return _masked(self.network)

    def holds(self, address: str) -> bool:
        value, mask, bits = self.masked
        asked, length = number(address)
        return (bits == length and asked & mask == value) != self.negated


class RangeMatch(NamedTuple):
    """``--src-range`` and ``--dst-range``: the first address and the last."""

    option: str
    ends: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.ends)


class InterfaceMatch(NamedTuple):
    """``-i``, ``-o`` and the like for bridge ports. name: a + at its end means all names with this beginning."""

    option: str
    name: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.name)

    def holds(self, interface: str) -> bool:
        name = self.name
        return (interface.startswith(name[:-1]) if name.endswith("+") else interface == name) != self.negated


class ProtocolMatch(NamedTuple):
    """``-p`` and ``--ctproto``: a name or a number."""

    option: str
    name: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.name)

    def holds(self, protocol: str) -> bool:
        return (_NUMBERS.get(self.name, self.name) in ("0", "all", _NUMBERS.get(protocol, protocol))) != self.negated


class PortMatch(NamedTuple):
    """``--dport``, ``--sport``, the lists of multiport, and the ports of connection tracking. ports: as printed: ``80,8000:8100``."""

    option: str
    ports: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.ports)

    @property
    def ranges(self) -> Optional[Tuple[Tuple[int, int], ...]]:
        """The first and the last port of each range; None for service names, which only users write."""
        found = []
        for part in self.ports.split(","):
            first, colon, last = part.partition(":")
            if not (first + last).isdigit():
                return None
            found.append((int(first or 0), int(last or (65535 if colon else first))))
        return tuple(found)

    def holds(self, port: int) -> Optional[bool]:
        """Return whether the match holds for a port; None if it is not known."""
        ranges = self.ranges
        return None if ranges is None else any(first <= port <= last for first, last in ranges) != self.negated


class TcpFlagsMatch(NamedTuple):
    """``--tcp-flags``: of the flags in mask, exactly these are set."""

    option: str
    mask: str
    flags: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.mask, self.flags)


class SetMatch(NamedTuple):
    """``--match-set``. sides: as printed, ``src`` or ``dst`` for each dimension of the set: ``dst,src``."""

    option: str
    name: str
    sides: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.name, self.sides)


class OneOfMatch(NamedTuple):
    """``--ctstate``, ``--ctstatus``, ``--ctdir``, ``--src-type`` and the like: any of these, as printed with commas between them."""

    option: str
    listed: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.listed)

    def holds_any(self, *held: str) -> bool:
        """Return whether a packet that has all these values meets the match."""
        return (not set(self.listed.split(",")).isdisjoint(held)) != self.negated


class MarkMatch(NamedTuple):
    """``--mark``. module: ``mark`` for the packet's mark, ``connmark`` for its connection's. value: as printed, perhaps with a mask."""

    module: str
    option: str
    value: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.value)


class ValueMatch(NamedTuple):
    """Any other known option with one word: ``--icmp-type``, ``--limit``, ``--label``, ``--uid-owner``. value: as printed, quotes included."""

    option: str
    value: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.value)


class FlagMatch(NamedTuple):
    """A known option without a word: ``-f``, ``--invert`` of rpfilter, ``--physdev-is-bridged``."""

    option: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option)


class Comment(NamedTuple):
    """``--comment``; every packet meets it. word: as printed, quotes included."""

    option: str
    word: str
    negated: bool = False

    @property
    def words(self) -> Words:
        return _words(self.negated, self.option, self.word)

    @property
    def text(self) -> str:
        return "".join(split_words(self.word))


class Module(NamedTuple):
    """``-m NAME`` of a known module. Its options follow as separate matches."""

    name: str

    @property
    def option(self) -> str:
        return "-m"

    @property
    def negated(self) -> bool:
        return False

    @property
    def words(self) -> Words:
        return (self.option, self.name)

    @property
    def asks(self) -> bool:
        """Whether a packet may fail the module itself, whatever its options."""
        return self.name in _ASKING


class Unknown(NamedTuple):
    """An unknown match or target: its words as printed."""

    words: Words

    @property
    def option(self) -> str:
        return next((word for word in self.words if word != "!"), "")

    @property
    def negated(self) -> bool:
        return self.words[0] == "!"

    @property
    def name(self) -> str:
        """The name of a target."""
        return self.words[1] if len(self.words) > 1 else ""


Match = Union[
    AddressMatch, RangeMatch, InterfaceMatch, ProtocolMatch, PortMatch, TcpFlagsMatch, SetMatch, OneOfMatch, MarkMatch, ValueMatch, FlagMatch, Comment,
    Module, Unknown,
]  # fmt: skip


_LIMITS = {"--hashlimit-upto": True, "--connlimit-upto": True, "--hashlimit-above": False, "--connlimit-above": False}


def holds_below_limit(match: Match) -> Optional[bool]:
    """Return whether a match on a rate, or on a number of connections, holds while its limit is not reached; None for other matches."""
    if not isinstance(match, Unknown) or "!" in match.words:
        return None
    return next((_LIMITS[word] for word in match.words if word in _LIMITS), None)


class Verdict(NamedTuple):
    """ACCEPT, DROP, RETURN, REJECT: the packet does not reach the next rule. options: for REJECT."""

    name: str
    options: Words = ()

    @property
    def words(self) -> Words:
        return ("-j", self.name, *self.options)


class Jump(NamedTuple):
    """A jump to a chain, or to an unknown extension without options. goto: the packet does not return to the next rule."""

    name: str
    goto: bool = False

    @property
    def words(self) -> Words:
        return ("-g" if self.goto else "-j", self.name)


class Translation(NamedTuple):
    """DNAT, SNAT, MASQUERADE, REDIRECT, NETMAP: a final target in the table nat, which changes the packets' addresses or ports."""

    name: str
    options: Words = ()

    @property
    def words(self) -> Words:
        return ("-j", self.name, *self.options)

    @property
    def to(self) -> Optional[str]:
        """The new address or ports; None for MASQUERADE without ports, which finds the address itself."""
        return next((value for option, value in zip(self.options, self.options[1:]) if option in _TO), None)


class Effect(NamedTuple):
    """LOG, MARK, CT, SET and the like: the packet goes on to the next rule."""

    name: str
    options: Words = ()

    @property
    def words(self) -> Words:
        return ("-j", self.name, *self.options)


Target = Union[Verdict, Jump, Translation, Effect, Unknown]


def _words(negated: bool, *words: str) -> Words:
    return ("!", *words) if negated else words


@lru_cache(maxsize=1 << 12)
def _masked(network: str) -> Tuple[int, int, int]:
    """Return a network's address, its mask and the number of bits of each. Masks that users write may not be a prefix."""
    address, _slash, length = network.partition("/")
    value, bits = number(address)
    is_mask = length and not length.isdigit()
    mask = number(length)[0] if is_mask else (1 << bits) - (1 << bits - int(length or bits))
    return value & mask, mask, bits
