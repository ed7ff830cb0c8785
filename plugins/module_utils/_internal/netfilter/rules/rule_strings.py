# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Check rules that users write as strings, in iptables' own syntax, before iptables-restore reads them.

A string may use every match and target that iptables knows. It may not be a command. Options that name the rule's chain, a table, another
rule or a program to run are refused, also in abbreviations that getopt_long accepts.
"""

from __future__ import annotations

import re
import socket
from typing import List, Optional, Tuple

from ...address import BOTH, IPV4, IPV6, parse_network, quoted
from ...errors import DrawbridgeError
from .desired import Line
from .saved_ruleset import quote, split_words

# iptables' short options that belong in a rule and take a word. All others are commands, or change how iptables runs.
_SHORT_WITH_WORD = "sdpiojgm"
_SHORT_ALONE = ("-f", "-4", "-6")

_COMMANDS = (
    "append", "check", "delete", "insert", "replace", "list", "list-rules", "flush", "zero", "new-chain",
    "delete-chain", "policy", "rename-chain", "table", "modprobe", "wait", "wait-interval", "verbose", "numeric",
    "exact", "line-numbers", "version", "help", "set-counters", "noflush", "counters", "test",
)  # fmt: skip
# Options of matches that look like an abbreviated command.
_NOT_COMMANDS = frozenset(("--pol", "--set"))
# Options that take addresses. iptables would look up host names there.
_ADDRESS_OPTIONS = (
    "source", "src", "destination", "dst", "ctorigsrc", "ctorigdst", "ctreplsrc", "ctrepldst", "tunnel-src", "tunnel-dst", "gateway",
)  # fmt: skip
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_MAX_RULE = 1000


def written_rule(text: str, path: Optional[str] = None) -> Line:
    """Check a rule. Return it with uniform quoting, and with the families that fit its addresses and protocols.

    Raises DrawbridgeError with the reason.
    """
    plain_text(text, path, _MAX_RULE)
    try:
        words = split_words(text)
    except ValueError as error:
        raise DrawbridgeError("%s in %s" % (error, quoted(text)), path) from None
    words = _separated(words)
    if not words:
        raise DrawbridgeError("the rule is empty", path)
    if "" in words:
        # iptables-restore drops an empty word, and would read the next word instead.
        raise DrawbridgeError("an empty word in %s" % quoted(text), path)
    _check_words(words, path)
    return Line(" ".join(_spelt(word) for word in words), _families(words, path), path)


_ATTACHED = re.compile("(-[%s])([^-].*)|(--[A-Za-z][A-Za-z0-9-]*)=(.*)" % _SHORT_WITH_WORD)


def _separated(words: List[str]) -> List[str]:
    """Split ``--dport=80`` and ``-s192.0.2.1`` into two words, so that later checks see one form of each option."""
    result: List[str] = []
    for word in words:
        found = _ATTACHED.fullmatch(word)
        result.extend((part for part in found.groups() if part is not None) if found else (word,))
    return result


def plain_text(text: str, path: Optional[str], limit: int) -> None:
    """Refuse text that could end or overflow a line of iptables-restore's input."""
    if _CONTROL.search(text):
        raise DrawbridgeError("control characters and line breaks are not allowed: %s" % quoted(text), path)
    if len(text) > limit:
        raise DrawbridgeError("longer than %d characters: %s" % (limit, quoted(text)), path)
    try:
        text.encode("utf-8")
    except UnicodeError:
        raise DrawbridgeError("not valid UTF-8: %s" % quoted(text), path) from None


def _check_words(words: List[str], path: Optional[str]) -> None:
    if words[0] in ("-A", "-I", "--append", "--insert"):
        raise DrawbridgeError(
            "the rule starts with %s" % words[0], path, "write only what follows the chain's name"
        )
    for index, word in enumerate(words):
        if word.startswith("--"):
            _check_long(word, path)
        elif word.startswith("-") and word != "-":
            _check_short(word, path)
        if _takes_address(word) and index + 1 < len(words):
            for address in words[index + 1].split(","):
                parse_network(address, path)


def _takes_address(word: str) -> bool:
    if not word.startswith("--"):
        return word in ("-s", "-d")
    return any(option.startswith(word[2:]) for option in _ADDRESS_OPTIONS)


def _check_long(word: str, path: Optional[str]) -> None:
    name = word[2:]
    if word in _NOT_COMMANDS:
        return
    if not name or any(command.startswith(name) for command in _COMMANDS):
        raise DrawbridgeError("%s is not part of a rule" % quoted(word), path)


def _check_short(word: str, path: Optional[str]) -> None:
    if word in _SHORT_ALONE or (len(word) == 2 and word[1] in _SHORT_WITH_WORD) or re.fullmatch(r"-[0-9]+", word):
        return
    raise DrawbridgeError(
        "%s is not an option of a rule" % quoted(word), path, "a value that starts with a dash has no place here"
    )


_IPV4_ONLY = re.compile(r"-4|icmp|icmp-[a-z-]+|[0-9]{1,3}(\.[0-9]{1,3}){3}([^0-9.].*)?")
_IPV6_ONLY = re.compile(r"-6|ipv6-icmp|icmpv6|icmp6-[a-z-]+")
_IPV6_ADDRESS = re.compile(r"\[?([0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)")
# The word after these options tells nothing about the family.
_FREE_TEXT = (
    "--comment", "--log-prefix", "--nflog-prefix", "--string", "--hex-string", "--match-set", "-j", "--jump", "-g", "--goto",
    "-i", "--in-interface", "-o", "--out-interface",
)  # fmt: skip


def _families(words: List[str], path: Optional[str]) -> Tuple[int, ...]:
    families = set()
    for index, word in enumerate(words):
        if index and words[index - 1] in _FREE_TEXT:
            continue
        if _IPV4_ONLY.fullmatch(word):
            families.add(IPV4)
        elif _IPV6_ONLY.fullmatch(word) or _is_ipv6(word):
            families.add(IPV6)
    if len(families) > 1:
        raise DrawbridgeError("IPv4 and IPv6 in one rule", path)
    return tuple(families) or BOTH


def _is_ipv6(word: str) -> bool:
    found = _IPV6_ADDRESS.match(word)
    if found is None:
        return False
    try:
        socket.inet_pton(socket.AF_INET6, found.group(1))
    except OSError:
        return False
    return True


_UNQUOTED = re.compile(r'[^\s"\\\']+')


def _spelt(word: str) -> str:
    return word if _UNQUOTED.fullmatch(word) else quote(word)
