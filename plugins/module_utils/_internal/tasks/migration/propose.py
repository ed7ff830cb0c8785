# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy that lets in whom the host lets in today, made of verdicts. Where these are in doubt, or cannot be said, it is closed. Pure."""

from __future__ import annotations

import json
import re
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ...address import FAMILIES
from ...inspect.audit.targets import DIRECT, PUBLISHED, SERVICE
from ...netfilter.verdict.walk.asked import Asked
from ...policy.proof.classes import Spans, joined
from .goals import NAMED, OTHER_PORTS, PING, Goal
from .packets import Packets, Sender, networks_of
from .reached import OPEN, Reached

# More sources than these stand in an address set of their own.
_MOST_SOURCES = 4
_EVERY = {4: "0.0.0.0", 6: "::"}
# Names come from the engine and from processes. Only such as these are repeated in a text that people copy.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
Entry = Dict[str, object]
_ANY = ["any"]
_LAST = (1 << 128) - 1
_EVERY_PORT = [(1, 65535)]


class Asker(NamedTuple):
    """The packets of a family, and the answers about them."""

    packets: Packets
    reached: Callable[[Asked], Reached]

    def is_open(self, goal: Goal, sender: Sender) -> bool:
        """Whether a sender reaches a goal, whichever of the host's addresses it dials."""
        asked = self.packets.to(goal.target, sender)
        return bool(asked) and all(self.reached(item).state == OPEN for item in asked)


class _Access(NamedTuple):
    """Who reaches a goal. sources: ``any``, or addresses and networks, which spans are, too. is_for_containers: whether all containers do; None if
    there are none."""

    goal: Goal
    sources: List[str]
    spans: Spans
    is_for_containers: Optional[bool]

    @property
    def is_for_all(self) -> bool:
        return self.sources == _ANY


class Proposal(NamedTuple):
    """policy: as a user writes it. text: the same as YAML."""

    policy: Dict[str, object]
    text: str


def propose(askers: Dict[int, Asker], goals: Dict[int, List[Goal]]) -> Proposal:
    """Return the policy. askers, goals: by family."""
    found = [_access(askers[family], family, goal) for family in FAMILIES if family in askers for goal in goals[family]]
    policy: Dict[str, object] = {"published_ports": {"default": "deny", "allow": _entries(item for item in found if item.goal.target.kind == PUBLISHED)}}
    services = _services([item for item in found if item.goal.target.kind not in (PUBLISHED, DIRECT)])
    if services is not None:
        policy["host_services"] = services
    egress = _egress([item for item in found if item.goal.target.kind != DIRECT])
    if egress is not None:
        policy["egress"] = egress
    sets = _named_sets(policy)
    if sets:
        policy = {"address_sets": sets, **policy}
    return Proposal(policy, _yaml(policy))


def _access(asker: Asker, family: int, goal: Goal) -> _Access:
    senders = asker.packets.senders(goal.target)
    outside = [sender for sender in senders if not sender.is_inside]
    # A class that dials no address of the host's is nobody's.
    inside = [sender for sender in senders if sender.is_inside and asker.packets.to(goal.target, sender)]
    let_in = [sender for sender in outside if asker.is_open(goal, sender)]
    for_containers = all(asker.is_open(goal, sender) for sender in inside) if inside else None
    if outside and len(let_in) == len(outside):
        return _Access(goal, list(_ANY), [(0, _LAST)], for_containers)
    spans = _together([span for sender in let_in for span in sender.spans], asker.packets.neutral(goal.target))
    return _Access(goal, networks_of(spans, family), spans, for_containers)


def _together(wanted: Spans, neutral: Spans) -> Spans:
    """Return the spans, with those that are nobody's where they touch one: the text is shorter, and means the same."""
    starts = sorted(first for first, _last in wanted)
    found = joined([*wanted, *neutral])
    return [(first, last) for first, last in found if any(first <= start <= last for start in starts)]


def _entries(found: Iterable[_Access]) -> List[Entry]:
    """Return the entries of those who are let in. Both families are one entry where it says the same of both."""
    by_place: Dict[Tuple[str, int, int, Optional[str]], Dict[int, _Access]] = {}
    for item in found:
        target = item.goal.target
        for first, last in item.goal.ports or [(0, 0)]:
            by_place.setdefault((target.protocol, first, last, target.address), {})[target.family] = item
    entries: List[Entry] = []
    for (protocol, first, last, address), families in by_place.items():
        both = [families[family] for family in FAMILIES if family in families]
        if len(both) == 2 and (both[0].is_for_all == both[1].is_for_all):
            entries += _entry(protocol, first, last, None, both)
        else:
            for item in both:
                entries += _entry(protocol, first, last, address or _EVERY[item.goal.target.family], [item])
    return entries


def _entry(protocol: str, first: int, last: int, address: Optional[str], found: Sequence[_Access]) -> Iterator[Entry]:
    sources = list(_ANY) if found[0].is_for_all else [source for item in found for source in item.sources]
    if not sources:
        return
    entry: Entry = {"protocol": protocol}
    if first:
        entry = {"port": first if first == last else "%d-%d" % (first, last), "protocol": protocol}
    if address is not None:
        entry["address"] = address
    entry["sources"] = sources
    name = found[0].goal.target.name
    if _PLAIN_NAME.fullmatch(name):
        entry["comment"] = name
    yield entry


def _services(found: List[_Access]) -> Optional[Dict[str, object]]:
    """Return the section about the host's own services; None if everybody outside reaches everything."""
    if all(item.is_for_all for item in found):
        return None
    rest = [item for item in found if item.goal.target.kind in (OTHER_PORTS, PING)]
    if all(item.is_for_all for item in rest):
        # Only what is limited has an entry. An entry without sources closes its port.
        limited = [item for item in found if not item.is_for_all]
        return {"default": "allow", "allow": [*_entries(limited), *_closed(limited)]}
    trusted = [item for item in found if item.goal.target.kind == OTHER_PORTS and item.sources and _is_trusted(item, found)]
    every_port = [item._replace(goal=item.goal._replace(ports=_EVERY_PORT)) for item in trusted]
    named = [item for item in found if item.goal.target.kind in (SERVICE, NAMED, PING) and not any(_is_same(item, whole) for whole in trusted)]
    return {"default": "deny", "allow": _entries([*every_port, *named])}


def _is_trusted(rest: _Access, found: Iterable[_Access]) -> bool:
    """Whether those who reach every port that nothing names reach all others of the host, too. Else a port has to be named to be open."""
    return all(_holds(item.spans, rest.spans) for item in found if _is_alike(item, rest))


def _is_same(item: _Access, rest: _Access) -> bool:
    return _is_alike(item, rest) and item.spans == rest.spans


def _is_alike(item: _Access, rest: _Access) -> bool:
    one, other = item.goal.target, rest.goal.target
    return (one.family, one.protocol) == (other.family, other.protocol)


def _holds(spans: Spans, inner: Spans) -> bool:
    return all(any(first <= start and end <= last for first, last in spans) for start, end in inner)


def _closed(found: Iterable[_Access]) -> Iterator[Entry]:
    for item in found:
        if not item.sources:
            for first, last in item.goal.ports:
                address = item.goal.target.address or _EVERY[item.goal.target.family]
                yield {"port": first if first == last else "%d-%d" % (first, last), "protocol": item.goal.target.protocol, "address": address, "sources": []}


def _egress(found: List[_Access]) -> Optional[Dict[str, object]]:
    """Return the section that keeps containers from services of the host; None if they reach all of them, or if there are none."""
    asked = [item for item in found if item.is_for_containers is not None]
    if all(item.is_for_containers for item in asked):
        return None
    reached: Dict[Tuple[str, int, int], bool] = {}
    for item in asked:
        if item.goal.target.kind != OTHER_PORTS:
            for first, last in item.goal.ports or [(0, 0)]:
                key = item.goal.target.protocol, first, last
                reached[key] = reached.get(key, True) and item.is_for_containers is True
    entries = [
        {"protocol": protocol} if not first else {"port": first if first == last else "%d-%d" % (first, last), "protocol": protocol}
        for (protocol, first, last), is_reached in reached.items() if is_reached
    ]
    return {"host": entries or "deny"}


def _named_sets(policy: Dict[str, object]) -> Dict[str, List[str]]:
    """Put long lists of sources into address sets, each list once. Changes the entries."""
    names: Dict[Tuple[str, ...], str] = {}
    for name in ("published_ports", "host_services"):
        section = policy.get(name)
        entries = section.get("allow") if isinstance(section, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            sources = tuple(entry["sources"])
            if len(sources) > _MOST_SOURCES:
                entry["sources"] = ["@" + names.setdefault(sources, "migrated-%d" % (len(names) + 1))]
    return {name: list(sources) for sources, name in names.items()}


def _yaml(policy: Dict[str, object]) -> str:
    """Return the policy as YAML. Every text in it is quoted: an address of IPv6 has colons."""
    lines: List[str] = []
    for section, value in policy.items():
        lines.append("%s:" % section)
        for key, inner in value.items() if isinstance(value, dict) else ():
            if not isinstance(inner, list) or not inner:
                lines.append("  %s: %s" % (key, _plain(inner)))
            elif isinstance(inner[0], dict):
                lines.append("  %s:" % key)
                for entry in inner:
                    lines += ["    %s %s: %s" % (" " if place else "-", name, _plain(item)) for place, (name, item) in enumerate(entry.items())]
            else:
                lines.append("  %s:" % key)
                lines += ["    - %s" % json.dumps(item) for item in inner]
    return "".join(line + "\n" for line in lines)


_WORDS = ("allow", "deny", "tcp", "udp", "sctp", "icmp")


def _plain(value: object) -> str:
    return str(value) if value in _WORDS else json.dumps(value)
