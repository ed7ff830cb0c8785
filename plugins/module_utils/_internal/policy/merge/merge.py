# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Merge a profile and the fragments of a policy by weight.

The heaviest fragment decides for each key, each set's name, each entry's target. At equal weight lists, sets and
sources add up. Keys that can only have one value must agree. Tests and denied sources add up at any weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Tuple, TypeVar

from ...address import FAMILIES, quoted
from ...errors import DrawbridgeError
from ..language.model import HostServices, NamedAddresses, Policy, PublishedPorts
from ..language.schema import POLICY_KEYS, looked_up, parse_part
from ..language.settings import Choices
from ..values import check
from ..values.entries import Zone, union
from ..values.members import latest
from ..values.values import Sources
from .ways_out import given, merge_egress, merge_host_egress, merge_masquerade, merged_entries
from .weights import Statement, agreed, by_key, heaviest

if TYPE_CHECKING:
    from ..language.container_rules import ContainerRules
    from ..language.open_ports import OpenPort
    from ..language.policy_tests import PolicyTest

V = TypeVar("V")
Section = TypeVar("Section", PublishedPorts, HostServices)

DEFAULT_WEIGHT = 50
# Fragments' weights start at 0, so every fragment is heavier than the profile.
_PROFILE_WEIGHT = -1
MAX_WEIGHT = 1000000
FRAGMENT_KEYS: check.Keys = {"weight": "weight", **POLICY_KEYS}


class Fragment(NamedTuple):
    """A part of a policy, with its name and weight."""

    name: str
    weight: int
    policy: Policy


def parse_fragment(name: str, raw: object) -> Fragment:
    """Parse a fragment: a policy's keys and ``weight``. Paths in errors begin with its name."""
    given = dict(check.mapping(raw, name, FRAGMENT_KEYS))
    weight = given.pop("weight", DEFAULT_WEIGHT)
    if isinstance(weight, str) and weight.isascii() and weight.isdigit() and len(weight) <= len(str(MAX_WEIGHT)):
        weight = int(weight)  # a template's result
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= MAX_WEIGHT:
        raise DrawbridgeError("%s is not a whole number from 0 to %d" % (quoted(weight), MAX_WEIGHT), name + ".weight")
    return Fragment(name, weight, parse_part(given, name))


def parse_profile(name: str, raw: object) -> Fragment:
    """Parse a profile. It is lighter than every fragment."""
    return Fragment(name, _PROFILE_WEIGHT, parse_part(raw, name))


def merge(fragments: Iterable[Fragment]) -> Policy:
    """Merge the fragments, with or without a profile, into one policy. Its paths still name the fragments.

    Raises DrawbridgeError that names both fragments if two of equal weight contradict each other and no heavier one
    decides.
    """
    ordered = sorted(fragments, key=lambda fragment: (fragment.weight, fragment.name))
    return looked_up(Policy(
        address_sets=_address_sets(ordered),
        external_interfaces=_names(ordered, lambda policy: policy.external_interfaces),
        unmanaged_interfaces=_names(ordered, lambda policy: policy.unmanaged_interfaces),
        published_ports=_published_ports(ordered),
        host_services=_host_services(ordered),
        forwarding=_choices(ordered, lambda policy: policy.forwarding),
        forward_policy=_choices(ordered, lambda policy: policy.forward_policy),
        daemon=_choices(ordered, lambda policy: policy.daemon),
        masquerade=merge_masquerade(_sections(ordered, lambda policy: policy.masquerade)),
        egress=merge_egress(_sections(ordered, lambda policy: policy.egress)),
        host_egress=merge_host_egress(_sections(ordered, lambda policy: policy.host_egress)),
        open_ports=_open_ports(ordered),
        containers=_containers(ordered),
        log_denied=_choices(ordered, lambda policy: policy.log_denied),
        tests=_tests(ordered),
        zones=_zones(ordered),
    ))


def _names(fragments: List[Fragment], of: Callable[[Policy], Tuple[str, ...]]) -> Tuple[str, ...]:
    names = [name for item in heaviest(_sections(fragments, lambda policy: of(policy) or None)) for name in item.value]
    return tuple(dict.fromkeys(names))


def _address_sets(fragments: List[Fragment]) -> Dict[str, NamedAddresses]:
    stated = [(name, Statement(item, value)) for item in fragments for name, value in item.policy.address_sets.items()]
    merged = {}
    for name, items in by_key(stated):
        values = [item.value for item in items]
        if any(value.feed is not None for value in values):
            merged[name] = _fed(values)
            continue
        addresses: Dict[int, FrozenSet[str]] = {family: frozenset().union(*(value.addresses[family] for value in values)) for family in FAMILIES}
        merged[name] = NamedAddresses(name, addresses, values[0].path, ends=latest([(value.addresses, value.ends) for value in values]))
    return merged


def _fed(values: List[NamedAddresses]) -> NamedAddresses:
    """A feed does not add up with anything: what it brought last could not be told from the rest."""
    first = values[0]
    for value in values[1:]:
        if (value.feed, value.addresses) != (first.feed, first.addresses):
            raise DrawbridgeError("a feed stands alone, and %s has the same weight" % first.path, value.path, "give one a higher weight, or another name")
    return first


def _zones(fragments: List[Fragment]) -> Tuple[Zone, ...]:
    """The heaviest fragments decide for each zone's name, and have to agree: a union of two zones would be neither."""
    stated = [(zone.name, Statement(item, zone)) for item in fragments for zone in item.policy.zones]
    merged = []
    for name, (first, *others) in by_key(stated):
        for item in others:
            if item.value.meaning != first.value.meaning:
                raise DrawbridgeError(
                    "the zone %s is another one in %s, which has the same weight %d" % (name, first.fragment.name, first.fragment.weight),
                    item.value.path,
                    "give the one that decides a higher weight",
                )
        merged.append(first.value)
    return tuple(merged)


def _published_ports(fragments: List[Fragment]) -> Optional[PublishedPorts]:
    sections = _sections(fragments, lambda policy: policy.published_ports)
    if not sections:
        return None
    return PublishedPorts(
        sections[-1].value.path,
        _scalar(sections, "default", lambda section: section.default),
        _scalar(sections, "direct", lambda section: section.direct),
        merged_entries(sections, lambda section: section.allow),
        merged_entries(sections, lambda section: section.routed),
        _scalar(sections, "mode", lambda section: section.mode),
        deny=_denied(sections),
    )


def _host_services(fragments: List[Fragment]) -> Optional[HostServices]:
    sections = _sections(fragments, lambda policy: policy.host_services)
    if not sections:
        return None
    return HostServices(
        sections[-1].value.path,
        _scalar(sections, "default", lambda section: section.default),
        merged_entries(sections, lambda section: section.allow),
        _swarm(sections),
        _scalar(sections, "mode", lambda section: section.mode),
        deny=_denied(sections),
    )


def _denied(sections: List[Statement[Section]]) -> Optional[Sources]:
    """The denied sources of all fragments: a heavier fragment takes no denial of a lighter one back."""
    stated = [item.value.deny for item in sections if item.value.deny is not None]
    return union(stated) if stated else None


def _swarm(sections: List[Statement[HostServices]]) -> Optional[Sources]:
    stated = heaviest(given(sections, lambda services: services.swarm))
    return union(item.value for item in stated) if stated else None


def _sections(fragments: List[Fragment], of: Callable[[Policy], Optional[V]]) -> List[Statement[V]]:
    return given([Statement(fragment, fragment.policy) for fragment in fragments], of)


def _open_ports(fragments: List[Fragment]) -> Optional[Tuple[OpenPort, ...]]:
    sections = _sections(fragments, lambda policy: policy.open_ports)
    if not sections:
        return None
    from .containers import merge_open_ports  # pylint: disable=import-outside-toplevel

    return merge_open_ports(sections)


def _containers(fragments: List[Fragment]) -> Optional[Tuple[ContainerRules, ...]]:
    sections = _sections(fragments, lambda policy: policy.containers)
    if not sections:
        return None
    from .containers import merge_containers  # pylint: disable=import-outside-toplevel

    return merge_containers(sections)


def _tests(fragments: List[Fragment]) -> Tuple[PolicyTest, ...]:
    """All tests of all fragments: a heavier fragment takes no promise of a lighter one back."""
    stated = [fragment.policy.tests for fragment in fragments if fragment.policy.tests]
    if not stated:
        return ()
    from ..language.policy_tests import together  # pylint: disable=import-outside-toplevel

    return together(stated)


def _scalar(sections: List[Statement[Section]], key: str, of: Callable[[Section], Optional[str]]) -> Optional[str]:
    stated = [
        Statement(item.fragment, value, "%s.%s" % (item.value.path, key))
        for item in sections
        for value in [of(item.value)]
        if value is not None
    ]
    return agreed(stated) if stated else None


def _choices(fragments: List[Fragment], of: Callable[[Policy], Optional[Choices]]) -> Optional[Choices]:
    sections = _sections(fragments, of)
    if not sections:
        return None
    stated: Dict[Tuple[str, ...], List[Statement[object]]] = {}
    for section in sections:
        for key, value in section.value.values.items():
            stated.setdefault(key, []).append(Statement(section.fragment, value, section.value.place(key)))
    return Choices(sections[-1].value.path, {key: agreed(items) for key, items in stated.items()})
