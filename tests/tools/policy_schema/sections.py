# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The mappings and lists of a policy: which keys they have say the parser's tables; which keys go together is said here, as far as a schema can say it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.selector import ENGINE_SELECTORS, SELECTOR_ARGUMENTS, WITH_POD
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules import structured
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language import (
    container_rules,
    egress,
    masquerade,
    open_port_entries,
    policy_tests,
    schema,
    settings,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import FRAGMENT_KEYS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values import addresses, entries, limits, members, named_containers, values

from .kinds import FORWARDED_INTERFACE, NETWORK
from .patterns import Schema, a_list, any_case, kind, one_of, or_nothing, text, whole
from .words import Words


def mappings(words: Words) -> dict[str, Schema]:
    """The definitions of whatever has keys. words: what to tell about each key."""
    return {
        "policy": _mapping(schema.POLICY_KEYS, words.of("policy")),
        "fragment": _mapping(FRAGMENT_KEYS, words.of("policy")),
        "address_sets": _by_name(kind("set_name"), kind("address_set")),
        "feed": _feed(words),
        "member": _mapping(members.MEMBER_KEYS, words.of("members"), required=list(members.MEMBER_KEYS)),
        "zones": _by_name(kind("zone_name"), kind("zone")),
        "zone": _mapping(entries.ZONE_KEYS, words.of("entries"), minProperties=1),
        "published_ports": _mapping(schema.PUBLISHED_KEYS, words.of("published_ports")),
        "host_services": _mapping(schema.HOST_KEYS, words.of("host_services")),
        **_entries(words),
        **_limits(words),
        **_settings(words),
        **_egress(words),
        **_masquerade(words),
        **_containers(words),
        **_tests(words),
    }


def _mapping(keys: Mapping[str, str], told: Mapping[str, str], **more: object) -> Schema:
    """A mapping with these keys and no other."""
    properties = {key: dict(kind(name), **({"description": told[key]} if key in told else {})) for key, name in keys.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def _by_name(name: Schema, value: Schema) -> Schema:
    return {"type": "object", "propertyNames": name, "additionalProperties": value}


def _without(keys: Sequence[str]) -> Schema:
    return {"properties": dict.fromkeys(keys, False)}


def _feed(words: Words) -> Schema:
    """Which keys go together is said in a way that holds for templates as well."""
    plain = {"required": ["url"], "properties": {"url": {"pattern": whole(addresses.PLAIN_HTTP.pattern)}}}
    return _mapping(
        addresses.FEED_KEYS, words.of("feeds"), oneOf=[{"required": ["url"]}, {"required": ["src"]}], allOf=[
            {"if": {"required": ["src"]}, "then": _without(addresses.OF_URLS)},
            {"if": {"required": ["query"]}, "then": {"required": ["format"], "properties": {"format": {"not": one_of([addresses.TEXT])}}}},
            {"if": plain, "then": {"required": ["allow_http"], "properties": {"allow_http": {"not": one_of([False])}}}},
        ],
    )


def _entries(words: Words) -> dict[str, Schema]:
    told = words.of("entries")
    with_way = {**entries.ENTRY_KEYS, **entries.WAYS, **entries.UNTIL, **limits.LIMITED}
    with_mode = {**with_way, **entries.MODE}
    names = named_containers.KEYS
    who = [{"anyOf": [{"required": [key]} for key in ("sources", *entries.WAYS)]}, {"if": {"required": ["zones"]}, "then": _without(list(entries.ZONE_KEYS))}]
    is_icmp = {"required": ["protocol"], "properties": {"protocol": text(any_case([values.ICMP]))}}
    or_icmp = {"protocol": "protocol_or_icmp"}
    no_icmp = {"properties": {"protocol": kind("protocol")}}
    pings: Schema = {"allOf": who, "if": is_icmp, "then": _without(["port"]), "else": {"required": ["port"]}}
    return {
        "published_entry": _mapping({**with_mode, **names}, told, allOf=who, **_by_container({"required": ["port"]})),
        "published_entries": a_list(kind("published_entry")),
        "routed_entry": _mapping({**with_way, **or_icmp, **names}, told, allOf=who, **_by_container(pings, no_icmp)),
        "routed_entries": a_list(kind("routed_entry")),
        "host_entry": _mapping({**with_mode, **or_icmp}, told, **pings),
        "host_entries": a_list(kind("host_entry")),
    }


def _by_container(else_: Schema, *more: Schema) -> Schema:
    """An entry that names containers, or another one."""
    named: Schema = {
        "required": ["container_port"], "oneOf": [{"required": [key]} for key in named_containers.CHOOSERS],
        "allOf": [*more, _without(list(named_containers.NOT_BY_NAME)), {"if": {"required": ["compose_service"]}, "then": {"required": ["compose_project"]}}],
    }
    return {"if": {"anyOf": [{"required": [key]} for key in named_containers.KEYS]}, "then": named, "else": else_}


def _limits(words: Words) -> dict[str, Schema]:
    told = words.of("limits")
    some = [{"required": [key]} for key in ("rate", "connections")]
    return {
        "limit": _mapping(limits.LIMIT_KEYS, told, anyOf=some, **{"if": {"required": ["burst"]}, "then": {"required": ["rate"]}}),
        "limit_prefixes": _mapping(limits.PREFIX_KEYS, told),
    }


def _settings(words: Words) -> dict[str, Schema]:
    forwarded = kind("forwarded")
    return {
        "forwarding": _mapping(settings.FORWARDING_KEYS, words.of("forwarding")),
        "forwarded": _mapping(settings.FORWARDED, words.of("forwarding")),
        "forwarded_interfaces": {"type": "object", "additionalProperties": False, "patternProperties": {whole(FORWARDED_INTERFACE): forwarded}},
        "forward_policy": _mapping(settings.FORWARD_KEYS, words.of("forward_policy")),
        "daemon": _mapping({name: "daemon_" + name for name in settings.DAEMON_NAMES}, words.of("daemon")),
        "log_denied": _mapping(settings.LOG_KEYS, words.of("log_denied")),
    }


def _egress(words: Words) -> dict[str, Schema]:
    told = words.of("egress")
    with_port = {"required": ["port"]}
    ports_only: Schema = {"minProperties": 1, "if": with_port, "then": {"properties": {"protocol": kind("protocol")}}}
    block = _mapping(egress.BLOCK_KEYS, told)
    container = _mapping({**egress.SELECTORS, **egress.BLOCK_KEYS}, told, oneOf=[{"required": [key]} for key in egress.SELECTORS])
    return {
        "egress": _mapping(egress.EGRESS_KEYS, told),
        "host_egress": _mapping(egress.HOST_EGRESS_KEYS, words.of("host_egress")),
        "egress_block": block,
        "egress_networks": _by_name(kind("network_name"), kind("egress_block")),
        "egress_container": container,
        "egress_containers": a_list(kind("egress_container")),
        "egress_entry": _mapping(egress.ENTRY_KEYS, words.of("egress_entries"), **ports_only),
        "egress_entries": a_list(kind("egress_entry")),
        "egress_host_entry": _mapping(egress.HOST_ENTRY_KEYS, words.of("egress_entries"), **ports_only),
        "egress_host": {"anyOf": [kind("verdict"), a_list(kind("egress_host_entry"))]},
        "egress_peers": {"anyOf": [kind("verdict"), kind("egress_entries")]},
    }


def _masquerade(words: Words) -> dict[str, Schema]:
    return {
        "masquerade": _mapping(masquerade.KEYS, words.of("masquerade")),
        "masqueraded_networks": _by_name(kind("network_name"), kind("treatment")),
        "masqueraded_subnets": {"type": "object", "additionalProperties": False, "patternProperties": {whole(NETWORK): kind("treatment")}},
    }


def _containers(words: Words) -> dict[str, Schema]:
    """Open ports, and rules inside containers. Both are modules' options, of which one that is null is not given."""
    choosing = [key for key in SELECTOR_ARGUMENTS if key not in WITH_POD]
    with_pod = {"if": _one_given(sorted(WITH_POD)), "then": _given("pod")}
    rules = _nullable(container_rules.KEYS, words.of("container_rules"), _given("section"), _one_given(choosing), with_pod)
    ports = _nullable(open_port_entries.KEYS, words.of("open_ports"), *(_given(key) for key in open_port_entries.REQUIRED), _one_given(list(ENGINE_SELECTORS)))
    jumps = [_given(key) for key in sorted(structured.TARGET_KEYS)]
    # A key of a rule that is null is not there, even an unknown one.
    rule = {"type": "object", "additionalProperties": {"type": "null"}, "properties": {key: {} for key in structured.KEYS}, "oneOf": jumps}
    return {
        "open_port": ports,
        "open_ports": a_list(kind("open_port")),
        "container_rules": rules,
        "containers": a_list(kind("container_rules")),
        "rule": {"anyOf": [{"type": "string", "minLength": 1}, rule]},
        "rules": a_list(kind("rule")),
    }


def _nullable(keys: Mapping[str, str], told: Mapping[str, str], *rules: Schema) -> Schema:
    found = _mapping(keys, told, allOf=list(rules))
    for key, schema_of in found["properties"].items():
        name = "selector_" + key if keys[key] == "selector" else keys[key]
        schema_of.pop("$ref")
        found["properties"][key] = {**or_nothing(kind(name)), **schema_of}
    return found


def _given(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


def _one_given(keys: Sequence[str]) -> Schema:
    return {"anyOf": [_given(key) for key in keys]}


def _tests(words: Words) -> dict[str, Schema]:
    is_host = {"required": ["from"], "properties": {"from": {"enum": [policy_tests.HOST]}}}
    is_one = {"if": {"anyOf": [{"required": ["container"]}, is_host]}, "then": _without(["except", "interface"])}
    to_icmp = {"anyOf": [
        {"required": ["protocol"], "properties": {"protocol": text(any_case([values.ICMP]))}},
        {"not": {"anyOf": [{"required": ["protocol"]}, {"required": ["port"]}]}},
    ]}
    pings = {"if": to_icmp, "then": _without(["port"]), "else": {"required": ["port"]}}
    one_place = {"not": {"required": ["container", "address"]}}
    return {
        "test": _mapping(policy_tests.TEST_KEYS, words.of("tests"), required=["to", "expect"], oneOf=[{"required": ["from"]}, {"required": ["container"]}],
                         **is_one),
        "tests": a_list(kind("test")),
        "test_to": {"anyOf": [kind("port_of_the_host"), kind("destination_text"), kind("test_destination")]},
        "test_destination": _mapping(policy_tests.TO_KEYS, {}, **pings, allOf=[one_place]),
    }
