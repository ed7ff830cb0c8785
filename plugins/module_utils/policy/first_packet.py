# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What planned rules do to the first packet of a flow from outside: read from the rules themselves, before they are written.

Where a part of the packet is not known, a rule that asks for it may match or not, and both is followed.
"""

from __future__ import annotations

import shlex
from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from ..netfilter.model import Line, Wanted
from . import source_check
from .passes import Index

# Whether a set that is not among the planned ones, but on the host, holds an address: (name, family, address).
InHostSet = Callable[[str, int, str], bool]
# None: cannot be told.
Maybe = Optional[bool]

_NUMBERS = {
    "tcp": "6", "udp": "17", "sctp": "132", "icmp": "1", "ipv6-icmp": "58", "icmpv6": "58", "gre": "47", "esp": "50", "ah": "51", "ipencap": "4", "ipv6": "41",
}
_PASS = ("ACCEPT",)
_STOP = ("DROP", "REJECT")
_NOTES = ("LOG", "NFLOG", "MARK", "CONNMARK", "TRACE")
_THROUGH = [("filter", "DOCKER-USER")]
_TO_THE_HOST = [("mangle", "INPUT"), ("filter", "INPUT")]
# What they say of packets was asked before, or is nothing.
_ALWAYS = ("-m", "--comment", "--icmp-type", "--icmpv6-type")


class Packet(NamedTuple):
    """source, port: None where they are not known. destination: as dialled; None for some address of the host. interface: by which it comes in, empty where
    that is not known. translated: where DNAT leads it to, an address and a port. to_host: whether it was sent to an address of the host.
    dialled: the destination and port from before DNAT, once it was translated. leaves_by: the interface by which it goes on, empty where that is not known."""

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
        """As chains see it that stand behind the translation."""
        if self.translated is None:
            return self
        return self._replace(destination=self.translated[0], port=self.translated[1], dialled=(self.destination, self.port))


class Verdict(NamedTuple):
    """refused: the line that drops the packet whatever is not known of it, None for none. in_doubt: whether one might. chain: that line's.
    seen: the packet as that chain sees it."""

    refused: Optional[Line] = None
    in_doubt: bool = False
    chain: str = ""
    seen: Optional[Packet] = None


class _End(NamedTuple):
    """How a chain may end. line: the one that drops; with none, the packet goes back to where it came from, or is accepted."""

    line: Optional[Line] = None
    chain: str = ""
    back: bool = False


class FirstPackets:
    """The rules of a Wanted, asked about packets."""

    def __init__(self, wanted: Wanted, in_host_set: InHostSet, without: FrozenSet[Tuple[str, str]] = frozenset()) -> None:
        """without: chains, as (table, name), whose hooks are not followed: they judge something else than who comes in. Nor is the check of
        sources: what is asked about is there, so its source is possible."""
        left_out = without | {(source_check.TABLE, source_check.CHAIN)}
        self._hooks = [hook for hook in wanted.hooks if (hook.table, hook.target) not in left_out]
        self._chains = {(chain.table, chain.name): chain for chain in wanted.chains}
        self._sets = wanted.sets
        self._in_host_set = in_host_set
        self._indexes: Dict[Tuple[str, int], Index] = {}

    def judge(self, packet: Packet) -> Verdict:
        """Through every hook that the packet comes by."""
        in_doubt = False
        later = [(way, packet.behind_dnat) for way in (_TO_THE_HOST if packet.to_host and packet.translated is None else _THROUGH)]
        for way, seen in [(("mangle", "PREROUTING"), packet), *later]:
            here = [hook for hook in self._hooks if (hook.table, hook.parent) == way and packet.family in hook.families]
            for hook in sorted(here, key=lambda hook: hook.priority or 0):
                ends = self._ends(hook.table, hook.target, seen)
                stops = [end for end in ends if end.line is not None]
                if len(stops) == len(ends):
                    return Verdict(stops[-1].line, True, stops[-1].chain, seen)
                in_doubt = in_doubt or bool(stops)
                if all(end.line is None and not end.back for end in ends):
                    break
        return Verdict(in_doubt=in_doubt)

    def place(self, verdict: Verdict, packet: Packet) -> str:
        """The place in the policy that refuses the packet: of the last entry about its port, or of the default."""
        anybody = (verdict.seen or packet)._replace(source=None)
        about = [
            line.path for chain in self._chains.values() if chain.name == verdict.chain for line in chain.lines
            if line.path and line.text.endswith("-j RETURN") and self._is_about(line, anybody)
        ]
        own = verdict.refused.path if verdict.refused is not None else None
        return (about[-1].partition(".sources")[0] if about else own) or "policy"

    def _is_about(self, line: Line, packet: Packet) -> bool:
        """An entry for everybody's address is about both families, though its sources may be of one."""
        if packet.family not in line.families:
            if "-d " in line.text:
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
        """Whether a line matches, where it leads, and whether the packet stays there: it does not come back to the next line."""
        words = _words(line.text)
        result: Maybe = True
        at, negated = 0, False
        while at < len(words):
            option = words[at]
            values = _values(words, at + 1)
            at += 1 + len(values)
            if option == "!":
                negated = True
                continue
            if option in ("-j", "-g"):
                target = values[0] if values else ""
                return result, target, option == "-g" or target == "RETURN"
            held = self._holds(option, values, packet)
            if held is not None and negated:
                held = not held
            negated = False
            if held is False:
                result = False
            elif held is None and result is True:
                result = None
        return result, "", False

    def _holds(self, option: str, values: Sequence[str], packet: Packet) -> Maybe:
        value = values[0] if values else ""
        if option in _ALWAYS:
            return True
        if option == "--match-set" and len(values) > 1:
            return self._is_in_set(value.lstrip("@"), values[1], packet)
        dialled, dialled_port = packet.dialled or (packet.destination, packet.port)
        addresses = {"-s": packet.source, "-d": packet.destination, "--ctorigdst": dialled}
        if option in addresses:
            address = addresses[option]
            return None if address is None else Index([value]).holds([address], 0)
        if option in ("--dport", "--ctorigdstport"):
            return _in_range(value, packet.port if option == "--dport" else dialled_port)
        simple = _SIMPLE.get(option)
        return None if simple is None else simple(value, values, packet)

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


def _words(text: str) -> List[str]:
    return shlex.split(text) if '"' in text or "'" in text else text.split()


def _values(words: Sequence[str], at: int) -> List[str]:
    """An option's values: up to the next option."""
    found: List[str] = []
    while at + len(found) < len(words) and words[at - 1] != "!" and not words[at + len(found)].startswith("-") and words[at + len(found)] != "!":
        found.append(words[at + len(found)])
    return found


def _in_range(text: str, port: Optional[int]) -> Maybe:
    if port is None:
        return None
    first, _colon, last = text.partition(":")
    return first.isdigit() and int(first) <= port <= int(last or first)


def _is_protocol(value: str, _values_: Sequence[str], packet: Packet) -> Maybe:
    return _NUMBERS.get(value, value) == _NUMBERS.get(packet.protocol, packet.protocol)


def _comes_in_by(value: str, _values_: Sequence[str], packet: Packet) -> Maybe:
    if not packet.interface:
        # Nobody's own packet, and more is not known.
        return False if value == "lo" else None
    return _is_named(value, packet.interface)


def _goes_out_by(value: str, _values_: Sequence[str], packet: Packet) -> Maybe:
    if packet.to_host and packet.dialled is None:
        return False
    return _is_named(value, packet.leaves_by) if packet.leaves_by else None


def _is_named(value: str, interface: str) -> bool:
    return interface.startswith(value[:-1]) if value.endswith("+") else interface == value


def _has_state(value: str, _values_: Sequence[str], packet: Packet) -> Maybe:
    states = value.split(",")
    return "NEW" in states or (packet.dialled is not None and "DNAT" in states)


def _has_flags(_value: str, values: Sequence[str], packet: Packet) -> Maybe:
    mask, wanted = (set(value.split(",")) for value in values[:2])
    return packet.protocol == "tcp" and {"SYN"} & mask == wanted - {"NONE"}


_SIMPLE: Dict[str, Callable[[str, Sequence[str], Packet], Maybe]] = {
    "-p": _is_protocol,
    "--ctproto": _is_protocol,
    "-i": _comes_in_by,
    "-o": _goes_out_by,
    "--ctdir": lambda value, _values_, _packet: value == "ORIGINAL",
    "--ctstate": _has_state,
    "--dst-type": lambda value, _values_, packet: packet.to_host and "LOCAL" in value.split(","),
    "--src-type": lambda value, _values_, _packet: False if value == "LOCAL" else None,
    "--tcp-flags": _has_flags,
    "--syn": lambda _value, _values_, packet: packet.protocol == "tcp",
}
