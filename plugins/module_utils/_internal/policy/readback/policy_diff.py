# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Describe a policy's change in the policy's own words: which sources reach which ports, before and after."""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from ...engine.api.answers import PublishedPort
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.kernel.state import State
from ...netfilter.reconcile.diff import whole
from ...netfilter.reconcile.plan import Plan
from ...netfilter.rules.ownership import called
from ..blocks.by_name import entries_by_name
from ..blocks.engine_sets import known_by
from ..chains.egress import spoken_names
from ..compile.denials import logs_in_words
from ..language.model import Policy
from ..values.named_containers import spoken_by_set
from ..values.values import ANY, ICMP, Ports, Target
from .egress_diff import egress_lines, host_lines
from .limit_words import unlimited
from .named_containers import Held
from .named_lines import named_lines
from .rules_to_policy import Rule, Rules, Said, Who, comments_on, published_target, reach_all_of, said
from .set_contents import lists_in, named_in
from .wording import Line, Lists, Wording, Words, in_order, merged, target_text

# The states at one moment, by family.
States = Mapping[int, State]
_Moment = Dict[int, Said]


class _Subjects(NamedTuple):
    """The subjects of the lines, the same before and after. ports: with the containers that publish them now. late: ports that the guard does
    not know yet."""

    ports: Dict[Target, Tuple[str, ...]]
    late: Set[Target]
    services: List[Target]
    routed: List[Target]


def of_plan(plan: Plan, ipset: Ipset, published: Iterable[PublishedPort], policy: Policy) -> Words:
    """Return a plan in words. published: the engine's ports now. policy: the new one."""
    before, after = plan.states
    spoken = {} if policy.egress is None else spoken_names(policy.egress)
    spoken.update(spoken_by_set(tuple(entry.target for entry in entries_by_name(policy))))
    return in_words(before, after, lists_in(ipset, plan), _known(plan, published), spoken, named_in(ipset, plan))


def in_words(
    before: States,
    after: States,
    lists: Lists,
    published: Iterable[Tuple[PublishedPort, bool]],
    spoken: Mapping[str, str],
    held: Tuple[Held, Held] = ({}, {}),
) -> Words:
    """Return the same for two states of the host's families. published: with whether the guard knows the port already. spoken: the names of
    egress blocks for people, and of whom entries name. held: what the sets hold that follow these."""
    moments = [{family: said(state, now) for family, state in states.items()} for states, now in zip((before, after), held)]
    subjects = _subjects(moments, published)
    wording = Wording(lists)
    was, will = host_lines((before, after), wording)
    return Words(
        [
            *_Lines(moments[0], wording).about(subjects), *named_lines(before, held[0], spoken, wording), *egress_lines(before, wording, spoken),
            *was, *_logs(before),
        ],
        [
            *_Lines(moments[1], wording).about(subjects._replace(late=set())), *named_lines(after, held[1], spoken, wording),
            *egress_lines(after, wording, spoken), *will, *_logs(after),
        ],
    )


def _logs(states: States) -> List[Line]:
    """Return a line for each section whose denied packets are logged, or observed."""
    rules = {family: logs_in_words(state) for family, state in states.items()}
    whats = dict.fromkeys(what for each in rules.values() for what in each)
    return [
        Line(what, ", ".join(merged({family: [each[what]] if what in each else [] for family, each in rules.items()})))
        for what in whats
    ]


def _known(plan: Plan, published: Iterable[PublishedPort]) -> List[Tuple[PublishedPort, bool]]:
    added: Dict[Tuple[str, int], FrozenSet[str]] = {}
    for change in whole(plan.sets):
        if change.live is not None and change.target is not None:
            entries = (change.target.entries or frozenset()) - (change.live.entries or frozenset())
            added[called(change.name), change.target.family] = entries
    return [(port, not any(entry in added.get((name, port.family), ()) for entry in entries))
            for port in published for name, entries in [known_by(*port[:4])]]


def _subjects(moments: List[_Moment], published: Iterable[Tuple[PublishedPort, bool]]) -> _Subjects:
    parts = [part for moment in moments for part in moment.values()]
    ports, late = _published(published)
    for target in _about(rule for part in parts for rule in part.ports):
        ports.setdefault(target, ())
    # A port that docker-proxy may serve is among the services too; it gets one line.
    services = [
        target for part in parts for target in _about(part.services)
        if target not in ports or _as_said(part.services, target) != _as_said(part.ports, target)
    ]
    routed = [target for part in parts for target in _about(part.routed)]
    return _Subjects(ports, late, list(dict.fromkeys(services)), list(dict.fromkeys(routed)))


def _as_said(rules: Rules, target: Target) -> Set[str]:
    """Return who reaches a target, without limits: of two chains that see a packet, one counts it."""
    return {unlimited(source) for source in reach_all_of(rules, target)}


def _about(rules: Iterable[Rule]) -> List[Target]:
    return [rule.target for rule in rules if rule.target is not None]


def _published(published: Iterable[Tuple[PublishedPort, bool]]) -> Tuple[Dict[Target, Tuple[str, ...]], Set[Target]]:
    """Return ports with their containers' names, and the ports that the guard does not know. Neighbouring ports of the same containers become
    one range."""
    containers: Dict[Target, List[Tuple[str, bool]]] = {}
    for port, is_known in published:
        if not port.loopback:
            containers.setdefault(published_target(*port[:4]), []).append((port.container_name, is_known))
    found: List[Tuple[Target, Tuple[str, ...], bool]] = []
    for target in sorted(containers, key=lambda target: (target.protocol, str(target.address), in_order(target))):
        of = tuple(sorted({name for name, _is_known in containers[target]}))
        is_late = not all(is_known for _name, is_known in containers[target])
        if found and found[-1][1:] == (of, is_late) and _is_next(found[-1][0], target):
            target = _joined(found.pop()[0], target)
        found.append((target, of, is_late))
    return {target: of for target, of, _is_late in found}, {target for target, _of, is_late in found if is_late}


def _is_next(before: Target, target: Target) -> bool:
    one, other = before.ports, target.ports
    return one is not None and other is not None and one.last + 1 == other.first and before == target._replace(ports=one)


def _joined(before: Target, target: Target) -> Target:
    one, other = before.ports, target.ports
    return target if one is None or other is None else target._replace(ports=Ports(one.first, other.last))


class _Lines:
    """Lines about one moment."""

    def __init__(self, moment: _Moment, wording: Wording) -> None:
        self._moment, self._wording = moment, wording

    def about(self, subjects: _Subjects) -> List[Line]:
        """Every line, in order."""
        outside = dict.fromkeys(interface for part in self._moment.values() for interface in part.outside)
        lines = [Line("outside", ", ".join(outside))] if outside else []
        lines += self._denied("every published port", lambda part: part.denied_ports)
        lines += [
            self._published(target, subjects)
            for target in sorted(subjects.ports, key=in_order)
        ]
        lines.append(self._who("every other published port", _ports, None))
        lines.append(self._line("containers' own addresses", {family: () if part.direct else (ANY,) for family, part in self._moment.items()}))
        lines += [self._routed(target) for target in sorted(subjects.routed, key=in_order)]
        lines += self._opened()
        lines += self._denied("every service of the host", lambda part: part.denied_services)
        lines += [self._who(_service(target), _services, target) for target in sorted(subjects.services, key=in_order)]
        lines.append(self._who("every other service of the host", _services, None))
        return lines

    def _denied(self, what: str, denied: Callable[[Said], Who]) -> List[Line]:
        """Return a line about sources that are denied ahead of every entry, if there are any."""
        who = {family: denied(part) for family, part in self._moment.items()}
        return [self._line("denied at " + what, who)] if any(who.values()) else []

    def _published(self, target: Target, subjects: _Subjects) -> Line:
        line = self._who("port " + target_text(target), _ports, target)
        return line._replace(who=line.who + self._past(target, subjects), of=subjects.ports[target])

    def _who(self, what: str, rules: Callable[[Said], Rules], target: Optional[Target]) -> Line:
        parts = {family: rules(part) for family, part in self._moment.items() if target is None or family in target.families}
        comments = dict.fromkeys(comment for each in parts.values() for comment in comments_on(each, target))
        line = self._line(what, {family: reach_all_of(each, target) for family, each in parts.items()})
        return line._replace(note="".join("  # " + comment for comment in comments))

    def _past(self, target: Target, subjects: _Subjects) -> str:
        """Return a note if docker-proxy's clients pass. The guard judges a port that it knows; the rules for services judge any other."""
        closed = [part for family, part in self._moment.items() if family in target.families and reach_all_of(part.ports, target) != (ANY,)]
        is_open = target in subjects.late and any(reach_all_of(part.services, target) == (ANY,) for part in closed)
        return ", and whoever comes by docker-proxy" if is_open else ""

    def _routed(self, target: Target) -> Line:
        """Return the line about a port of containers on routed networks, at the containers' own addresses."""
        who: Dict[int, Who] = {}
        for family, part in self._moment.items():
            if family in target.families:
                nothing_said = () if part.direct else (ANY,)
                who[family] = reach_all_of(part.routed, target) if _about(part.routed) else nothing_said
        return self._line(_called("port", target) + " of containers on routed networks", who)

    def _opened(self) -> List[Line]:
        """Return the lines about opened ports. They are there while the ports are open."""
        found: Dict[Tuple[Target, str], Dict[int, Who]] = {}
        for family, part in self._moment.items():
            for rule in part.opened:
                if rule.target is not None and rule.verdict != "RETURN":
                    sources = found.setdefault((rule.target, rule.verdict), {})
                    sources[family] = sources.get(family, ()) + rule.sources
        ordered = sorted(found.items(), key=lambda item: (in_order(item[0][0]), item[0][1]))
        return [self._line("port %s, opened to %s" % (target_text(target), end), sources) for (target, end), sources in ordered]

    def _line(self, what: str, by_family: Mapping[int, Who]) -> Line:
        who = merged({family: self._wording.each(sources, "anybody") for family, sources in by_family.items()})
        return Line(what, ", ".join(who) or "nobody")


def _service(target: Target) -> str:
    return _called("service", target)


def _called(what: str, target: Target) -> str:
    """Ping is neither a port nor a service."""
    return target_text(target) if target.protocol == ICMP else "%s %s" % (what, target_text(target))


def _ports(part: Said) -> Rules:
    return part.ports


def _services(part: Said) -> Rules:
    return part.services
