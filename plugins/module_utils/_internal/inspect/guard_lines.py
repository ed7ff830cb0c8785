# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find lines that the guard's chains have lost, and the ports that are open since. Pure.

No file holds the policy. The expected lines follow from the way the chains are compiled: the jumps to the ports' chain and the final drops
are always there. Lines that name no address are in both families. Each set is made for a line that names it. Where the policy observes, the
lines count as if they were enforced; the lines that log do not count.
"""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, Iterable, Iterator, List, Mapping, NamedTuple, Sequence

from ..engine.api.answers import PublishedPort
from ..netfilter.kernel.ipset import LiveSet
from ..netfilter.rules.matches import AddressMatch, ProtocolMatch, SetMatch, holds_below_limit
from ..netfilter.rules.ownership import any_generation, called
from ..netfilter.rules.saved_rule import called_sets, parse, set_names, with_set_names
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.blocks.limits import OTHER_PACKETS
from ..policy.blocks.outside import FROM_BRIDGES, OUTSIDE
from ..policy.chains import forward, guard, source_check
from ..policy.compile.denials import as_if_enforced
from ..policy.readback import rules_to_policy
from ..policy.values import reserved_names
from ..policy.values.values import Target

Chains = Mapping[str, Sequence[str]]
_OURS = "DBP-"
_LIST = "@" + reserved_names.ANONYMOUS
_REPLIES = tuple("-m conntrack --ct%s -j RETURN" % asked for asked in ("dir REPLY", "state RELATED,ESTABLISHED"))
_BRIDGES_CLOSED = tuple("-m set --match-set @%s dst,dst -j DROP" % name for name in (reserved_names.BRIDGES, reserved_names.CLOSED_BRIDGES))
_TO_PORTS = "-g " + guard.PORTS
_FROM_INSIDE = FROM_BRIDGES + " -j RETURN"
_DIRECT = "-m set --match-set @%s dst -j DROP" % reserved_names.CONTAINER_NETWORKS


class LostLine(NamedTuple):
    """A missing line. opens: whether its loss opens a published port. words: the effect of the loss."""

    family: int
    chain: str
    line: str
    opens: Callable[[PublishedPort], bool]
    words: str


def lost_lines(rulesets: Mapping[int, Ruleset], sets: Mapping[str, LiveSet]) -> List[LostLine]:
    """Return the lines that the guard has lost; none without a guard."""
    guards = {family: _guard(ruleset) for family, ruleset in rulesets.items()}
    found: Dict[object, LostLine] = {}
    for family, mine in guards.items():
        twin: Chains = next((chains for other, chains in guards.items() if other != family), {})
        if guard.CHAIN not in mine:
            if guard.CHAIN in twin:
                found[family] = LostLine(family, guard.CHAIN, "the whole chain", _any, "nothing is looked at")
            continue
        for lost in [*_lost(family, mine, twin), *_direct(family, mine, rulesets[family]), *_sources(family, rulesets[family])]:
            found.setdefault((family, lost.chain, lost.line), lost)
    told = {(lost.family, name) for lost in found.values() for name in called_sets(lost.line)}
    return [*found.values(), *(lost for lost in _unnamed(guards, rulesets, sets) if (lost.family, called(lost.line.split(" ")[-1])) not in told)]


def open_by_loss(lost: Iterable[LostLine], published: Iterable[PublishedPort]) -> FrozenSet[PublishedPort]:
    """Return the published ports that are open because these lines are missing."""
    listed = list(lost)
    return frozenset(port for port in published if any(item.family == port.family and item.opens(port) for item in listed))


def _guard(ruleset: Ruleset) -> Dict[str, List[str]]:
    """Return the guard's chains, with the compiler's names of sets."""
    table = ruleset.tables.get(guard.TABLE, {})
    return {
        name: [_as_compiled(rule) for rule in as_if_enforced(chain.rules)]
        for name, chain in table.items()
        if name.startswith(guard.CHAIN)
    }


def _as_compiled(rule: str) -> str:
    return with_set_names(rule, lambda name: "@" + called(name) if name.startswith(_OURS) and any_generation(name) != name else name)


def _is_of_a_family(rule: str) -> bool:
    """Whether a line may be in one family only. Unknown matches do not count: their lines are expected in both."""
    return any(
        isinstance(match, AddressMatch) or match.option.startswith(("--dst-type", "--ctorig")) or isinstance(match, SetMatch) and match.name.startswith(_LIST)
        or holds_below_limit(match) is not None
        for match in parse(rule).matches
    )


def _lost(family: int, mine: Chains, twin: Chains) -> Iterator[LostLine]:
    for chain, lines in _whole(family, mine, twin).items():
        held = mine.get(chain, ())
        for line in lines:
            if line not in held:
                yield _described(family, chain, line)
    for chain in sorted({*mine, *twin} - {guard.PORTS}):
        for line in twin.get(chain, ()):
            if line not in _REPLIES and line not in mine.get(chain, ()) and not _is_of_a_family(line) and parse(line).goes_to != guard.DENIED:
                yield _described(family, chain, line)
    yield from _spared(family, mine, twin)
    yield from _limiting(family, mine, twin)
    for chain in (guard.CHAIN, guard.RECEIVED):
        if chain in mine and not any(rule in _REPLIES for rule in mine[chain]):
            yield LostLine(family, chain, "-m conntrack --ctdir REPLY -j RETURN", _none, "replies are judged as if they were first packets")
    if guard.PORTS in mine:
        yield from _undropped(family, mine[guard.PORTS], twin.get(guard.PORTS, ()))


def _spared(family: int, mine: Chains, twin: Chains) -> Iterator[LostLine]:
    """Find missing lines about denied sources. One that is about addresses may be in one family only."""
    if guard.DENIED not in mine:
        return
    words = "whom published_ports.deny names is judged like everybody else"
    outside = guard.CHAIN + OUTSIDE if guard.CHAIN + OUTSIDE in mine else guard.CHAIN
    for chain in sorted({*mine, *twin}):
        held, other = ([line for line in chains.get(chain, ()) if parse(line).goes_to == guard.DENIED] for chains in (mine, twin))
        # Containers' own addresses are closed to everybody, or to denied sources.
        if not held and not other and (chain == guard.PORTS or chain == outside and _DIRECT not in mine[outside]):
            yield LostLine(family, chain, "every line that leads to %s" % guard.DENIED, _none, words)
        for line in other:
            if line not in held and not _is_of_a_family(line):
                yield LostLine(family, chain, line, _none, words)


def _limiting(family: int, mine: Chains, twin: Chains) -> Iterator[LostLine]:
    """Find missing lines of the chains that count the connections of entries with a limit. What they let in besides the limit, others' lines decide."""
    for chain in sorted(name for name in {*mine, *twin} if name.startswith(guard.LIMITED)):
        held = mine.get(chain, ())
        for other in OTHER_PACKETS:
            if other + " -j RETURN" not in held:
                yield LostLine(family, chain, other + " -j RETURN", _none, "packets of open connections are counted as new connections")
        if not any(holds_below_limit(match) for line in held for match in parse(line).matches):
            yield LostLine(family, chain, "the line of what is within the limit", _none, "new connections are denied, whatever the limit is")
        of_ports = any(parse(line).goes_to == chain for chains in (mine, twin) for line in chains.get(guard.PORTS, ()))
        if of_ports and guard.CHAIN + OUTSIDE not in {*mine, *twin} and _FROM_INSIDE not in held:
            yield _described(family, chain, _FROM_INSIDE)
        if "-j DROP" not in held:
            yield LostLine(family, chain, "-j DROP", _none, "new connections are let in beyond the limit")


def _whole(family: int, mine: Chains, twin: Chains) -> Dict[str, List[str]]:
    """Return the lines that a guard of this kind always has, by chain. The chains of both families tell its kind."""
    there = {*mine, *twin}
    inner = OUTSIDE if guard.CHAIN + OUTSIDE in there else ""
    always: Dict[str, List[str]] = {}
    if guard.PORTS in there:
        always[guard.CHAIN + inner] = [line.text for line in guard.TO_THE_HOST if family in line.families]
        always[guard.LOCAL] = [line.text for line in guard.to_published_ports(_TO_PORTS)]
    else:
        # This guard is for containers' own addresses only.
        always[guard.CHAIN + inner] = ["-m addrtype --dst-type LOCAL -j RETURN", _DIRECT]
    if guard.DENIED in there:
        always[guard.DENIED] = [*([] if inner else [_FROM_INSIDE]), guard.ERRORS.text, "-j DROP"]
    hooked = [guard.CHAIN]
    if guard.RECEIVED in there:
        hooked.append(guard.RECEIVED)
        to_the_host = [line.text for line in guard.JUDGED_AT_FIRST if family in line.families]
        always[guard.RECEIVED + inner] = [*to_the_host, "-g " + guard.LOCAL]
    if inner:
        return always
    for chain in hooked:
        always[chain] = ["-i lo -j RETURN", *always.get(chain, [])]
    if guard.PORTS in there:
        always[guard.PORTS] = [_FROM_INSIDE]
    is_direct = any(_DIRECT in chains.get(guard.CHAIN, ()) for chains in (mine, twin))
    for chain in [chain for chain in hooked if chain == guard.RECEIVED or is_direct]:
        always[chain].append(_FROM_INSIDE)
    return always


def _undropped(family: int, rules: Sequence[str], twin: Sequence[str]) -> Iterator[LostLine]:
    """Find missing drops: allowing sources has no effect if nothing drops the others."""
    read = list(rules_to_policy.Rules(rules))
    drops = [rule.target for rule in read if rule.verdict == "DROP"]
    if None in drops:
        return
    if not read or (twin and twin[-1] == "-j DROP"):
        yield LostLine(family, guard.PORTS, "-j DROP", _any, "published ports are open to everybody")
        return
    bare = dict.fromkeys(rule.target for rule in read if rule.verdict == "RETURN" and rule.target not in drops)
    if drops:
        # A policy that allows by default: each entry has its own drop.
        for target in bare:
            if target is not None:
                yield LostLine(family, guard.PORTS, "a DROP behind %s" % _spoken(target), _about(target), "the entry's port is open to everybody")
    elif any(target is not None for target in bare):
        yield LostLine(family, guard.PORTS, "-j DROP", _any, "published ports are open to everybody")


def _unnamed(guards: Mapping[int, Chains], rulesets: Mapping[int, Ruleset], sets: Mapping[str, LiveSet]) -> Iterator[LostLine]:
    """Find sets that no line names: their lines are lost."""
    named = {
        family: {any_generation(name) for chains in ruleset.tables.values() for chain in chains.values() for rule in chain.rules for name in set_names(rule)}
        for family, ruleset in rulesets.items()
    }  # fmt: skip
    for name, live in sorted(sets.items()):
        family = int(name[-2]) if any_generation(name) != name else live.family or 0
        if not name.startswith(_OURS) or guard.CHAIN not in guards.get(family, {}) or any_generation(name) in named.get(family, set()):
            continue
        words = _OF_SETS.get(called(name))
        if words is not None:
            yield LostLine(family, guard.CHAIN, "every line that names the set %s" % name, _none, words)


def _direct(family: int, mine: Chains, ruleset: Ruleset) -> Iterator[LostLine]:
    """If the chain behind DOCKER-USER drops packets to containers, the guard has to as well."""
    forwarded = [rule for name in (forward.CHAIN, forward.CHAIN + OUTSIDE) for rule in as_if_enforced(ruleset.rules(forward.TABLE, name))]
    chain = guard.CHAIN + OUTSIDE if guard.CHAIN + OUTSIDE in mine else guard.CHAIN
    if any(_as_compiled(rule) in _BRIDGES_CLOSED for rule in forwarded) and _DIRECT not in mine[chain]:
        yield _described(family, chain, _DIRECT)


def _sources(family: int, ruleset: Ruleset) -> Iterator[LostLine]:
    held = [_as_compiled(rule) for rule in as_if_enforced(ruleset.rules(source_check.TABLE, source_check.CHAIN))]
    for line in source_check.source_check(source_check.CHAIN, False).lines:
        if family in line.families and line.text not in held:
            words = "forged packets make their sender one who replies" if line.text.endswith("DROP") else "what it let pass is judged by the lines behind it"
            yield LostLine(family, source_check.CHAIN, line.text, _none, words)


_OF_SETS = {
    reserved_names.BRIDGES: "what containers send is judged as if it came from outside",
}


def _described(family: int, chain: str, line: str) -> LostLine:
    opens: Callable[[PublishedPort], bool] = _none
    words, goes_to = "who may pass by it is judged like everybody else", parse(line).goes_to
    if chain == guard.LOCAL:
        opens, words = _known_by(line), "these ports are not looked at"
    elif goes_to == guard.LOCAL:
        is_multicast = AddressMatch("-d", "ff00::/8") in parse(line).matches
        received = chain.startswith(guard.RECEIVED)
        opens = _none if received else _by_udp if is_multicast else _not_on_the_loopback
        words = "ports at addresses of other routing tables are not looked at" if received else "these ports are not looked at%s" % (
            " where they are sent to by multicast" if is_multicast else "")
    elif line == _DIRECT:
        words = "containers' own addresses are open to whoever has a route through this host"
    elif goes_to.endswith(OUTSIDE):
        opens, words = _any, "nothing that comes in there is looked at"
    elif goes_to == "DROP":
        words = "what it dropped passes"
    return LostLine(family, chain, line, opens, words)


def _known_by(line: str) -> Callable[[PublishedPort], bool]:
    if reserved_names.ADDRESS_PORTS in called_sets(line):
        return lambda port: port.address is not None
    asked = [match for match in parse(line).matches if isinstance(match, ProtocolMatch)]
    return lambda port: port.address is None and bool(asked) and all(match.holds(port.protocol) for match in asked)


def _about(target: Target) -> Callable[[PublishedPort], bool]:
    ports, address = target.ports, target.address.address if target.address else None

    def is_about(port: PublishedPort) -> bool:
        is_port = port.protocol == target.protocol and (ports is None or ports.first <= port.port <= ports.last)
        return is_port and (address is None or port.address in (None, address))

    return is_about


def _spoken(target: Target) -> str:
    return "%s %s" % (target.protocol, target.ports) if target.ports else target.protocol


def _none(_port: PublishedPort) -> bool:
    return False


def _any(_port: PublishedPort) -> bool:
    return True


def _by_udp(port: PublishedPort) -> bool:
    return port.protocol == "udp"


def _not_on_the_loopback(port: PublishedPort) -> bool:
    return port.address != "::1"
