# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy as plain data again, in the form that users write, and where each part of that came from."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from ..netfilter.model import FAMILIES
from .choices import sections
from .model import Entry, Policy, Sources, Target


def policy_data(policy: Policy) -> Dict[str, Any]:
    """What :func:`.schema.parse_policy` reads back as the same policy; two policies that mean the same are equal here."""
    data: Dict[str, Any] = {}
    if policy.address_sets:
        data["address_sets"] = {
            name: [address for family in FAMILIES for address in sorted(item.addresses[family])]
            for name, item in sorted(policy.address_sets.items())
        }
    for key, names in (("external_interfaces", policy.external_interfaces), ("leave_alone", policy.leave_alone)):
        if names:
            data[key] = list(names)
    ports, services = policy.published_ports, policy.host_services
    if ports is not None:
        data["published_ports"] = _section(ports.allow, default=ports.default, direct=ports.direct)
    if services is not None:
        data["host_services"] = _section(services.allow, default=services.default)
    data.update({key: section.data() for key, section in sections(policy)})
    return data


def origins(policy: Policy, path: str = "policy") -> Dict[str, str]:
    """Places in :func:`policy_data` → the places where the user wrote it, for errors that name the former."""
    found = {"%s.address_sets.%s" % (path, name): item.path for name, item in policy.address_sets.items()}
    found.update({"%s.%s" % (path, key): choices.path for key, choices in sections(policy)})
    for section in (policy.published_ports, policy.host_services):
        if section is None:
            continue
        place = "%s.%s" % (path, "published_ports" if section is policy.published_ports else "host_services")
        found[place] = section.path
        for index, entry in enumerate(section.allow):
            found["%s.allow[%d]" % (place, index)] = entry.path
            plain = len(_plain_sources(entry.sources))
            for offset, reference in enumerate(entry.sources.sets):
                found["%s.allow[%d].sources[%d]" % (place, index, plain + offset)] = reference.path
    return found


def _section(allow: Tuple[Entry, ...], **scalars: Any) -> Dict[str, Any]:
    data: Dict[str, Any] = {key: value for key, value in scalars.items() if value is not None}
    if allow:
        data["allow"] = [dict(_target(entry.target), sources=_sources(entry.sources)) for entry in allow]
    return data


def _target(target: Target) -> Dict[str, Any]:
    data: Dict[str, Any] = {"protocol": target.protocol}
    if target.ports is not None:
        data["port"] = target.ports.first if target.ports.first == target.ports.last else "%d-%d" % target.ports
    if target.address is not None:
        data["address"] = target.address.address or ("0.0.0.0" if target.address.family == FAMILIES[0] else "::")
    return data


def _sources(sources: Sources) -> List[str]:
    return _plain_sources(sources) + ["@" + reference.name for reference in sources.sets]


def _plain_sources(sources: Sources) -> List[str]:
    addresses = [address for family in FAMILIES for address in sorted(sources.addresses[family])]
    return ["any"] * sources.everybody + addresses
