# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Fragments of a policy, laid over a profile by weight → one policy.

The heavier fragment decides: a key, a set of one name, an entry about one target. At equal weight lists, sets and
sources add up, and keys that can only have one value must agree.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..errors import DrawbridgeError
from ..netfilter.address import quoted
from ..netfilter.model import FAMILIES
from . import check
from .choices import Choices
from .entries import together, union
from .model import Entry, HostServices, NamedAddresses, Policy, PublishedPorts, Sources
from .merge_ways_out import merge_egress, merge_masquerade
from .schema import POLICY_KEYS, parse_policy
from .weights import Stated, agreed, by_key, heaviest

DEFAULT_WEIGHT = 50
# Fragments have weights from 0 on: any of them is heavier than the profile.
_PROFILE_WEIGHT = -1
_MAX_WEIGHT = 1000000


class Fragment(NamedTuple):
    """A part of a policy, what it is called, and its weight."""

    name: str
    weight: int
    policy: Policy


def parse_fragment(name: str, raw: Any) -> Fragment:
    """A fragment as the user wrote it: a policy's keys and ``weight``. Errors are placed under its name."""
    given = dict(check.mapping(raw, name, ("weight", *POLICY_KEYS)))
    weight = given.pop("weight", DEFAULT_WEIGHT)
    if isinstance(weight, str) and weight.isascii() and weight.isdigit():
        weight = int(weight)  # a template's result
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= _MAX_WEIGHT:
        raise DrawbridgeError("%s is not a whole number from 0 on" % quoted(weight), name + ".weight")
    return Fragment(name, weight, parse_policy(given, name))


def parse_profile(name: str, raw: Any) -> Fragment:
    """A profile: lighter than every fragment."""
    return Fragment(name, _PROFILE_WEIGHT, parse_policy(raw, name))


def merge(fragments: Iterable[Fragment]) -> Policy:
    """All fragments, a profile among them or not, as one policy. Places inside it still name the fragments.

    Raises DrawbridgeError that names both fragments where two of equal weight contradict each other and no heavier one
    decides.
    """
    ordered = sorted(fragments, key=lambda fragment: (fragment.weight, fragment.name))
    return Policy(
        address_sets=_address_sets(ordered),
        external_interfaces=_names(ordered, "external_interfaces"),
        leave_alone=_names(ordered, "leave_alone"),
        published_ports=_published_ports(ordered),
        host_services=_host_services(ordered),
        forwarding=_choices(ordered, "forwarding"),
        forward_policy=_choices(ordered, "forward_policy"),
        daemon=_choices(ordered, "daemon"),
        masquerade=merge_masquerade(_sections(ordered, "masquerade")),
        egress=merge_egress(_sections(ordered, "egress")),
        open_ports=_listed(ordered, "open_ports"),
        containers=_listed(ordered, "containers"),
    )


def _names(fragments: List[Fragment], key: str) -> Tuple[str, ...]:
    stated = [Stated(fragment, getattr(fragment.policy, key)) for fragment in fragments]
    names = [name for item in heaviest([item for item in stated if item.value]) for name in item.value]
    return tuple(dict.fromkeys(names))


def _address_sets(fragments: List[Fragment]) -> Dict[str, NamedAddresses]:
    stated = [(name, Stated(item, value)) for item in fragments for name, value in item.policy.address_sets.items()]
    merged = {}
    for name, items in by_key(stated):
        values = [item.value for item in items]
        addresses = {family: frozenset().union(*(value.addresses[family] for value in values)) for family in FAMILIES}
        merged[name] = NamedAddresses(name, addresses, values[0].path)
    return merged


def _published_ports(fragments: List[Fragment]) -> Optional[PublishedPorts]:
    sections = _sections(fragments, "published_ports")
    if not sections:
        return None
    return PublishedPorts(
        sections[-1].value.path,
        _scalar(sections, "default"),
        _scalar(sections, "direct"),
        _entries(sections, "allow"),
        _entries(sections, "routed"),
    )


def _host_services(fragments: List[Fragment]) -> Optional[HostServices]:
    sections = _sections(fragments, "host_services")
    if not sections:
        return None
    return HostServices(sections[-1].value.path, _scalar(sections, "default"), _entries(sections, "allow"), _swarm(sections))


def _swarm(sections: List[Stated]) -> Optional[Sources]:
    stated = heaviest([Stated(item.fragment, item.value.swarm) for item in sections if item.value.swarm is not None])
    return union(item.value for item in stated) if stated else None


def _sections(fragments: List[Fragment], key: str) -> List[Stated]:
    found = [Stated(fragment, getattr(fragment.policy, key)) for fragment in fragments]
    return [section for section in found if section.value is not None]


def _listed(fragments: List[Fragment], key: str) -> Any:
    sections = _sections(fragments, key)
    if not sections:
        return None
    from .merge_containers import merge_containers, merge_open_ports  # pylint: disable=import-outside-toplevel

    return merge_open_ports(sections) if key == "open_ports" else merge_containers(sections)


def _scalar(sections: List[Stated], key: str) -> Optional[str]:
    stated = [
        Stated(item.fragment, getattr(item.value, key), "%s.%s" % (item.value.path, key))
        for item in sections
        if getattr(item.value, key) is not None
    ]
    value: Optional[str] = agreed(stated) if stated else None
    return value


def _choices(fragments: List[Fragment], name: str) -> Optional[Choices]:
    sections = _sections(fragments, name)
    if not sections:
        return None
    stated: Dict[Tuple[str, ...], List[Stated]] = {}
    for section in sections:
        for key, value in section.value.values.items():
            stated.setdefault(key, []).append(Stated(section.fragment, value, section.value.place(key)))
    return Choices(sections[-1].value.path, {key: agreed(items) for key, items in stated.items()})


def _entries(sections: List[Stated], key: str) -> Tuple[Entry, ...]:
    stated = [(entry.target, Stated(item.fragment, entry)) for item in sections for entry in getattr(item.value, key)]
    return tuple(together([item.value for item in items]) for _target, items in by_key(stated))
