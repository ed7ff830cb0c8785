# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse a rule as iptables-save prints it after ``-A CHAIN``: its matches, in order, and its target. Pure.

This is the only parser of rules. It loses nothing: ``str(parse(rule)) == rule``. It also reads rules that users wrote. Their long option
names come back short, as iptables-save prints them.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .matches import (  # fmt: skip
    AddressMatch,
    Comment,
    Effect,
    FlagMatch,
    InterfaceMatch,
    Jump,
    MarkMatch,
    Match,
    Module,
    OneOfMatch,
    PortMatch,
    ProtocolMatch,
    RangeMatch,
    SetMatch,
    Target,
    TcpFlagsMatch,
    Translation,
    Unknown,
    ValueMatch,
    Verdict,
    Words,
)


class SavedRule(NamedTuple):
    """A parsed rule. target: None for a rule that only counts."""

    matches: Tuple[Match, ...]
    target: Optional[Target]

    def __str__(self) -> str:
        parts = [word for match in self.matches for word in match.words]
        return " ".join(parts if self.target is None else [*parts, *self.target.words])

    @property
    def asks(self) -> Tuple[Match, ...]:
        """The matches that a packet may fail."""
        return tuple(match for match in self.matches if type(match) not in _SILENT or isinstance(match, Module) and match.asks)

    @property
    def comments(self) -> Tuple[str, ...]:
        """The texts of its comments, without quotes."""
        return tuple(match.text for match in self.matches if isinstance(match, Comment))

    @property
    def goes_to(self) -> str:
        """The target's name: a verdict, a chain or an extension; empty without target."""
        return "" if self.target is None else self.target.name

    @property
    def sets(self) -> Tuple[SetMatch, ...]:
        return tuple(match for match in self.matches if isinstance(match, SetMatch))


# Cached: several functions parse the same rule, most often shortly after one another.
@lru_cache(maxsize=1 << 14)
def parse(rule: str) -> SavedRule:
    """Parse one rule. It need not be valid: parts that are not understood become Unknown."""
    words = rule.split() if '"' not in rule else _WORD.findall(rule)
    if '"' in words:
        # An unclosed quote.
        return SavedRule((Unknown((rule,)),), None)
    matches, at = _matches(words)
    return SavedRule(tuple(matches), _target(tuple(words[at:])))


def set_names(rule: str) -> Words:
    """Return the sets that a rule names. Rules without sets, the most, are not parsed: a list may have 10,000 rules."""
    return tuple(match.name for match in parse(rule).sets) if "--match-set " in rule else ()


def called_sets(rule: str) -> Words:
    """Return the sets that a line names as ``@name``, by the user's name, without the @."""
    return tuple(name[1:] for name in set_names(rule) if name.startswith("@"))


def with_set_names(rule: str, name: Callable[[str], str]) -> str:
    """Return the rule with its sets renamed. A rule without sets is returned as it is, without parsing."""
    if "--match-set " not in rule:
        return rule
    read = parse(rule)
    matches = tuple(match._replace(name=name(match.name)) if isinstance(match, SetMatch) else match for match in read.matches)
    return rule if matches == read.matches else str(read._replace(matches=matches))


def _matches(words: Sequence[str]) -> Tuple[List[Match], int]:
    """Return the matches, and the index of the target."""
    found: List[Match] = []
    known, seen, at = _BUILT_IN, [_BUILT_IN], 0
    while at < len(words) and words[at] not in _LEADS:
        word = words[at]
        if word in _MATCH and at + 1 < len(words) and words[at + 1] in _MODULES:
            module, known = _MODULES[words[at + 1]]
            seen.append(known)
            found.append(module)
            at += 2
            continue
        start, negated = at, word == "!"
        if negated:
            at += 1
            word = words[at] if at < len(words) else ""
        option, (count, make) = (word, known[word]) if word in known else _found(word, seen)
        if make is not None and at + count < len(words):
            found.append(make(option, *words[at + 1:at + 1 + count], negated))
            at += 1 + count
            if make is ProtocolMatch:
                # After -p tcp users may omit -m tcp.
                seen.append(_MODULES.get(_IMPLIED.get(words[at - 1], words[at - 1]), _NO_MODULE)[1])
            continue
        # It is not known how many words the options of an unknown module take.
        at = _next(words, at + 1, _starts_match if option == "-m" else _starts_option)
        found.append(Unknown(tuple(words[start:at])))
    return found, at


def _found(word: str, seen: Sequence[_Options]) -> Tuple[str, _Option]:
    """Find an option by its short name, in all modules so far, the last one first."""
    option = _SHORT.get(word, word)
    return option, next((options[option] for options in reversed(seen) if option in options), _NOTHING)


def _next(words: Sequence[str], at: int, starts: Callable[[str], bool]) -> int:
    return next((place for place in range(at, len(words)) if starts(words[place])), len(words))


def _starts_match(word: str) -> bool:
    return word in _STARTS


def _starts_option(word: str) -> bool:
    return word.startswith("-") or word == "!"


def _target(words: Words) -> Optional[Target]:
    if not words:
        return None
    lead, name, options = _SHORT.get(words[0], words[0]), "".join(words[1:2]), words[2:]
    make = _TARGETS.get(name)
    if lead == "-j" and make is not None:
        # Users may write matches after the target.
        is_understood = make is not Verdict or not options or name == "REJECT" and options[0] == "--reject-with" and len(options) == 2
        return make(name, options) if is_understood else Unknown(words)
    return Jump(name, lead == "-g") if name and not options else Unknown(words)


# A word with its quotes. A single quote as a word is an unclosed one.
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+|"', re.DOTALL)
_LEADS = ("-j", "-g", "--jump", "--goto")
_MATCH = ("-m", "--match")
_STARTS = (*_LEADS, *_MATCH)
_SILENT = (Module, Comment)
# Long option names that users may write.
_SHORT = {
    "--match": "-m", "--jump": "-j", "--goto": "-g", "--protocol": "-p", "--proto": "-p", "--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d",
    "--in-interface": "-i", "--out-interface": "-o", "--fragment": "-f", "--source-port": "--sport", "--destination-port": "--dport",
}  # fmt: skip
_TARGETS: Dict[str, Callable[[str, Words], Target]] = {
    **dict.fromkeys(("ACCEPT", "DROP", "RETURN", "REJECT"), Verdict),
    **dict.fromkeys(("DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"), Translation),
    **dict.fromkeys(
        ("LOG", "NFLOG", "MARK", "CONNMARK", "CT", "NOTRACK", "TRACE", "TCPMSS", "SET", "CHECKSUM", "CLASSIFY", "DSCP", "TOS", "TTL", "HL", "AUDIT"), Effect
    ),
}
# For an option: how many words it takes, and the type of match it makes.
_Option = Tuple[int, Optional[Callable[..., Match]]]
_Options = Dict[str, _Option]
_NOTHING: _Option = (0, None)
_IMPLIED = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6"}


def _one(make: Callable[[str, str, bool], Match], *options: str) -> _Options:
    return dict.fromkeys(options, (1, make))


def _flags(*options: str) -> _Options:
    return dict.fromkeys(options, (0, FlagMatch))


_PORTS = _one(PortMatch, "--sport", "--dport")
_BUILT_IN: _Options = {**_one(AddressMatch, "-s", "-d"), **_one(InterfaceMatch, "-i", "-o"), **_one(ProtocolMatch, "-p"), **_flags("-f")}
_OPTIONS: Dict[str, _Options] = {
    "tcp": {**_PORTS, "--tcp-flags": (2, TcpFlagsMatch), **_one(ValueMatch, "--tcp-option"), **_flags("--syn")},
    "udp": _PORTS,
    "sctp": _PORTS,
    "dccp": {**_PORTS, **_one(OneOfMatch, "--dccp-types"), **_one(ValueMatch, "--dccp-option")},
    "udplite": _PORTS,
    "icmp": _one(ValueMatch, "--icmp-type"),
    "icmp6": _one(ValueMatch, "--icmpv6-type"),
    "multiport": _one(PortMatch, "--sports", "--dports", "--ports"),
    "iprange": _one(RangeMatch, "--src-range", "--dst-range"),
    "set": {"--match-set": (2, SetMatch), **_flags("--return-nomatch")},
    "state": _one(OneOfMatch, "--state"),
    "conntrack": {
        **_one(OneOfMatch, "--ctstate", "--ctstatus", "--ctdir"),
        **_one(ProtocolMatch, "--ctproto"),
        **_one(AddressMatch, "--ctorigsrc", "--ctorigdst", "--ctreplsrc", "--ctrepldst"),
        **_one(PortMatch, "--ctorigsrcport", "--ctorigdstport", "--ctreplsrcport", "--ctrepldstport"),
        **_one(ValueMatch, "--ctexpire"),
    },
    "addrtype": {**_one(OneOfMatch, "--src-type", "--dst-type"), **_flags("--limit-iface-in", "--limit-iface-out")},
    "mark": {"--mark": (1, partial(MarkMatch, "mark"))},
    "connmark": {"--mark": (1, partial(MarkMatch, "connmark"))},
    "connlabel": {**_one(ValueMatch, "--label"), **_flags("--set")},
    "limit": _one(ValueMatch, "--limit", "--limit-burst"),
    "comment": _one(Comment, "--comment"),
    "rpfilter": _flags("--loose", "--validmark", "--accept-local", "--invert"),
    "socket": _flags("--transparent", "--nowildcard", "--restore-skmark"),
    "physdev": {**_one(InterfaceMatch, "--physdev-in", "--physdev-out"), **_flags("--physdev-is-in", "--physdev-is-out", "--physdev-is-bridged")},
    "owner": {**_one(ValueMatch, "--uid-owner", "--gid-owner"), **_flags("--socket-exists", "--suppl-groups")},
}  # fmt: skip
# The rule's own options, such as -s or -p, may follow a module's options.
_MODULES: Dict[str, Tuple[Match, _Options]] = {name: (Module(name), {**_BUILT_IN, **options}) for name, options in _OPTIONS.items()}
_NO_MODULE: Tuple[Match, _Options] = (Module(""), {})
