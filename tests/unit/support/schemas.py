# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The published schemas, and random policies that they and the parser are asked about."""
from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from random import Random
from typing import Any

import jsonschema
from hypothesis import strategies as st

from tests.tools.policy_schema.build import FOLDER

Schema = dict[str, Any]
# A place in a policy: a mapping or a list, and a key or a number in it.
Place = tuple[Any, Any]

_SOURCES = ["any", "Any", "@office", "192.0.2.7", "10.0.0.0/8", "10.1.2.3/255.255.0.0", "2001:db8::/32", "2001:DB8::1", "0.0.0.0/0", "::/0", "::1.2.3.4",
            "10.0.0.0/08"]
_ADDRESSES = ["192.0.2.7", "2001:db8::7", "0.0.0.0", "::", "255.255.255.255", "2001:0DB8:0:0:0:0:0:1"]
# Values of the kinds that have patterns, and of those of which editors know more than the parser's users write.
_VALUES: dict[str, Sequence[object]] = {
    "port": [443, "443", "8000-8010", " 8000 - 8010 ", 1, 65535, "1-65535", "00443", "80\n"],
    "one_port": [80, "80", "65535", "80-80", "080 - 0080", 1],
    "number_of_port": [80, "80", 65535, "00080"],
    "limit_rate": ["10/second", "1000/hour", "007/min"],
    "limit_burst": [1, "20", 1000],
    "limit_connections": [1, "65535"],
    "prefix_ipv4": [0, 24, "32", "00"],
    "prefix_ipv6": [0, 48, "128"],
    "weight": [0, 50, 1000000, "50", "000", "007"],
    "protocol": ["tcp", "udp", "sctp", "TCP", "uDp"],
    "protocol_or_icmp": ["tcp", "udp", "sctp", "Udp"],
    "test_protocol": ["tcp", "udp", "SCTP"],
    "egress_protocol": ["tcp", "udp", "TCP"],
    "comment": ["Grafana: ask Jane", "ü", "x" * 80, 7],
    "host_address": _ADDRESSES,
    "network": [item for item in _SOURCES if item[0].lower() not in "a@"],
    "set_reference": ["@office", "@a.b-c_d", "@" + "x" * 18],
    "source": _SOURCES,
    "test_from": ["host", "any", "@office", "10.0.0.0/8", ["any"], ["@a", "::1"], []],
    "zone_name": ["vpn", "a.b-c_d", "x" * 18, "bridges"],
    "set_name": ["office", "a.b-c_d", "x" * 18, "src-1"],
    "treatment": [True, False, "On", "no", "192.0.2.1", ["192.0.2.1", "2001:db8::1"], ["2001:db8::1"]],
    "compose_name": ["shop", "a.b_c-d", "0"],
    "container_name": ["web", "a.b_c-d", "0"],
    "destination_text": ["8080", "53/udp", "53/UDP", " icmp ", "ICMP", "192.0.2.10:8080", "192.0.2.10", "[2001:db8::10]:53/udp", "[::1]", "2001:db8::1",
                         "10.0.0.1:22/tcp", "[192.0.2.1]:80", "00080"],
    "interface": ["eth0", "br-0123456789ab", "a@b"],
    "interface_or_ending": ["eth0", "wan+", "x" * 15, "a@b"],
    "network_name": ["backend", "ü b", "x" * 255, "a.b"],
    "egress_selector": ["web", "com.example.role=updater", "a b"],
    "feed_url": ["https://www.cloudflare.com/ips-v4", "https://[2001:db8::1]:8443/a?b=c#d", "https://a", "http://127.0.0.1:80/x"],
    "feed_file": ["lists/a.txt", "/srv/a b"],
    "feed_count": [1, 5, 65536, "20", "00005"],
    "feed_timeout": [1, 300, "30"],
    "time": ["2026-12-01T18:00:00Z", "2026-12-01 18:00+01:00", "1970-01-01t00:00:59.000z", "2999-12-31T23:59 -2359"],
    "checksum": ["sha256:" + "0aF9" * 16],
    "section": ["blocked", "_a-b", "x" * 15],
    "rate": ["10/minute", "100/hour", "1/sec", "001/min"],
    "burst": [1, 100, "20"],
    "group": [1, 65535, "5"],
    "forward_verdict": ["accept", "drop", "DROP"],
    "selector_label": ["a", "a=b", ["a", "b=c"]],
    "selector_path": ["/run/netns/blue"],
    "selector_cri_socket": ["/run/x.sock"],
    **{"selector_" + key: ["web", "x y"] for key in ("name", "id", "compose_project", "compose_service", "query", "pod", "pod_namespace")},
    "daemon_bridge_accept_fwmark": ["0x1", "0x1/0x3", "12", None],
    "rule": [{"jump": "DROP", "source": "192.0.2.1"}, {"goto": "X", "comment": None, "jump": None}, "-p tcp --dport 80 -j DROP", {"jump": "ACCEPT"}],
}
# The kinds of the names in mappings that have names for keys.
_NAMES = {
    "address_sets": "set_name", "zones": "zone_name", "egress_networks": "network_name", "masqueraded_networks": "network_name",
    "masqueraded_subnets": "network",
}
# What stands in the place of a value or a key that was right.
_ODD: Sequence[object] = [
    None, True, False, 0, -1, 1, 80, 80.0, 1.5, 65536, 10 ** 30, "", " ", "0", "65536", "100000", "80-", "-80", "90-80", "80:90", "80,81", "１", "http",
    "10.0.0.256", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/255.0.255.0", "10.0.0.01", "::1/129", "1::2::3", ":", "::ffff:192.0.2.1", "fe80::1%eth0",
    "example.org", "@", "@pub-tcp", "@src-0123456789ab", "@" + "x" * 19, "@a b", "@a\n", "any", "ANY", "host", "Host", "icmp", "ICMP", "drop", "DENY",
    "deny", "allow", "observe", "eth0\n", "x" * 16, "+", "eth+", "a b", "é", "é" * 41, "x" * 81, 'a"b', "a`b", "-a", "a\nb", "a\x07", "all", "default",
    "policy", "policy-x", "egress", "policyx", "0/minute", "101/hour", "10/day", "8080/xyz", "[::1]:0", "[::1", "1.2.3.4:80:80", "80/icmp", "/x", "x\x00",
    "on", "true", "127.0.0.1", "::1", "raw", "FORWARD", "POSTROUTING", [], {}, [None], ["any"], ["example.org"], [80], {"x": 1}, {"port": 80}, [[]],
    "http://a/", "https://u:p@a/", "https://a b/", "ftp://a/", "text", "json", "sha256:0", {"url": "https://a/"}, {"src": "a"},
    {"url": "http://a/", "src": "a"}, "000080",
    "bridges", "0x1/0x3/0x4", "ipv5", "ipv4", "ipv6",
]


@cache
def schema(name: str) -> Schema:
    """A schema of docs/schema. Python's ``$`` matches ahead of a line's end, too, which JavaScript's does not: it is Python's own sign here."""
    found = _for_python(json.loads((FOLDER / name).read_text(encoding="utf-8")))
    return found if isinstance(found, dict) else {}


def _for_python(value: object) -> object:
    if isinstance(value, dict):
        return {(_end(key) if key.startswith("^") else key): _end(item) if key == "pattern" else _for_python(item) for key, item in value.items()}
    return [_for_python(item) for item in value] if isinstance(value, list) else value


def _end(pattern: object) -> object:
    return pattern.replace("$", r"\Z") if isinstance(pattern, str) else _for_python(pattern)


@cache
def validator(name: str) -> Any:
    """What asks a schema. ``is_valid``, and ``iter_errors`` for why not."""
    jsonschema.Draft7Validator.check_schema(schema(name))
    return jsonschema.Draft7Validator(schema(name))


class Maker:
    """Makes values that a schema describes. Most of them are right; which keys go together is left to chance where a schema says it by a condition."""

    def __init__(self, root: Schema, random: Random) -> None:
        self.definitions: Schema = root["definitions"]
        self.random = random

    def make(self, wanted: Schema, name: str = "") -> Any:
        """name: the definition that ``wanted`` is."""
        if "$ref" in wanted:
            of = wanted["$ref"].rpartition("/")[2]
            return copy.deepcopy(self.random.choice(_VALUES[of])) if of in _VALUES else self.make(self.definitions[of], of)
        if "anyOf" in wanted and wanted.get("type") != "object":
            ways = [way for way in wanted["anyOf"] if way != {"type": "null"} or self.random.random() < 0.1]
            return self.make(self.random.choice(ways), name)
        if "enum" in wanted:
            return self.random.choice(wanted["enum"])
        if "allOf" in wanted and "type" not in wanted:
            return self.make(wanted["allOf"][0], name)
        make: Callable[[Schema, str], Any] = {
            "object": self._mapping, "array": self._list, "boolean": lambda _wanted, _name: self.random.random() < 0.5, "null": lambda _wanted, _name: None,
            "integer": lambda wanted, _name: self.random.randint(wanted.get("minimum", 0), wanted.get("maximum", 9)), "string": lambda _wanted, _name: "text",
        }[wanted["type"]]
        if "pattern" in wanted:
            raise KeyError("no values of the kind %s" % name)
        return make(wanted, name)

    def _list(self, wanted: Schema, name: str) -> list[Any]:
        return [self.make(wanted["items"], name) for _item in range(self.random.randint(wanted.get("minItems", 0), 2))]

    def _mapping(self, wanted: Schema, name: str) -> Schema:
        properties = wanted.get("properties")
        if properties is None:
            return self._by_name(wanted, name)
        branch = wanted.get("else", {})
        if "oneOf" in wanted.get("then", {}) and self.random.random() < 0.3:
            branch = wanted["then"]
            without = {key for rule in branch["allOf"] for key, value in rule.get("properties", {}).items() if value is False}
            one = self.random.choice(branch["oneOf"])["required"]
            without.update(key for way in branch["oneOf"] for key in way["required"] if key not in one)
            properties, branch = {key: value for key, value in properties.items() if key not in without}, {"required": [*branch["required"], *one]}
        needed = {*wanted.get("required", ()), *branch.get("else", branch).get("required", ())}
        for rule in wanted.get("allOf", ()):
            needed.update(rule.get("required", ()))
            if "anyOf" in rule:
                needed.update(self.random.choice(rule["anyOf"])["required"])
        if "oneOf" in wanted:
            one = {key for way in wanted["oneOf"] for key in way["required"]}
            needed = needed - one | set(self.random.choice(wanted["oneOf"])["required"])
            properties = {key: value for key, value in properties.items() if key in needed or key not in one}
        # Few sections: what is wrong in one of them hides all of the others.
        share = 0.1 if len(properties) > 8 else 0.4
        chosen = [key for key in properties if key in needed or self.random.random() < share] or [self.random.choice(sorted(properties))]
        return {key: self.make(properties[key], name) for key in chosen}

    def _by_name(self, wanted: Schema, name: str) -> Schema:
        value: Schema = next(iter(wanted.get("patternProperties", {}).values()), wanted["additionalProperties"])
        of = _NAMES.get(name, "interface")
        return {str(self.random.choice(_VALUES[of])): self.make(value, name) for _name in range(self.random.randint(0, 2))}


def places(value: Any) -> Iterator[Place]:
    """Every place in a policy."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()):
        yield value, key
        yield from places(item)


def spoil(policy: Schema, keys: Sequence[str], random: Random) -> None:
    """Change something at a random place. It may be right as well afterwards."""
    inside, key = random.choice([*places(policy)] or [(policy, "published_ports")])
    ways = ["odd", "odd", "odd", "text", "more"] + ["rename", "remove", "remove", "another key"] * isinstance(inside, dict)
    way = random.choice(ways)
    value = inside[key] if not isinstance(inside, dict) or key in inside else None
    if way == "text" and isinstance(value, str):
        at = random.randint(0, len(value))
        inside[key] = value[:at] + random.choice(["\n", " ", "0", "-", "é", "/", ":", "x", "\x00", "'", "."]) + value[at + random.randint(0, 1):]
    elif way == "more" and isinstance(value, list):
        value.append(random.choice(value + [random.choice(_ODD)]))
    elif way == "remove":
        inside.pop(key, None)
    elif way == "rename":
        inside[str(random.choice([*keys, key + "s", "x", "", *filter(lambda odd: isinstance(odd, str), _ODD)]))] = inside.pop(key, None)
    elif way == "another key":
        inside[random.choice(keys)] = random.choice([*_ODD, value])
    else:
        inside[key] = copy.deepcopy(random.choice([*_ODD, *random.choice(list(_VALUES.values()))]))


@st.composite
def policies(draw: Callable[[st.SearchStrategy[Any]], Any], root: Schema, top: str) -> tuple[Schema, int]:
    """A policy, and how often it was spoilt. One in five is not."""
    random = draw(st.randoms(use_true_random=False))
    policy = Maker(root, random).make(root["definitions"][top], top)
    keys = sorted({key for definition in root["definitions"].values() for key in definition.get("properties", ())})
    times = random.choice([0, 1, 1, 1, 2])
    for _time in range(times):
        spoil(policy, keys, random)
    return policy, times
