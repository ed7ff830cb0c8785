# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What can be dialled on a host: the audit's targets, every other port, of each class that the rules tell apart, and ping. Pure."""

from __future__ import annotations

from typing import Dict, Hashable, Iterable, Iterator, List, NamedTuple, Sequence, Tuple

from ...host.system.json_values import mapping
from ...inspect.audit.targets import DIRECT, Target
from ...netfilter.rules.matches import PortMatch
from ...netfilter.verdict.snapshot.nft_tables import NftTable, pairs
from ...netfilter.verdict.snapshot.sets import SavedSet
from ...netfilter.verdict.walk.world import World
from ...policy.proof.classes import Spans, joined, spread
from ...policy.proof.distinctions import Parts

# Kinds of targets beside the audit's: ports that rules name and nobody listens at, all ports that nothing names, and ping.
NAMED, OTHER_PORTS, PING = "named", "other_ports", "ping"
_DPORT = ("--dport", "--dports", "--ctorigdstport")
_BITS = 16
_PROTOCOLS = ("tcp", "udp")
_KNOWN = "known"


class Goal(NamedTuple):
    """A target. ports: all ports that it stands for, none for ping."""

    target: Target
    ports: Spans


def goals_of(family: int, worlds: Iterable[World], sets: Iterable[SavedSet], targets: Sequence[Target]) -> List[Goal]:
    """Return what can be dialled in one family. worlds, sets: of all sides that are compared. targets: the audit's; those of other families are left out."""
    known = [target for target in targets if target.family == family]
    named = _named_ports(worlds, sets)
    found = [Goal(target, [(target.port, target.port)]) for target in known]
    for protocol in _PROTOCOLS:
        parts: Parts = dict(named)
        for target in known:
            if target.protocol == protocol and target.kind != DIRECT:
                parts[_KNOWN, target.address, target.port] = [(target.port, target.port)]
        for one, spans in spread(parts, _BITS):
            # Elsewhere at a port that is served at one address, nobody may listen.
            is_covered = any(isinstance(name, tuple) and name[:2] == (_KNOWN, None) for name in one.within)
            spans = [(max(first, 1), last) for first, last in spans if last]
            if spans and not is_covered:
                found.append(Goal(Target(NAMED if one.within else OTHER_PORTS, family, None, one.address or 1, protocol, ""), spans))
    return [*found, Goal(Target(PING, family, None, 0, "icmp", ""), [])]


def _named_ports(worlds: Iterable[World], sets: Iterable[SavedSet]) -> Parts:
    """Return the ports that rules and sets ask for."""
    found: Dict[Hashable, Spans] = {}
    for world in worlds:
        for variant in world.variants:
            for table in variant.tables.values():
                for rule in table.rules():
                    for match in rule.read.matches:
                        if isinstance(match, PortMatch) and match.option in _DPORT and match.ranges:
                            found[match.ranges] = joined(match.ranges)
        for nft in world.nft_tables:
            for ends in _of_nft_table(nft):
                found[ends] = [ends]
    for saved in sets:
        for ends in _of_set(saved):
            found[ends] = [ends]
    return found


def _of_nft_table(table: NftTable) -> Iterator[Tuple[int, int]]:
    """Yield the ports that a table names: those of matches, and every number in its sets that may be one."""
    for key, value in pairs([rule.statements for rules in table.chains.values() for rule in rules]):
        if key == "match" or key == "vmap":
            left = mapping(mapping(value).get("left" if key == "match" else "key"))
            if "payload" in left or "concat" in left or "ct" in left:
                yield from _numbers(mapping(value).get("right" if key == "match" else "data"))
    for named in table.sets.values():
        yield from _numbers(named.elements)


def _numbers(value: object) -> Iterator[Tuple[int, int]]:
    """Yield every port and every range of ports in nested JSON."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << _BITS:
        yield value, value
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    for key, inner in mapping(value).items():
        if key == "prefix":
            # The length of a network is no port.
            continue
        ends = list(_numbers(inner))
        if key == "range" and len(ends) == 2 and ends[0][0] <= ends[1][0]:
            yield ends[0][0], ends[1][0]
        else:
            yield from ends


def _of_set(saved: SavedSet) -> Iterator[Tuple[int, int]]:
    kinds = saved.kind.partition(":")[2].split(",")
    if "port" not in kinds:
        return
    place = kinds.index("port")
    for entry in saved.entries:
        words = entry.partition(" ")[0].split(",")
        first, _dash, last = words[place].rpartition(":")[2].partition("-") if place < len(words) else ("", "", "")
        if first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first) < 1 << _BITS:
            yield int(first), int(last or first)
