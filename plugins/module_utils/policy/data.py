# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy as plain data again, in the form that users write, and where each part of that came from."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from ..netfilter.model import FAMILIES
from .choices import sections
from .egress_data import egress_data, egress_places
from .masquerade import masquerade_data, places
from .model import Entry, Policy, Target
from .plain import plain_sources, ports_data, sources_data


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
    if policy.masquerade is not None:
        data["masquerade"] = masquerade_data(policy.masquerade)
    if policy.egress is not None:
        data["egress"] = egress_data(policy.egress)
    return data


def origins(policy: Policy, path: str = "policy") -> Dict[str, str]:
    """Places in :func:`policy_data` → the places where the user wrote it, for errors that name the former."""
    found = {"%s.address_sets.%s" % (path, name): item.path for name, item in policy.address_sets.items()}
    found.update({"%s.%s" % (path, key): choices.path for key, choices in sections(policy)})
    if policy.masquerade is not None:
        found.update(places(policy.masquerade, path + ".masquerade"))
    if policy.egress is not None:
        found.update(egress_places(policy.egress, path + ".egress"))
    for section in (policy.published_ports, policy.host_services):
        if section is None:
            continue
        place = "%s.%s" % (path, "published_ports" if section is policy.published_ports else "host_services")
        found[place] = section.path
        for index, entry in enumerate(section.allow):
            found["%s.allow[%d]" % (place, index)] = entry.path
            plain = len(plain_sources(entry.sources))
            for offset, reference in enumerate(entry.sources.sets):
                found["%s.allow[%d].sources[%d]" % (place, index, plain + offset)] = reference.path
    return found


def _section(allow: Tuple[Entry, ...], **scalars: Any) -> Dict[str, Any]:
    data: Dict[str, Any] = {key: value for key, value in scalars.items() if value is not None}
    if allow:
        data["allow"] = [dict(_target(entry.target), sources=sources_data(entry.sources)) for entry in allow]
    return data


def _target(target: Target) -> Dict[str, Any]:
    data: Dict[str, Any] = {"protocol": target.protocol}
    if target.ports is not None:
        data["port"] = ports_data(target.ports)
    if target.address is not None:
        data["address"] = target.address.address or ("0.0.0.0" if target.address.family == FAMILIES[0] else "::")
    return data
