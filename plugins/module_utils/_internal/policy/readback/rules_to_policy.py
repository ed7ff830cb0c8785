# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read a policy back from its rules: no file keeps the policy. Pure.

It knows the matches that the compiler writes about sources and targets. A rule with any other match, or with a negated match, is about
something else and is skipped. A rule that decides nothing about a packet is skipped too.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...address import IPV4, IPV6
from ...netfilter.kernel.state import State, TableState
from ...netfilter.rules.desired import Hook
from ...netfilter.rules.matches import AddressMatch, InterfaceMatch, Match, PortMatch, ProtocolMatch, SetMatch, Translation, ValueMatch, Verdict
from ...netfilter.rules.matches import Target as SavedTarget
from ...netfilter.rules.ownership import any_generation, called
from ...netfilter.rules.saved_rule import SavedRule, parse
from ...netfilter.rules.saved_ruleset import target_of
from ..blocks.outside import OUTSIDE
from ..blocks.owners import NAT, POLICY_PORTS
from ..chains import guard, host_input
from ..values import reserved_names
from ..values.values import ANY, ICMP, HostAddress, Ports, Target
from .limit_words import limits_in
from .named_containers import Held, with_ports

EVERYWHERE = "every interface but the loopback and the bridges of Docker's networks"
_OPENED = Hook(NAT, "PREROUTING", POLICY_PORTS.publish)
_ECHO = {"--icmp-type": "8", "--icmpv6-type": "128"}
# A set cannot hold /0: it has both halves instead.
_HALVES = ({"0.0.0.0/1", "128.0.0.0/1"}, {"::/1", "8000::/1"})

# Sources as a policy writes them: any, an address, @name. A list that became a set has the name that the set's generations share.
# Behind each may stand the interface by which it has to come, then the time at which it ends, and then the limit of its connections.
Who = Tuple[str, ...]
BY = " by "
UNTIL = " until "
_ANY: Who = (ANY,)


class Rule(NamedTuple):
    """target: None for everything. sources: for egress, the destinations. verdict: RETURN, DROP, or DNAT's destination. comments: as the user
    wrote them."""

    target: Optional[Target]
    sources: Who
    verdict: str
    comments: Tuple[str, ...] = ()

    @property
    def is_of_any(self) -> bool:
        return ANY in self.sources


class _Way(NamedTuple):
    """The match options of rules for one direction. end: the other end's address. of_set: the other end's side in a set match. address: the host's
    address. local: an option that only says that the address is the host's. interface: the option for the other end's interface."""

    end: str
    of_set: str
    address: str = ""
    local: str = ""
    interface: str = ""


_INWARD = _Way("-s", "src", "-d", "--dst-type", "-i")
_OUTWARD = _Way("-d", "dst")


class Rules:
    """A chain's rules in order, with an index by port: there may be a thousand for other ports. limits: what ``limits_in`` finds in the chain's table."""

    def __init__(self, rules: Iterable[str] = (), limits: Optional[Mapping[str, str]] = None) -> None:
        self._all = [rule for rule in (_read(text, _INWARD, limits or {}) for text in rules) if rule is not None]
        self._single: Dict[Tuple[str, int], List[int]] = {}
        self._wide: List[int] = []
        for place, rule in enumerate(self._all):
            ports = None if rule.target is None else rule.target.ports
            if rule.target is not None and ports is not None and ports.first == ports.last:
                self._single.setdefault((rule.target.protocol, ports.first), []).append(place)
            else:
                self._wide.append(place)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._all)

    def about(self, target: Optional[Target]) -> List[Rule]:
        """Return all rules that cover a whole target, and perhaps others."""
        mine: List[int] = []
        if target is not None and target.ports is not None:
            mine = self._single.get((target.protocol, target.ports.first), [])
        return [self._all[place] for place in sorted(mine + self._wide)]


class Said(NamedTuple):
    """One family's rules about published ports, host services and opened ports.

    outside: the judged interfaces; empty if there are none. direct: whether containers' own addresses are closed. routed: the rules for
    containers on networks in routed mode. denied_ports, denied_services: sources that are denied whatever the rules say.
    """

    outside: Tuple[str, ...]
    ports: Rules
    direct: bool
    services: Rules
    opened: Rules
    routed: Rules
    denied_ports: Who
    denied_services: Who


def said(state: State, held: Held = MappingProxyType({})) -> Said:
    """Read one family's state. Skip chains that no jump leads to. held: the entries of sets that follow containers; without them their rules say nothing."""
    guarded, received, opened = [behind(state, hook) for hook in (guard.HOOK, host_input.HOOK, _OPENED)]
    judged = _both(guarded, guard.CHAIN)
    services = _both(received, host_input.CHAIN)
    return Said(
        _interfaces(judged + services),
        Rules(with_ports(guarded.get(guard.PORTS, ()), held), limits_in(guarded)),
        any(map(_closes_containers, judged)),
        Rules(services, limits_in(received)),
        Rules(opened.get(POLICY_PORTS.publish, ())),
        Rules(with_ports(guarded.get(guard.ROUTED, ()), held), limits_in(guarded)),
        _denied(guarded, guard.PORTS, guard.DENIED),
        _denied(received, host_input.CHAIN, host_input.DENIED),
    )


def _denied(chains: Mapping[str, Sequence[str]], judging: str, denying: str) -> Who:
    """Return the sources that one chain leads to another, if that one drops them and not only observes."""
    if not any(parse(rule).goes_to == "DROP" for rule in chains.get(denying, ())):
        return ()
    # A chain may have the same source for several interfaces.
    leading = [parse(rule) for rule in chains.get(judging, ())]
    return tuple(dict.fromkeys(_source(rule) for rule in leading if rule.goes_to == denying))


def _source(rule: SavedRule) -> str:
    return next((who for match in rule.asks for who in [_end(match, _INWARD)] if who is not None), ANY)


def published_target(family: int, address: Optional[str], port: int, protocol: str) -> Target:
    """Return a published port as a rule's target."""
    return Target(protocol, Ports(port, port), None if address is None else HostAddress(family, address))


def reach_all_of(rules: Rules, target: Optional[Target]) -> Who:
    """Return the sources that reach a whole target. target: None for everything that no rule names."""
    return _who(rules.about(target), target)


def comments_on(rules: Rules, target: Optional[Target]) -> Tuple[str, ...]:
    """Return the user's comments on exactly this target."""
    return tuple(comment for rule in rules.about(target) if rule.target == target for comment in rule.comments)


def reach_some_of(rules: Rules, target: Target) -> Who:
    """Return the sources that reach a target on at least one of the host's addresses."""
    found = rules.about(target)
    if target.address is None:
        found = [rule if rule.target is None or rule.verdict == "DROP" else rule._replace(target=rule.target._replace(address=None)) for rule in found]
    return _who(found, target)


def _who(rules: Iterable[Rule], target: Optional[Target]) -> Who:
    found: Dict[str, None] = {}
    for rule in rules:
        if _covers(rule.target, target):
            if rule.verdict == "DROP":
                return tuple(found)
            found.update(dict.fromkeys(rule.sources))
            if ANY in found:
                break
    return _ANY


def expanded(sources: Sequence[str], lists: Mapping[str, Iterable[str]]) -> Who:
    """Replace the given lists by their entries. lists: by the name that a list's generations share."""
    parts = [source.partition(" ") for source in sources]
    found = dict.fromkeys(each + space + behind for name, space, behind in parts for each in (sorted(lists[name]) if name in lists else [name]))
    return _ANY if any(halves <= set(found) for halves in _HALVES) else tuple(found)


def is_list(name: str) -> bool:
    """Whether a kernel set comes from a list in a policy's entry."""
    return called(name).startswith(reserved_names.ANONYMOUS)


def _covers(wide: Optional[Target], narrow: Optional[Target]) -> bool:
    if wide is None:
        return True
    if narrow is None or wide.protocol != narrow.protocol or wide.address not in (None, narrow.address):
        return False
    if wide.ports is None or narrow.ports is None:
        return wide.ports is None
    return wide.ports.first <= narrow.ports.first and narrow.ports.last <= wide.ports.last


def behind(state: State, hook: Hook) -> Mapping[str, Sequence[str]]:
    """Return our chains in the hook's table; none if the hook is absent."""
    held = state.get(hook.table, TableState())
    return held.chains if any(target_of(rule) == hook.target for rule in held.jumps.get(hook.parent, ())) else {}


def _both(chains: Mapping[str, Sequence[str]], name: str) -> List[str]:
    return [*chains.get(name, ()), *chains.get(name + OUTSIDE, ())]


def _closes_containers(text: str) -> bool:
    """Whether a rule closes containers' own addresses. A rule with more matches closes less and does not count."""
    rule = parse(text)
    closed = [called(match.name) for match in rule.asks if isinstance(match, SetMatch) and match.sides == "dst" and not match.negated]
    return rule.target == Verdict("DROP") and len(rule.asks) == 1 and closed == [reserved_names.CONTAINER_NETWORKS]


def _interfaces(rules: Sequence[str]) -> Tuple[str, ...]:
    """Return the judged interfaces. A rule's other matches do not matter: it judges some packets of that interface."""
    named = [
        match.name for rule in map(parse, rules) if rule.goes_to.endswith(OUTSIDE)
        for match in rule.asks if isinstance(match, InterfaceMatch) and match.option == "-i" and not match.negated
    ]
    return tuple(dict.fromkeys(named)) or ((EVERYWHERE,) if rules else ())


def outward(text: str) -> Optional[Rule]:
    """Read a rule about packets' destinations; None for any other rule."""
    return _read(text, _OUTWARD, {})


def read_inward(text: str, limits: Mapping[str, str]) -> Optional[Rule]:
    """Read a rule about packets' sources; None for any other rule. limits: of the same table (limits_in)."""
    return _read(text, _INWARD, limits)


def _read(text: str, way: _Way, limits: Mapping[str, str]) -> Optional[Rule]:
    """Read a rule; None for a rule about something else: replies, errors, packets that every host needs."""
    rule = parse(text)
    verdict = "RETURN" if rule.goes_to in limits else _verdict(rule.target)
    if verdict is None:
        return None
    protocol: Optional[str] = None
    ports: Optional[Ports] = None
    address: Optional[HostAddress] = None
    who = _ANY
    interface = until = ""
    for match in rule.asks:
        if match.negated:
            return None
        if isinstance(match, ProtocolMatch) and match.option == "-p":
            protocol = match.name
        elif isinstance(match, PortMatch) and match.option == "--dport" and match.ranges:
            ports = Ports(*match.ranges[0])
        elif isinstance(match, ValueMatch) and _ECHO.get(match.option) == match.value:
            protocol = ICMP
        elif isinstance(match, InterfaceMatch) and match.option == way.interface:
            interface = match.name
        elif isinstance(match, SetMatch) and match.sides == way.of_set and reserved_names.end_of(called(match.name)):
            until = UNTIL + (reserved_names.end_of(called(match.name)) or "")
        elif _end(match, way) is not None:
            who = (_end(match, way) or ANY,)
        elif isinstance(match, AddressMatch) and match.option == way.address:
            address = HostAddress(IPV6 if ":" in match.network else IPV4, plain(match.network))
        elif match.option != way.local:
            return None
    if interface:
        if protocol is None or verdict == "DROP":
            # All that comes in by an interface, whatever it is to; or what an entry never says.
            return None
        who = (who[0] + BY + interface,)
    who = (who[0] + until + limits.get(rule.goes_to, ""),)
    return Rule(None if protocol is None else Target(protocol, ports, address), who, verdict, rule.comments)


def _end(match: Match, way: _Way) -> Optional[str]:
    """Return the other end that a match is about, as a policy writes it; None if it is about something else."""
    if isinstance(match, AddressMatch) and match.option == way.end:
        return plain(match.network)
    if isinstance(match, SetMatch) and match.sides == way.of_set:
        return any_generation(match.name) if is_list(match.name) else "@" + called(match.name)
    return None


def _verdict(target: Optional[SavedTarget]) -> Optional[str]:
    """REJECT counts as DROP."""
    if isinstance(target, Verdict):
        return "DROP" if target.name == "REJECT" else target.name
    return target.to if isinstance(target, Translation) and target.name == "DNAT" else None


def plain(address: str) -> str:
    """Return a single address without its /32 or /128."""
    head, _slash, length = address.partition("/")
    return head if length == ("128" if ":" in head else "32") else address
