# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A rule as iptables-save prints it behind ``-A CHAIN``, read: its matches, in order, and its target. Pure.

Everything that reads rules reads them here. Nothing of a rule is lost: ``str(parse(rule)) == rule``. Rules that users wrote are read as well; of those, long
spellings come back as iptables-save prints them.
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
    """target: None for a rule that only counts."""

    matches: Tuple[Match, ...]
    target: Optional[Target]

    def __str__(self) -> str:
        parts = [word for match in self.matches for word in match.words]
        return " ".join(parts if self.target is None else [*parts, *self.target.words])

    @property
    def asks(self) -> Tuple[Match, ...]:
        """The matches that a packet may fail to meet."""
        return tuple(match for match in self.matches if type(match) not in _SILENT or isinstance(match, Module) and match.asks)

    @property
    def goes_to(self) -> str:
        """The target's name: a verdict's, a chain's, an extension's; empty for none."""
        return "" if self.target is None else self.target.name

    @property
    def sets(self) -> Tuple[SetMatch, ...]:
        return tuple(match for match in self.matches if isinstance(match, SetMatch))


# One rule is read by several readers, most often shortly after one another.
@lru_cache(maxsize=1 << 14)
def parse(rule: str) -> SavedRule:
    """Read one rule. It need not be one that iptables knows: what is not understood is Unknown."""
    words = rule.split() if '"' not in rule else _WORD.findall(rule)
    if '"' in words:
        # A quote that is not closed.
        return SavedRule((Unknown((rule,)),), None)
    matches, at = _matches(words)
    return SavedRule(tuple(matches), _target(tuple(words[at:])))


def set_names(rule: str) -> Words:
    """The sets that a rule asks. Most rules ask none: those are not parsed, for lists of 10,000 rules come by here."""
    return tuple(match.name for match in parse(rule).sets) if "--match-set " in rule else ()


def called_sets(rule: str) -> Words:
    """The sets that a line asks by the user's name for them, which has an @ before it there."""
    return tuple(name[1:] for name in set_names(rule) if name.startswith("@"))


def with_set_names(rule: str, name: Callable[[str], str]) -> str:
    """The rule with its sets called otherwise. As it stands, and not parsed, where it asks none."""
    if "--match-set " not in rule:
        return rule
    read = parse(rule)
    matches = tuple(match._replace(name=name(match.name)) if isinstance(match, SetMatch) else match for match in read.matches)
    return rule if matches == read.matches else str(read._replace(matches=matches))


def _matches(words: Sequence[str]) -> Tuple[List[Match], int]:
    """The matches, and where the target stands."""
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
            found.append(make(option, *words[at + 1 : at + 1 + count], negated))
            at += 1 + count
            if make is ProtocolMatch:
                # Behind -p tcp users may leave -m tcp out.
                seen.append(_MODULES.get(_IMPLIED.get(words[at - 1], words[at - 1]), _NO_MODULE)[1])
            continue
        # How many words the options of a module take that is not known, nobody can say.
        at = _next(words, at + 1, _starts_match if option == "-m" else _starts_option)
        found.append(Unknown(tuple(words[start:at])))
    return found, at


def _found(word: str, seen: Sequence[_Options]) -> Tuple[str, _Option]:
    """An option of a module that is not the last one, or by the name that only users give it."""
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
        # Users may write matches behind the target.
        is_understood = make is not Verdict or not options or name == "REJECT" and options[0] == "--reject-with" and len(options) == 2
        return make(name, options) if is_understood else Unknown(words)
    return Jump(name, lead == "-g") if name and not options else Unknown(words)


# A word with its quotes; a quote alone is one that is not closed.
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s"])+|"', re.DOTALL)
_LEADS = ("-j", "-g", "--jump", "--goto")
_MATCH = ("-m", "--match")
_STARTS = (*_LEADS, *_MATCH)
_SILENT = (Module, Comment)
# As users may write them.
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
# By option: how many words it takes, and what it is.
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
# Options of none but the rule itself may stand behind those of a module.
_MODULES: Dict[str, Tuple[Match, _Options]] = {name: (Module(name), {**_BUILT_IN, **options}) for name, options in _OPTIONS.items()}
_NO_MODULE: Tuple[Match, _Options] = (Module(""), {})
