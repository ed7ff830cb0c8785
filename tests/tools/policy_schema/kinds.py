# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The kinds of single values that the parser's tables name. Words, patterns and limits are the parser's."""
from __future__ import annotations

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers import selector
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import config_keys
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile import section
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.ns_chain import POLICY_PREFIX
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import MAX_CHAIN_NAME
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.fields import VERSIONS
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language import (
    container_rules,
    egress,
    masquerade,
    open_port_entries,
    policy_tests,
    settings,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import MAX_WEIGHT
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values import (
    addresses,
    check,
    entries,
    limits,
    members,
    named_containers,
    reserved_names,
    values,
)

from .patterns import Schema, a_list, any_case, in_any_case, in_digits, kind, number, one_of, text, up_to

_MOST_PORTS = 65535
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = r"(?:%s\.){3}%s" % (_BYTE, _BYTE)
# What an IPv6 address is made of. What is an address among it, the parser knows.
_V6 = "(?=[0-9A-Fa-f.]*:)[0-9A-Fa-f:.]{2,45}"
ADDRESS = "%s|%s" % (_V4, _V6)
NETWORK = "%s(?:/(?:0+|%s|%s))?|%s(?:/(?:0+|%s))?" % (_V4, up_to(32), _V4, _V6, up_to(128))
_SET_NAME = "(?!(?:%s)$)(?=.{1,%d}$)%s" % (
    reserved_names.RESERVED.pattern.removesuffix(r"\Z"), reserved_names.MAX_NAME, reserved_names.NAME.pattern.removesuffix(r"\Z"),
)
_ZONE_NAME = "(?=.{1,%d}$)%s" % (reserved_names.MAX_NAME, reserved_names.NAME.pattern.removesuffix(r"\Z"))
INTERFACE = "(?=.{1,%d}$)%s" % (check.MAX_INTERFACE_NAME, check.INTERFACE.pattern.removesuffix(r"\Z"))
FORWARDED_INTERFACE = "(?!(?:all|default)$)" + check.NAME.pattern
_PORT = in_digits(_MOST_PORTS, 5)
_ANY = {"description": "everybody", **in_any_case([values.ANY])}
# A text that a rule can have. A number is one, too.
_COMMENT = r"""(?!-)[^\x00-\x1f\x7f"'\\`]{1,%d}""" % entries.MAX_COMMENT


def single_values() -> dict[str, Schema]:
    """The definitions, by the names that the parser's tables have for them."""
    return {**_words(), **_addresses(), **_ports(), **_names(), **_settings(), **_feeds()}


def _words() -> dict[str, Schema]:
    return {
        "boolean": {"type": "boolean"},
        "text": {"type": "string"},
        "verdict": one_of([values.ALLOW, values.DENY]),
        "mode": one_of(values.MODES),
        "ip_version": one_of(VERSIONS),
        "on_missing": one_of(open_port_entries.ON_MISSING),
        "protocol": in_any_case(entries.WITH_PORTS),
        "protocol_or_icmp": in_any_case([*entries.WITH_PORTS, values.ICMP]),
        "test_protocol": in_any_case([*entries.WITH_PORTS, values.ICMP]),
        "egress_protocol": in_any_case(egress.PROTOCOLS),
        "comment": {"anyOf": [
            text(_COMMENT, "a line of text without quotes and backslashes, of %d bytes at most" % entries.MAX_COMMENT), {"type": "integer", "minimum": 0},
        ]},
    }


def _addresses() -> dict[str, Schema]:
    source = {"anyOf": [_ANY, kind("set_reference"), kind("network")]}
    return {
        "host_address": text(ADDRESS, "an IP address"),
        "network": text(NETWORK, "an IP address or a network; host names are not accepted"),
        "set_reference": {"description": "a set of addresses", **text("@" + _SET_NAME, "@ and the name of a set")},
        "source": source,
        "sources": a_list(kind("source")),
        "denied": a_list({"anyOf": [kind("set_reference"), kind("network")]}),
        "destinations": {"anyOf": [kind("source"), kind("sources")]},
        "test_from": {"anyOf": [{"description": "the host itself", **one_of([policy_tests.HOST])}, kind("source"), kind("sources")]},
        "dns": {"anyOf": [{"type": "boolean"}, kind("source"), kind("sources")]},
        "networks": a_list(kind("network"), 1),
        "address_set": {"anyOf": [a_list({"anyOf": [kind("network"), kind("member")]}), kind("feed")]},
        "time": text(members.TIME.pattern, "a time with its zone, as 2026-12-01T18:00:00Z"),
        "treatment": {"anyOf": [
            {"type": "boolean"},
            # What a template makes of true and false. Not what editors should offer.
            text(any_case(masquerade.WORDS)),
            kind("host_address"),
            {**a_list(kind("host_address"), 1), "maxItems": 2},
        ]},
    }


def _ports() -> dict[str, Schema]:
    spelt = entries.PORTS.pattern.replace("([0-9]{1,5})", _PORT)
    alone = {"type": "integer", "minimum": 1, "maximum": _MOST_PORTS}
    same_again = r"\s*(?=[0-9]{1,5}(?![0-9]))0*([1-9][0-9]*)\s*(?:-\s*(?=[0-9]{1,5}(?![0-9]))0*\1\s*)?"
    protocols = "(?:/(?:%s))?" % any_case(entries.WITH_PORTS)
    in_brackets = r"\[(?:%s|%s)\]" % (_V6, _V4)
    to = r"\s*(?:%s|%s%s|(?:%s|%s)(?::%s%s)?|%s)\s*" % (
        any_case([values.ICMP]), _PORT, protocols, in_brackets, _V4, _PORT, protocols, "(?=(?:[^:]*:){2})" + _V6,
    )
    return {
        "port": {"anyOf": [alone, text(spelt, "a port from 1 to %d, or a range as 8000-8010" % _MOST_PORTS)]},
        "one_port": {"anyOf": [alone, {"allOf": [text(spelt), text(same_again)]}]},
        "number_of_port": _short_number(_MOST_PORTS),
        "destination_text": text(to, "8080, 53/udp, icmp, 192.0.2.10:8080 or [2001:db8::10]:8080"),
        "port_of_the_host": alone,
    }


def _names() -> dict[str, Schema]:
    return {
        "set_name": text(_SET_NAME, "letters, digits, _, . and -, %d at most, and no name that Drawbridge uses itself" % reserved_names.MAX_NAME),
        "zone_name": text(_ZONE_NAME, "letters, digits, _, . and -, %d at most" % reserved_names.MAX_NAME),
        "zone_names": a_list(kind("zone_name"), 1),
        "interface": {"allOf": [text(INTERFACE), {"not": {"pattern": r"\+$"}}]},
        "interface_or_ending": text(INTERFACE, "an interface's name, with + at the end for any ending"),
        "interfaces": a_list(kind("interface_or_ending")),
        "some_interfaces": a_list(kind("interface_or_ending"), 1),
        "container_name": text(named_containers.NAME.pattern, "a container's name"),
        "compose_name": text(named_containers.NAME.pattern, "the name of a Compose project or service"),
        "network_name": {"type": "string", "minLength": 1, "maxLength": masquerade.MAX_NETWORK_NAME},
        "egress_selector": text(named_containers.LABEL.pattern),
        "section": text("(?!(?:%s)(?:-|$))(?=.{1,%d}$)%s" % ("|".join(section.RESERVED), MAX_CHAIN_NAME - len(POLICY_PREFIX), section.NAME.pattern)),
        "table": one_of(container_rules.CHOICES["table"]),
        "chain": one_of(container_rules.CHOICES["chain"]),
        "priority": {"type": "integer", "minimum": 0, "maximum": section.MAX_PRIORITY},
        **{"selector_" + key: selector_value(key) for key in selector.SELECTOR_ARGUMENTS},
    }


def selector_value(key: str) -> Schema:
    """What a selector of containers may be, by the type that modules have for it."""
    kind_of = selector.SELECTOR_ARGUMENTS[key]["type"]
    word = text(r"[^\x00]+") if kind_of != "path" else text(r"/[^\x00]*")
    if kind_of == "int":
        return {"type": "integer", "minimum": 1}
    return {"anyOf": [word, a_list(word, 1)]} if kind_of == "list" else word


def _settings() -> dict[str, Schema]:
    rate = settings.RATE.pattern.replace("([0-9]{1,3})", in_digits(settings.MOST_AT_ONCE, 3))
    takes = {
        config_keys.BOOL: {"type": "boolean"},
        config_keys.BACKEND: one_of(config_keys.BACKENDS),
        config_keys.MARK: text(config_keys.MARK_FORM.pattern),
        config_keys.OPTIONS: _mapping_of(_mapping_of({"type": "string"})),
    }
    return {
        "weight": number(MAX_WEIGHT, 0),
        "rate": text(rate, "a rate as 10/minute, of at most %d in a second, minute or hour" % settings.MOST_AT_ONCE),
        "burst": _short_number(settings.MOST_AT_ONCE),
        "group": _short_number(settings.MAX_GROUP),
        "limit_rate": text(
            limits.RATE.pattern.replace("([0-9]{1,4})", in_digits(limits.MOST_AT_ONCE, 4)),
            "a rate as 10/second, of at most %d in a second, minute or hour" % limits.MOST_AT_ONCE,
        ),
        "limit_burst": _short_number(limits.MOST_AT_ONCE),
        "limit_connections": _short_number(limits.MAX_CONNECTIONS),
        **{"prefix_ipv%d" % family: _short_number(most, 0) for family, most in limits.WHOLE.items()},
        "logged_sections": a_list(one_of(settings.LOGGED), 1),
        "daemon_config": one_of(config_keys.MODES),
        "forward_verdict": in_any_case(settings.POLICIES),
        **{"daemon_" + name: {"anyOf": [takes[config_keys.KEYS[key].takes], {"type": "null"}]} for name, key in settings.DAEMON_NAMES.items()},
    }


def _feeds() -> dict[str, Schema]:
    return {
        "feed_url": text(addresses.URL.pattern, "https://host/path, without a user and a password"),
        "feed_file": text(r"[^\x00]+"),
        "feed_format": one_of(addresses.FORMATS),
        "feed_query": {"type": "string", "minLength": 1},
        "feed_count": _short_number(addresses.MOST_FED),
        "feed_timeout": _short_number(addresses.MOST_SECONDS),
        "checksum": text(addresses.CHECKSUM.pattern, "sha256: and 64 hexadecimal digits"),
    }


def _short_number(most: int, least: int = 1) -> Schema:
    spelt = in_digits(most, 5) if least else "%s|0{1,5}" % in_digits(most, 5)
    return {"anyOf": [{"type": "integer", "minimum": least, "maximum": most}, text(spelt)]}


def _mapping_of(schema: Schema) -> Schema:
    return {"type": "object", "additionalProperties": schema}
