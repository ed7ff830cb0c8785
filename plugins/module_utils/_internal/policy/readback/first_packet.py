# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tell what planned rules do to the first packet of a flow from outside, or of the host's own, before they are written.

Parts of the packet may be unknown. A rule that matches on such a part may match or not: both cases are followed. The same holds for a match
that this module does not know.
"""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from ...netfilter.rules.desired import DesiredState, Line
from ...netfilter.rules.matches import (
    AddressMatch,
    InterfaceMatch,
    Jump,
    Match,
    OneOfMatch,
    PortMatch,
    ProtocolMatch,
    SetMatch,
    TcpFlagsMatch,
    holds_below_limit,
)
from ...netfilter.rules.saved_rule import parse
from ..blocks.limits import is_chain_of_limits
from ..chains import source_check
from .packet_match import Index

# Whether a set on the host that is not planned holds an address: (name, family, address).
InHostSet = Callable[[str, int, str], bool]
# None: unknown.
Maybe = Optional[bool]

_PASS = ("ACCEPT",)
_STOP = ("DROP", "REJECT")
_NOTES = ("LOG", "NFLOG", "MARK", "CONNMARK", "TRACE")
_THROUGH = [("filter", "DOCKER-USER")]
_TO_THE_HOST = [("mangle", "INPUT"), ("filter", "INPUT")]
_FROM_THE_HOST = ("filter", "OUTPUT")


class Packet(NamedTuple):
    """source, port: None if unknown. destination: as dialled; None for some address of the host. interface: the incoming one, empty if unknown.
    translated: DNAT's destination, an address and a port. to_host: whether it was sent to an address of the host. dialled: the destination and
    port before DNAT, once it was translated. leaves_by: the outgoing interface, empty if unknown."""

    family: int
    protocol: str
    source: Optional[str]
    destination: Optional[str]
    port: Optional[int]
    interface: str = ""
    translated: Optional[Tuple[str, int]] = None
    to_host: bool = True
    dialled: Optional[Tuple[Optional[str], Optional[int]]] = None
    leaves_by: str = ""

    @property
    def behind_dnat(self) -> Packet:
        """The packet as chains after DNAT see it."""
        if self.translated is None:
            return self
        return self._replace(destination=self.translated[0], port=self.translated[1], dialled=(self.destination, self.port))


class Verdict(NamedTuple):
    """refused: the line that drops the packet for certain, None if no line does. in_doubt: whether a line may drop it. chain: the refusing line's.
    seen: the packet as that chain sees it."""

    refused: Optional[Line] = None
    in_doubt: bool = False
    chain: str = ""
    seen: Optional[Packet] = None


class _End(NamedTuple):
    """A possible end of a chain. line: the one that drops the packet, or None. back: whether the packet returns to the calling chain. With
    neither, it is accepted."""

    line: Optional[Line] = None
    chain: str = ""
    back: bool = False


class FirstPackets:
    """Judges packets by the rules of a DesiredState."""

    def __init__(self, wanted: DesiredState, in_host_set: InHostSet, without: FrozenSet[Tuple[str, str]] = frozenset()) -> None:
        """without: chains, as (table, name), whose hooks are skipped: they do not judge incoming packets' sources. The source check is skipped
        too: the flow exists, so its source is possible."""
        left_out = without | {(source_check.TABLE, source_check.CHAIN)}
        self._hooks = [hook for hook in wanted.hooks if (hook.table, hook.target) not in left_out]
        self._chains = {(chain.table, chain.name): chain for chain in wanted.chains}
        self._sets = wanted.sets
        self._in_host_set = in_host_set
        self._indexes: Dict[Tuple[str, int], Index] = {}

    def judge(self, packet: Packet) -> Verdict:
        """Follow the packet through every hook that it passes."""
        later = [(way, packet.behind_dnat) for way in (_TO_THE_HOST if packet.to_host and packet.translated is None else _THROUGH)]
        return self._follow([(("mangle", "PREROUTING"), packet), *later])

    def judge_sent(self, packet: Packet) -> Verdict:
        """Follow a packet that the host itself sends. destination, port: the other end's. It is not to the host."""
        return self._follow([(_FROM_THE_HOST, packet)])

    def _follow(self, ways: Sequence[Tuple[Tuple[str, str], Packet]]) -> Verdict:
        """ways: the hooks, as table and chain, each with the packet as it comes there."""
        in_doubt = False
        for way, packet in ways:
            here = [hook for hook in self._hooks if (hook.table, hook.parent) == way and packet.family in hook.families]
            for hook in sorted(here, key=lambda hook: hook.priority or 0):
                ends = self._ends(hook.table, hook.target, packet)
                stops = [end for end in ends if end.line is not None]
                if len(stops) == len(ends):
                    return Verdict(stops[-1].line, True, stops[-1].chain, packet)
                in_doubt = in_doubt or bool(stops)
                if all(end.line is None and not end.back for end in ends):
                    break
        return Verdict(in_doubt=in_doubt)

    def place(self, verdict: Verdict, packet: Packet) -> str:
        """Return the place in the policy that refuses the packet: the last entry about its port, or the default."""
        anybody = (verdict.seen or packet)._replace(source=None, interface="")
        about = [
            line.path for chain in self._chains.values() if chain.name == verdict.chain for line in chain.lines
            if line.path and _lets_in(parse(line.text).goes_to) and self._is_about(line, anybody)
        ]
        own = verdict.refused.path if verdict.refused is not None else None
        return (about[-1].partition(".sources")[0] if about else own) or "policy"

    def asks_for_interfaces(self, place: str) -> bool:
        """Whether the entry at this place names interfaces by which packets have to come in."""
        lines = [line for chain in self._chains.values() for line in chain.lines if line.path and line.path.partition(".sources")[0] == place]
        return any(isinstance(match, InterfaceMatch) and match.option == "-i" for line in lines for match in parse(line.text).matches)

    def _is_about(self, line: Line, packet: Packet) -> bool:
        """An entry without a host address is about both families, even if its sources are of one."""
        if packet.family not in line.families:
            if any(isinstance(match, AddressMatch) and match.option == "-d" for match in parse(line.text).matches):
                return False
            packet = packet._replace(family=line.families[0])
        return self._matches(line, packet)[0] is not False

    def _ends(self, table: str, name: str, packet: Packet) -> List[_End]:
        found: List[_End] = []
        chain = self._chains.get((table, name))
        for line in chain.lines if chain is not None else ():
            if packet.family not in line.families:
                continue
            matches, target, goes = self._matches(line, packet)
            if matches is False or target in _NOTES:
                continue
            ends = self._of_target(table, name, line, target, packet)
            stays = [end for end in ends if goes or not end.back]
            found += stays
            if matches is True and (goes or len(stays) == len(ends)):
                return found
        return found + [_End(back=True)]

    def _of_target(self, table: str, name: str, line: Line, target: str, packet: Packet) -> List[_End]:
        if target in _STOP:
            return [_End(line, name)]
        if target in _PASS:
            return [_End()]
        if target == "RETURN" or (table, target) not in self._chains:
            return [_End(back=target == "RETURN")]
        return self._ends(table, target, packet)

    def _matches(self, line: Line, packet: Packet) -> Tuple[Maybe, str, bool]:
        """Return whether a line matches, its target, and whether the packet does not come back to the next line."""
        rule = parse(line.text)
        held = [self._holds(match, packet) for match in rule.asks]
        result: Maybe = False if False in held else None if None in held else True
        return result, rule.goes_to, rule.target == Jump(rule.goes_to, True) or rule.goes_to == "RETURN"

    def _holds(self, match: Match, packet: Packet) -> Maybe:
        dialled, dialled_port = packet.dialled or (packet.destination, packet.port)
        if isinstance(match, SetMatch):
            return _unless(match, self._is_in_set(match.name.lstrip("@"), match.sides, packet))
        if isinstance(match, AddressMatch):
            address = {"-s": packet.source, "-d": packet.destination, "--ctorigdst": dialled}.get(match.option)
            return None if address is None else match.holds(address)
        if isinstance(match, PortMatch):
            port = {"--dport": packet.port, "--ctorigdstport": dialled_port}.get(match.option)
            return None if port is None else match.holds(port)
        if isinstance(match, ProtocolMatch):
            return match.holds(packet.protocol)
        if isinstance(match, InterfaceMatch) and match.option in ("-i", "-o"):
            return _comes_in_by(match, packet) if match.option == "-i" else _goes_out_by(match, packet)
        if isinstance(match, OneOfMatch):
            return _is_one_of(match, packet)
        if isinstance(match, TcpFlagsMatch):
            return _unless(match, _has_flags(match, packet))
        below = holds_below_limit(match)
        if below is not None:
            return below
        if match.option == "--syn":
            return _unless(match, packet.protocol == "tcp")
        # ICMP types count as matched: the protocol match decides.
        return _unless(match, True if match.option in _OF_ICMP else None)

    def _is_in_set(self, name: str, ends: str, packet: Packet) -> Maybe:
        planned = self._sets.get(name)
        first = packet.source if ends.startswith("src") else packet.destination
        if planned is None:
            return None if first is None else self._in_host_set(name, packet.family, first)
        entries = planned.entries.get(packet.family)
        if not entries:
            return False
        if planned.type.name == "bitmap:port":
            return None if packet.port is None else str(packet.port) in entries
        if planned.type.name.endswith(",iface"):
            interface = packet.interface if ends.endswith(",src") else packet.leaves_by
            behind = any(entry.rpartition(",")[2] == interface for entry in entries)
            return behind and (first is None or self._index(name, packet.family, entries).holds([first, interface], 0))
        if first is None:
            return None
        others = [] if packet.port is None or "," not in ends else ["%s:%d" % (packet.protocol, packet.port)]
        return self._index(name, packet.family, entries).holds([first, *others], 0)

    def _index(self, name: str, family: int, entries: FrozenSet[str]) -> Index:
        if (name, family) not in self._indexes:
            self._indexes[(name, family)] = Index(entries)
        return self._indexes[(name, family)]


def _lets_in(target: str) -> bool:
    return target == "RETURN" or is_chain_of_limits(target)


def _unless(match: Match, held: Maybe) -> Maybe:
    """Apply a match's negation to its result."""
    return None if held is None else held != match.negated


def _comes_in_by(match: InterfaceMatch, packet: Packet) -> Maybe:
    if not packet.interface:
        # A packet from outside does not come in by the loopback. More is unknown.
        return _unless(match, False if match.name == "lo" else None)
    return match.holds(packet.interface)


def _goes_out_by(match: InterfaceMatch, packet: Packet) -> Maybe:
    if packet.to_host and packet.dialled is None:
        return _unless(match, False)
    return match.holds(packet.leaves_by) if packet.leaves_by else None


def _is_one_of(match: OneOfMatch, packet: Packet) -> Maybe:
    if match.option == "--ctdir":
        return match.holds_any("ORIGINAL")
    if match.option == "--ctstate":
        return match.holds_any("NEW", *(["DNAT"] if packet.dialled is not None else []))
    if match.option == "--ctstatus" and match.listed == "CONFIRMED":
        return match.holds_any()
    if match.option == "--dst-type":
        return _unless(match, packet.to_host and "LOCAL" in match.listed.split(","))
    return _unless(match, False if match.option == "--src-type" and match.listed == "LOCAL" else None)


def _has_flags(match: TcpFlagsMatch, packet: Packet) -> bool:
    mask, wanted = (set(words.split(",")) for words in (match.mask, match.flags))
    return packet.protocol == "tcp" and {"SYN"} & mask == wanted - {"NONE"}


_OF_ICMP = ("--icmp-type", "--icmpv6-type")
