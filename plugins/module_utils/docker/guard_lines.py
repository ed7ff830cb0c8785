# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Lines that the guard's chains have lost, and what is open by it. Pure.

No file says what the policy was. What the chains have to hold follows from how they are compiled: what leads to the ports and what drops in the end is
always there, both families are alike as far as no address is named, and a set is only made for a line that names it.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Mapping, NamedTuple, Sequence

from ..netfilter.ipset import LiveSet
from ..netfilter.names import any_generation, called
from ..netfilter.save import Ruleset
from ..policy import guard, names, read_back, vrf
from ..policy.model import Target
from ..policy.outside import FROM_BRIDGES, OUTSIDE
from .state import PublishedPort

Chains = Mapping[str, Sequence[str]]
_OURS = "DBP-"
_SET = re.compile(r"(?<=--match-set )DBP-(.+?)-[46][ab](?= )")
_CALLED = re.compile(r"--match-set @(\S+)")
_FAMILY_BOUND = re.compile(r"(?:^| )-[sd] |--dst-type|--ctorig|@%s" % names.ANONYMOUS)
_REPLIES = re.compile(r"-m conntrack --ct(?:dir REPLY|state RELATED,ESTABLISHED) -j RETURN")
_TO_PORTS = "-g " + guard.PORTS
_DIRECT = "--match-set @%s dst -j DROP" % names.CONTAINER_NETWORKS


class Lost(NamedTuple):
    """A line that should be in a chain. opens: whether a published port is open by its loss; words: what is, or is closed, beside ports."""

    family: int
    chain: str
    line: str
    opens: Callable[[PublishedPort], bool]
    words: str


def lost_lines(rulesets: Mapping[int, Ruleset], sets: Mapping[str, LiveSet]) -> List[Lost]:
    """Of a host on which there is a guard."""
    guards = {family: _guard(ruleset) for family, ruleset in rulesets.items()}
    found: Dict[object, Lost] = {}
    for family, mine in guards.items():
        twin: Chains = next((chains for other, chains in guards.items() if other != family), {})
        if guard.CHAIN not in mine:
            if guard.CHAIN in twin:
                found[family] = Lost(family, guard.CHAIN, "the whole chain", lambda _port: True, "nothing is looked at")
            continue
        for lost in _lost(family, mine, twin):
            found.setdefault((family, lost.chain, lost.line), lost)
    told = {(lost.family, name) for lost in found.values() for name in _CALLED.findall(lost.line)}
    return [*found.values(), *(lost for lost in _unnamed(guards, rulesets, sets) if (lost.family, called(lost.line.split(" ")[-1])) not in told)]


def open_by_loss(lost: Iterable[Lost], published: Iterable[PublishedPort]) -> FrozenSet[PublishedPort]:
    """The published ports that are open since these are missing."""
    listed = list(lost)
    return frozenset(port for port in published if any(item.family == port.family and item.opens(port) for item in listed))


def _guard(ruleset: Ruleset) -> Dict[str, List[str]]:
    """Its chains, sets called as the compiler calls them."""
    table = ruleset.tables.get(guard.TABLE, {})
    return {
        name: [_SET.sub(lambda match: "@" + match.group(1), rule) for rule in chain.rules]
        for name, chain in table.items()
        if name.startswith(guard.CHAIN)
    }


def _lost(family: int, mine: Chains, twin: Chains) -> Iterator[Lost]:
    for chain, lines in _whole(family, mine, twin).items():
        held = mine.get(chain, ())
        for line in lines:
            if line not in held:
                yield _described(family, chain, line)
    for chain in sorted({*mine, *twin} - {guard.PORTS}):
        for line in twin.get(chain, ()):
            if not _FAMILY_BOUND.search(line) and not _REPLIES.fullmatch(line) and line not in mine.get(chain, ()):
                yield _described(family, chain, line)
    for chain in (guard.CHAIN, guard.VRF):
        if chain in mine and not any(_REPLIES.fullmatch(rule) for rule in mine[chain]):
            yield Lost(family, chain, "-m conntrack --ctdir REPLY -j RETURN", _none, "replies are judged as if they were first packets")
    if guard.PORTS in mine:
        yield from _undropped(family, mine[guard.PORTS], twin.get(guard.PORTS, ()))


def _whole(family: int, mine: Chains, twin: Chains) -> Dict[str, List[str]]:
    """What a guard of this kind always has, by chain. Its kind is told by the chains that are there, of either family."""
    there = {*mine, *twin}
    inner = OUTSIDE if guard.CHAIN + OUTSIDE in there else ""
    always: Dict[str, List[str]] = {}
    if guard.PORTS in there:
        always[guard.CHAIN + inner] = [line.text for line in guard.TO_THE_HOST if family in line.families]
        always[guard.LOCAL] = [line.text for line in guard.to_published_ports(_TO_PORTS)]
    else:
        # Then it is for containers' own addresses alone.
        always[guard.CHAIN + inner] = ["-m addrtype --dst-type LOCAL -j RETURN", "-m set " + _DIRECT]
    hooked = [guard.CHAIN]
    if guard.VRF in there:
        hooked.append(guard.VRF)
        to_the_host = [line.text for line in vrf.JUDGED_BY_THE_GUARD if family in line.families]
        always[guard.VRF + inner] = [*to_the_host, "-g " + guard.LOCAL]
    for chain in [] if inner else hooked:
        always[chain] = ["-i lo -j RETURN", FROM_BRIDGES + " -j RETURN", *always.get(chain, [])]
    return always


def _undropped(family: int, rules: Sequence[str], twin: Sequence[str]) -> Iterator[Lost]:
    """What lets some sources in says nothing where nothing keeps the others out."""
    read = list(read_back.Rules(rules))
    drops = [rule.target for rule in read if rule.verdict == "DROP"]
    if None in drops:
        return
    if not rules or (twin and twin[-1] == "-j DROP"):
        yield Lost(family, guard.PORTS, "-j DROP", lambda _port: True, "published ports are open to everybody")
        return
    bare = dict.fromkeys(rule.target for rule in read if rule.verdict == "RETURN" and rule.target not in drops)
    if drops:
        # Of a policy that allows by default: each entry drops for itself.
        for target in bare:
            if target is not None:
                yield Lost(family, guard.PORTS, "a DROP behind %s" % _spoken(target), _about(target), "the entry's port is open to everybody")
    elif bare:
        yield Lost(family, guard.PORTS, "-j DROP", lambda _port: True, "published ports are open to everybody")


def _unnamed(guards: Mapping[int, Chains], rulesets: Mapping[int, Ruleset], sets: Mapping[str, LiveSet]) -> Iterator[Lost]:
    """Sets that were made for a line, and that no line names."""
    named = {
        family: {any_generation(word) for chains in ruleset.tables.values() for chain in chains.values() for rule in chain.rules
                 if "--match-set " in rule for word in rule.split(" ") if word.startswith(_OURS)}
        for family, ruleset in rulesets.items()
    }  # fmt: skip
    for name, live in sorted(sets.items()):
        found = re.fullmatch(r"DBP-.+-([46])[ab]", name)
        family = int(found.group(1)) if found else live.family or 0
        if not name.startswith(_OURS) or guard.CHAIN not in guards.get(family, {}) or any_generation(name) in named.get(family, set()):
            continue
        words = _OF_SETS.get(called(name))
        if words is not None:
            yield Lost(family, guard.CHAIN, "every line that names the set %s" % name, _none, words)


_OF_SETS = {
    names.CONTAINER_NETWORKS: "containers' own addresses are open to whoever has a route through this host",
    names.BRIDGES: "what containers send is judged as if it came from outside",
}


def _described(family: int, chain: str, line: str) -> Lost:
    opens: Callable[[PublishedPort], bool] = _none
    words = "who may pass by it is judged like everybody else"
    if chain == guard.LOCAL:
        opens, words = _known_by(line), "these ports are not looked at"
    elif line.endswith("-g " + guard.LOCAL):
        is_multicast = line.startswith("-d ff00::/8")
        in_vrf = chain.startswith(guard.VRF)
        opens = _none if in_vrf else (lambda port: port.protocol == "udp") if is_multicast else (lambda port: port.address != "::1")
        words = "ports at addresses in VRFs are not looked at" if in_vrf else "these ports are not looked at%s" % (
            " where they are sent to by multicast" if is_multicast else "")
    elif _DIRECT in line:
        words = "containers' own addresses are open to whoever has a route through this host"
    elif OUTSIDE in line:
        opens, words = (lambda _port: True), "nothing that comes in there is looked at"
    elif line.endswith("-j DROP"):
        words = "what it dropped passes"
    return Lost(family, chain, line, opens, words)


def _known_by(line: str) -> Callable[[PublishedPort], bool]:
    if names.ADDRESS_PORTS in line:
        return lambda port: port.address is not None
    protocol = line.split(" ")[1] if line.startswith("-p ") else ""
    return lambda port: port.address is None and port.protocol == protocol


def _about(target: Target) -> Callable[[PublishedPort], bool]:
    ports, address = target.ports, target.address.address if target.address else None
    return lambda port: (
        port.protocol == target.protocol
        and (ports is None or ports.first <= port.port <= ports.last)
        and (address is None or port.address in (None, address))
    )


def _spoken(target: Target) -> str:
    return "%s %s" % (target.protocol, target.ports) if target.ports else target.protocol


def _none(_port: PublishedPort) -> bool:
    return False
