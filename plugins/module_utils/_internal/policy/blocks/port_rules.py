# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Make rules from entries: a line for each match of a target and each of its sources.

The text is spelt as iptables-save prints it: ``-s -d -i -o -p``, then the matches, then the jump.
"""

from __future__ import annotations

import hashlib
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ...address import BOTH, FAMILIES, IPV4, IPV6
from ...netfilter.rules.desired import AddressSet, Chain, Line, SetType
from ..language.model import HostServices, PublishedPorts
from ..values import named_containers, reserved_names
from ..values.entries import Entry
from ..values.values import ANY, ENFORCE, ICMP, OBSERVE, Sources, Target
from .limits import Counted, most_generous_first

# More literal sources than this become a set, so that the cost per packet does not grow with the list.
MAX_LITERAL_SOURCES = 4
# A verdict that no kernel knows. It becomes lines that tell and return.
OBSERVED = "OBSERVED"
# The match for ICMP echo requests, per family.
_ECHO = {IPV4: "-p icmp -m icmp --icmp-type 8", IPV6: "-p ipv6-icmp -m icmp6 --icmpv6-type 128"}
_FULL = {IPV4: "/32", IPV6: "/128"}


class Match(NamedTuple):
    """Part of a line's text: ``address`` comes first, ``match`` goes among the matches."""

    families: Tuple[int, ...]
    address: str
    match: str
    path: Optional[str] = None


# How a chain matches a target: by the packet's own destination, or by the original destination before DNAT.
View = Callable[[Target], List[Match]]


def by_destination(target: Target) -> List[Match]:
    """Match the packet's own destination. For chains before DNAT, and for packets without DNAT."""
    if target.chosen is not None:
        return _in_set(target, named_containers.set_of_host(target))
    if target.protocol == ICMP:
        echo = [(family, _ECHO[family]) for family in target.families]
    else:
        port = "-p %s -m %s --dport %s" % (target.protocol, target.protocol, target.ports)
        if target.address is None:
            return [Match(BOTH, "", port)]
        echo = [(family, port) for family in target.families]
    address = target.address.address if target.address else None
    return [Match((family,), "-d %s%s" % (address, _FULL[family]) if address else "", text) for family, text in echo]


def by_dialled_port(target: Target) -> List[Match]:
    """Match conntrack's original destination. For chains behind DNAT. Whose port is named, by where the packet goes."""
    if target.chosen is not None:
        return _in_set(target, named_containers.set_of_containers(target))
    address = target.address.address if target.address else None
    original = "--ctorigdst %s " % address if address else ""
    text = "-p %s -m conntrack %s--ctorigdstport %s" % (target.protocol, original, target.ports)
    return [Match(target.families, "", text)]


def at_own_address(target: Target) -> List[Match]:
    """Match the packet's own destination, where that is a container's address."""
    return by_destination(target) if target.chosen is None else _in_set(target, named_containers.set_of_containers(target))


def _in_set(target: Target, name: str) -> List[Match]:
    return [Match(BOTH, "", "-p %s -m set --match-set @%s dst,dst" % (target.protocol, name))]


def service(target: Target) -> List[Match]:
    """Match a protocol, with or without ports. ``any`` matches every protocol."""
    if target.protocol == ANY:
        return [Match(BOTH, "", "")]
    if target.ports is None and target.protocol != ICMP:
        return [Match(BOTH, "", "-p " + target.protocol)]
    return by_destination(target)


class _Side(NamedTuple):
    """One end of a packet: iptables' option for its address, and the set match's word for it."""

    option: str
    word: str

    def in_set(self, name: str) -> str:
        return "-m set --match-set @%s %s" % (name, self.word)


_FROM = _Side("-s", "src")
_TO = _Side("-d", "dst")


class Rules:
    """Chains under construction, and the anonymous sets that their lines need. limits: chains that count the connections of entries, by name."""

    def __init__(self) -> None:
        self.chains: List[Chain] = []
        self.sets: Dict[str, AddressSet] = {}
        self.limits: Dict[Tuple[str, str], Chain] = {}

    def permits(self, entries: Iterable[Entry], view: View, counted: Optional[Counted] = None) -> List[Line]:
        """Return a line for each target and source of the entries. It returns, or goes to the chain of the entry's limit, if limits are counted here."""
        found: List[Line] = []
        for entry in most_generous_first(entries):
            targets = _commented(ways_in(view(entry.target), entry), entry)
            verdict = "RETURN" if entry.limit is None or counted is None else counted.name(entry)
            lines = self.from_sources(targets, entry.sources, entry.path + ".sources", verdict)
            if lines and entry.limit is not None and counted is not None:
                chain = counted.chain(entry, entry.limit, verdict_of(entry.mode or counted.mode))
                self.limits[chain.table, chain.name] = chain
                lines = [line._replace(text="%s-g %s" % (line.text[: -len("-j " + verdict)], verdict)) for line in lines]
            found += lines
        return found

    def from_sources(self, targets: List[Match], sources: Sources, path: str, verdict: str) -> List[Line]:
        """Return a line with this verdict for each match and each source."""
        return self._lines(targets, sources, path, _FROM, verdict)

    def denied(self, sources: Optional[Sources], path: str, chain: str, among: Sequence[Match] = ()) -> List[Line]:
        """Return a line that leads to this chain for each denied source. among: what their packets match besides; nothing if left out."""
        return [] if sources is None else self._lines(list(among) or [_ANYBODY], sources, path, _FROM, chain)

    def toward(self, entries: Iterable[Entry], verdict: str) -> List[Line]:
        """Return a line for each service and each destination. The entries hold their destinations as ``sources``."""
        return [
            line
            for entry in entries
            for line in self._lines(service(entry.target), entry.sources, entry.path, _TO, verdict)
        ]

    def _lines(self, services: List[Match], ends: Sources, path: str, side: _Side, verdict: str) -> List[Line]:
        return [
            _line(what, who, verdict, who.path)
            for who in self._ends(ends, path, side)
            for what in services
            if set(what.families) & set(who.families)
        ]

    def _ends(self, sources: Sources, path: str, side: _Side) -> List[Match]:
        if sources.everybody:
            return [Match(BOTH, "", "", path)]
        found = [Match(BOTH, "", side.in_set(reference.name), reference.path) for reference in sources.sets]
        if max(len(sources.addresses[family]) for family in FAMILIES) <= MAX_LITERAL_SOURCES:
            return [
                Match((family,), "%s %s" % (side.option, _with_prefix(family, address)), "", path)
                for family in FAMILIES
                for address in sorted(sources.addresses[family])
            ] + found
        families = tuple(family for family in FAMILIES if sources.addresses[family])
        return [Match(families, "", side.in_set(self._anonymous(sources, path)), path)] + found

    def _anonymous(self, sources: Sources, path: str) -> str:
        """Return the name of a set named after its content. Equal lists share it. It never changes while rules use it."""
        text = " ".join(address for family in FAMILIES for address in sorted(sources.addresses[family]))
        name = reserved_names.ANONYMOUS + hashlib.sha256(text.encode("ascii")).hexdigest()[:12]
        if name not in self.sets:
            self.sets[name] = AddressSet(name, SetType("hash:net"), dict(sources.addresses), path)
        return name


def ways_in(targets: List[Match], entry: Entry) -> List[Match]:
    """Return a match for each target and each interface by which the entry lets packets in, until it ends."""
    if entry.until is not None:
        ends = _FROM.in_set(reserved_names.until_set(entry.until))
        targets = [what._replace(match=" ".join(part for part in (what.match, ends) if part)) for what in targets]
    if not entry.interfaces:
        return targets
    return [
        what._replace(address=" ".join(part for part in (what.address, "-i " + interface.name) if part))
        for interface in entry.interfaces for what in targets
    ]


def _commented(targets: List[Match], entry: Entry) -> List[Match]:
    """Add the user's comments on the entry to the matches."""
    comments = ["-m comment --comment " + comment for comment in entry.comments]
    return [what._replace(match=" ".join([what.match, *comments])) for what in targets]


def drops(entries: Iterable[Entry], view: View, verdict: str = "DROP") -> List[Line]:
    """Return a line with this verdict for each target of the entries."""
    return [_line(what, _ANYBODY, verdict, entry.path) for entry in entries for what in view(entry.target)]


def came_in_by(interfaces: Iterable[str]) -> List[Match]:
    """Match packets by the interface that they came in by."""
    return [Match(BOTH, "-i " + name, "") for name in interfaces]


def verdict_of(mode: Optional[str]) -> str:
    """Return DROP, or the verdict that stands for it where the policy only observes. See policy/compile/denials.py."""
    return OBSERVED if mode == OBSERVE else "DROP"


def denials(section: PublishedPorts | HostServices, view: View) -> List[Line]:
    """Return the lines behind those that permit. Entries that enforce come first: where entries overlap, they decide."""
    # One line for each target, however many ways in the entries about it have.
    # Entries that name containers only open: what their sets do not hold is denied by the default.
    listed = [entry for entry in section.allow if entry.target.chosen is None]
    targets = {entry.target: entry for entry in reversed(listed)}
    own = [(entry, verdict_of(entry.mode or section.mode)) for entry in listed if targets[entry.target] is entry]
    default = verdict_of(section.mode) if section.denies else None
    to_all = {entry.target for entry in section.allow if entry.lets_everybody_in}
    alone = [(entry, its) for entry, its in own if its != default or section.per_port and entry.target not in to_all]
    lines = [line for verdict in ("DROP", OBSERVED) for entry, its in alone if its == verdict for line in drops([entry], view, verdict)]
    return lines if default is None else [*lines, Line("-j " + default, path=section.path + ".default")]


def enforces(section: PublishedPorts | HostServices) -> bool:
    """Whether the section denies anything at all."""
    return not section.observes or any(entry.mode == ENFORCE for entry in section.allow)


_ANYBODY = Match(BOTH, "", "")


def _line(what: Match, who: Match, verdict: str, path: Optional[str]) -> Line:
    families = tuple(family for family in FAMILIES if family in what.families and family in who.families)
    parts = (who.address, what.address, what.match, who.match, "-j " + verdict)
    return Line(" ".join(part for part in parts if part), families, path)


def _with_prefix(family: int, address: str) -> str:
    return address if "/" in address else address + _FULL[family]
