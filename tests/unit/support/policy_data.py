# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy as plain data again, in the form that users write: two that mean the same are equal here."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import FAMILIES
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.egress import Access, Block, Egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.masquerade import Masquerade, treatment_data
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.model import Policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.settings import SECTIONS, Choices
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.entries import Entry
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.values import DENY, Ports, Sources, Target


def policy_data(policy: Policy) -> dict[str, object]:
    """What parse_policy reads back as the same policy; two policies that mean the same are equal here."""
    data: dict[str, object] = {}
    if policy.address_sets:
        data["address_sets"] = {
            name: [_member(address, item.ends.get(address)) for family in FAMILIES for address in sorted(item.addresses[family])]
            for name, item in sorted(policy.address_sets.items())
        }
    for key, names in (("external_interfaces", policy.external_interfaces), ("unmanaged_interfaces", policy.unmanaged_interfaces)):
        if names:
            data[key] = list(names)
    ports, services = policy.published_ports, policy.host_services
    if ports is not None:
        data["published_ports"] = _section(ports.allow, default=ports.default, direct=ports.direct, deny=ports.deny and sources_data(ports.deny))
    if services is not None:
        extra = {"swarm": services.swarm and sources_data(services.swarm), "deny": services.deny and sources_data(services.deny)}
        data["host_services"] = _section(services.allow, default=services.default, **extra)
    data.update({key: choices_data(getattr(policy, key)) for key in SECTIONS if getattr(policy, key) is not None})
    if policy.masquerade is not None:
        data["masquerade"] = masquerade_data(policy.masquerade)
    if policy.egress is not None:
        data["egress"] = egress_data(policy.egress)
    if policy.host_egress is not None:
        data["host_egress"] = _block(policy.host_egress.block)
    return data


def _member(address: str, until: str | None) -> object:
    return address if until is None else {"address": address, "until": until}


def _section(allow: Iterable[Entry], **scalars: object) -> dict[str, object]:
    data = {key: value for key, value in scalars.items() if value is not None}
    if allow:
        data["allow"] = [
            dict(_target(entry.target), sources=sources_data(entry.sources), **({} if entry.until is None else {"until": entry.until})) for entry in allow
        ]
    return data


def _target(target: Target) -> dict[str, object]:
    data: dict[str, object] = {"protocol": target.protocol}
    if target.ports is not None:
        data["port"] = ports_data(target.ports)
    if target.address is not None:
        data["address"] = target.address.address or ("0.0.0.0" if target.address.family == FAMILIES[0] else "::")
    return data


def masquerade_data(masquerade: Masquerade) -> dict[str, object]:
    """What parse_masquerade reads back as the same."""
    data: dict[str, object] = {}
    if masquerade.everything is not None:
        data["all"] = treatment_data(masquerade.everything)
    if masquerade.networks:
        data["networks"] = {name: treatment_data(item) for name, item in sorted(masquerade.networks.items())}
    if masquerade.subnets:
        data["subnets"] = {str(subnet): treatment_data(item) for subnet, item in sorted(masquerade.subnets.items())}
    return data


def egress_data(egress: Egress) -> dict[str, object]:
    """What parse_egress reads back as the same."""
    data = _block(egress.general)
    if egress.networks:
        data["networks"] = {name: _block(block) for name, block in sorted(egress.networks.items())}
    if egress.containers:
        data["containers"] = [dict([selector], **_block(block)) for selector, block in egress.containers.items()]
    return data


def _block(block: Block) -> dict[str, object]:
    data: dict[str, object] = {} if block.default is None else {"default": block.default}
    for key, entries in (("deny", block.deny), ("allow", block.allow)):
        if entries:
            data[key] = [_entry(entry) for entry in entries]
    if block.dns is not None:
        data["dns"] = _dns(block.dns)
    for key, access in (("host", block.host), ("peers", block.peers)):
        if access is not None:
            data[key] = _access(access, key)
    return data


def _entry(entry: Entry) -> dict[str, object]:
    data: dict[str, object] = {"protocol": entry.target.protocol, "destination": sources_data(entry.sources)}
    return data if entry.target.ports is None else dict(data, port=ports_data(entry.target.ports))


def _dns(sources: Sources) -> bool | list[str]:
    if sources.everybody:
        return True
    return sources_data(sources) or False


def _access(access: Access, key: str) -> str | list[dict[str, object]]:
    if access.verdict != DENY or not access.entries:
        return access.verdict
    entries = [_entry(entry) for entry in access.entries]
    # Services of the host have no destination: it is the host.
    return [{name: value for name, value in entry.items() if key == "peers" or name != "destination"} for entry in entries]


def ports_data(ports: Ports) -> int | str:
    """``443`` or ``8000-8010``"""
    return ports.first if ports.first == ports.last else "%d-%d" % ports


def sources_data(sources: Sources) -> list[str]:
    """Everybody, addresses, then sets, in an order that depends on nothing else."""
    return plain_sources(sources) + ["@" + reference.name for reference in sources.sets]


def plain_sources(sources: Sources) -> list[str]:
    """The same without sets."""
    addresses = [address for family in FAMILIES for address in sorted(sources.addresses[family])]
    return ["any"] * sources.everybody + addresses


def choices_data(choices: Choices) -> dict[str, object]:
    """Settings with one value each."""
    found: dict[str, object] = {}
    for key, value in sorted(choices.values.items()):
        inner: Any = found
        for part in key[:-1]:
            inner = inner.setdefault(part, {})
        inner[key[-1]] = value
    return found
