# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""iptables-restore's input as values, for writers that take no text. Pure.

Understood is what :func:`.state.commit` makes: rules in iptables-save's spelling, with the commands -A, -I, -D and -X.
"""

from __future__ import annotations

import re
import socket
from typing import Any, Dict, List, NamedTuple, Optional

from ..errors import DrawbridgeError
from .address import quoted
from .save import split_words

APPEND, INSERT, DELETE, REMOVE, DECLARE = "append", "insert", "delete", "remove", "declare"


class Command(NamedTuple):
    """One line. do: which command. rule: the line's rule as text; empty for commands on whole chains. place: from 1, for
    INSERT. counters: packets and bytes, where given. policy: for DECLARE, None for a chain that is not built in."""

    do: str
    chain: str
    rule: str = ""
    place: int = 0
    counters: Optional[List[int]] = None
    policy: Optional[str] = None


class Block(NamedTuple):
    """What one COMMIT puts into force."""

    table: str
    commands: List[Command]


_LINE = re.compile(r"(?:\[(\d+):(\d+)\] )?-([AID]) (\S+) (.*)", re.DOTALL)
_PLACE = re.compile(r"(\d+) (.*)", re.DOTALL)
_DO = {"A": APPEND, "I": INSERT, "D": DELETE}


def parse_blocks(text: str) -> List[Block]:
    """The blocks in order; one table may have several. Raises DrawbridgeError for a line that is none of the above."""
    blocks: List[Block] = []
    for line in text.split("\n"):
        if line.startswith("*"):
            blocks.append(Block(line[1:], []))
        elif line and line != "COMMIT":
            if not blocks:
                raise _not_understood(line)
            blocks[-1].commands.append(_command(line))
    return blocks


def _command(line: str) -> Command:
    if line.startswith(":"):
        name, policy = line[1:].split(" ")[:2]
        return Command(DECLARE, name, policy=None if policy == "-" else policy)
    if line.startswith("-X "):
        return Command(REMOVE, line[3:])
    found = _LINE.match(line)
    if found is None:
        raise _not_understood(line)
    packets, octets, letter, chain, rule = found.groups()
    counters = [int(packets), int(octets)] if packets else None
    place = 0
    if letter == "I":
        at = _PLACE.match(rule)
        place, rule = (int(at.group(1)), at.group(2)) if at else (1, rule)
    return Command(_DO[letter], chain, rule, place, counters)


def _not_understood(line: str) -> DrawbridgeError:
    return DrawbridgeError("not a line of iptables-restore's input: %s" % quoted(line))


# Options whose next word is a text, whatever it looks like.
_TEXTS = frozenset(("--comment", "--log-prefix", "--nflog-prefix", "--string", "--hex-string", "--ulog-prefix"))
# Protocols that iptables knows by itself, without /etc/protocols.
_PROTOCOLS = {
    "tcp": 6, "sctp": 132, "udp": 17, "udplite": 136, "icmp": 1, "icmpv6": 58, "ipv6-icmp": 58, "esp": 50, "ah": 51,
    "ipv6-mh": 135, "mh": 135, "dccp": 33, "all": 0,
}
_HEADER = {"-s": "source", "-d": "destination", "-i": "in", "-o": "out", "-p": "protocol"}


def rule_parts(rule: str) -> Dict[str, Any]:
    """A rule in iptables-save's spelling, taken apart.

    source, destination: as written, with ``!`` in front where negated, empty where not given. in, out: (negated, name) or None.
    protocol: (negated, number) or None. fragment: (negated,) or None. matches: (name, options) in order. target: empty for none;
    goto: whether it is entered by ``-g``; options: the target's. Options are (name, negated, values).
    Raises DrawbridgeError for a word that has no place.
    """
    parts: Dict[str, Any] = {
        "source": "", "destination": "", "in": None, "out": None, "protocol": None, "fragment": None,
        "matches": [], "target": "", "goto": False, "options": [],
    }
    try:
        words = split_words(rule)
    except ValueError as error:
        raise DrawbridgeError("cannot read the rule %s: %s" % (quoted(rule), error)) from None
    _Reader(rule, words, parts).read()
    return parts


class _Reader:
    def __init__(self, rule: str, words: List[str], parts: Dict[str, Any]) -> None:
        self.rule = rule
        self.words = words
        self.parts = parts
        self.at = 0
        self.options: Optional[List[Any]] = None

    def read(self) -> None:
        while self.at < len(self.words):
            inverted = self.words[self.at] == "!"
            self.at += inverted
            self._option(inverted, self._next())

    def _next(self) -> str:
        if self.at >= len(self.words):
            raise DrawbridgeError("the rule %s ends too early" % quoted(self.rule))
        self.at += 1
        return self.words[self.at - 1]

    def _option(self, inverted: bool, word: str) -> None:
        if word in _HEADER:
            self.parts[_HEADER[word]] = self._header(inverted, word, self._next())
        elif word == "-f":
            self.parts["fragment"] = (inverted,)
        elif word == "-m":
            self.options = []
            self.parts["matches"].append((self._next(), self.options))
        elif word in ("-j", "-g"):
            self.parts["target"], self.parts["goto"] = self._next(), word == "-g"
            self.options = self.parts["options"]
        elif word.startswith("--") and self.options is not None:
            self.options.append((word[2:], inverted, self._values(word)))
        else:
            raise DrawbridgeError("%s has no place in the rule %s" % (quoted(word), quoted(self.rule)))

    def _header(self, inverted: bool, option: str, value: str) -> Any:
        if option in ("-s", "-d"):
            return ("!" if inverted else "") + value
        return (inverted, _protocol(value) if option == "-p" else value)

    def _values(self, option: str) -> List[str]:
        if option in _TEXTS:
            return [self._next()]
        first = self.at
        while self.at < len(self.words) and not self._begins_an_option():
            self.at += 1
        return self.words[first:self.at]

    def _begins_an_option(self) -> bool:
        word = self.words[self.at]
        return word.startswith("--") or word in ("!", "-m", "-j", "-g", "-f") or word in _HEADER


def _protocol(name: str) -> int:
    if name.isdigit():
        return int(name)
    if name in _PROTOCOLS:
        return _PROTOCOLS[name]
    try:
        return socket.getprotobyname(name)
    except OSError:
        raise DrawbridgeError("unknown protocol %s" % quoted(name)) from None
