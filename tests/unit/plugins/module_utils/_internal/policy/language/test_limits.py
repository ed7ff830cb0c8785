# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Limits of entries: what they mean, which entries are one, and which mistakes are told."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.limits import Limit, parse_limit

SLOW, FAST = {"rate": "1/minute"}, {"rate": "9/second"}


@pytest.mark.parametrize("given, meant", [
    ({"rate": "10/second"}, ("10/sec", 10, None, 32, 64)), ({"rate": "6/minute", "burst": "20"}, ("6/min", 20, None, 32, 64)),
    ({"connections": "5"}, (None, 0, 5, 32, 64)), ({"rate": "007/hour", "connections": 65535, "per": {}}, ("7/hour", 7, 65535, 32, 64)),
    ({"rate": "1000/sec", "per": {"ipv4": 0, "ipv6": "56"}}, ("1000/sec", 1000, None, 0, 56)),
])
def test_what_is_meant(given, meant):
    assert parse_limit(given, "limit") == Limit(*meant)


@pytest.mark.parametrize("limit, place", [
    ({}, ""), ({"per": {"ipv4": 24}}, ""), ({"burst": 3, "connections": 3}, ".burst"), ({"rate": "0/second"}, ".rate"), ({"rate": "1001/second"}, ".rate"),
    ({"rate": "1/day"}, ".rate"), ({"rate": 5}, ".rate"), ({"rate": "1/second\n"}, ".rate"), ({"rate": "{{ 1 }}/second"}, ".rate"),
    ({"connections": 0}, ".connections"), ({"connections": 65536}, ".connections"), ({"connections": True}, ".connections"),
    ({"rate": "1/second", "burst": 1001}, ".burst"), ({"connections": 1, "per": {"ipv4": 33}}, ".per.ipv4"),
    ({"connections": 1, "per": {"ipv6": 129}}, ".per.ipv6"),
    ({"connections": 1, "per": {"ipv5": 1}}, ".per"), ({"connections": 1, "per": 24}, ".per"), ({"rates": "1/second"}, ""), ("10/second", ""), (None, ""),
])
def test_mistakes(limit, place):
    with pytest.raises(DrawbridgeError) as caught:
        parse_policy({"published_ports": {"allow": [{"port": 80, "sources": ["any"], "limit": limit}]}})
    assert caught.value.path == "policy.published_ports.allow[0].limit" + place


@pytest.mark.parametrize("policy", [
    {"egress": {"allow": [{"port": 80, "limit": SLOW}]}}, {"open_ports": [{"name": "a", "port": 80, "container_port": 80, "sources": ["any"], "limit": SLOW}]},
])
def test_entries_elsewhere_have_none(policy):
    with pytest.raises(DrawbridgeError, match="limit"):
        parse_policy(policy)


def allowed(policy):
    return [(entry.limit and entry.limit.rate, sorted(entry.sources.addresses[4])) for entry in policy.published_ports.allow]


def about(*entries, **more):
    return {"published_ports": {"allow": [{"port": 80, "sources": [source], **({"limit": limit} if limit else {})} for source, limit in entries]}, **more}


def test_entries_with_one_limit_are_one():
    found = allowed(parse_policy(about(("10.0.0.1", SLOW), ("10.0.0.2", None), ("10.0.0.3", FAST), ("10.0.0.4", SLOW))))
    assert found == [("1/min", ["10.0.0.1", "10.0.0.4"]), (None, ["10.0.0.2"]), ("9/sec", ["10.0.0.3"])]
    zones = {"vpn": {"sources": ["10.0.0.1"]}, "lan": {"sources": ["10.0.0.2"]}}
    policy = parse_policy({"zones": zones, "published_ports": {"allow": [{"port": 80, "zones": ["vpn", "lan"], "limit": SLOW}]}})
    assert allowed(policy) == [("1/min", ["10.0.0.1", "10.0.0.2"])]


def test_fragments():
    one, other = about(("10.0.0.1", SLOW)), about(("10.0.0.2", FAST))
    assert allowed(merge([parse_fragment("one", one), parse_fragment("other", other)])) == [("1/min", ["10.0.0.1"]), ("9/sec", ["10.0.0.2"])]
    assert allowed(merge([parse_fragment("one", one), parse_fragment("other", {"weight": 60, **other})])) == [("9/sec", ["10.0.0.2"])]
