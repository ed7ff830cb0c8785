# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Routes and routing rules, as ip -j prints them."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import number
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.routes import Lookup, Routes

ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "flags": []}, {"dst": "192.0.2.0/24", "dev": "eth0", "prefsrc": "192.0.2.10", "flags": []},
    {"dst": "10.9.0.0/16", "dev": "eth1", "metric": 200, "flags": []}, {"dst": "10.9.0.0/16", "dev": "eth2", "metric": 100, "flags": []},
    {"dst": "10.9.0.0/16", "dev": "eth3", "metric": 50, "flags": ["dead"]}, {"type": "blackhole", "dst": "10.8.0.0/16", "flags": []},
    {"dst": "10.7.0.0/16", "flags": [],
     "nexthops": [{"gateway": "192.0.2.2", "dev": "eth0", "flags": []}, {"gateway": "10.9.0.1", "dev": "eth2", "flags": []}]},
    {"type": "local", "dst": "192.0.2.10", "dev": "eth0", "table": "local", "flags": []}, {"dst": "default", "dev": "wg0", "table": "100", "flags": []},
    {"type": "broadcast", "dst": "192.0.2.255", "dev": "eth0", "table": "local", "flags": []},
    {"type": "throw", "dst": "10.6.0.0/16", "table": "100", "flags": []},
]
RULES = [
    {"priority": 0, "src": "all", "table": "local"}, {"priority": 50, "src": "172.17.0.0", "srclen": 16, "table": "100"},
    {"priority": 60, "src": "all", "fwmark": "0x1", "fwmask": "0xf", "table": "100"}, {"priority": 70, "src": "all", "iif": "eth5", "action": "unreachable"},
    {"priority": 80, "src": "all", "dst": "10.5.0.0", "dstlen": 16, "ipproto": "tcp", "table": "100"},
    {"priority": 32766, "src": "all", "table": "main"}, {"priority": 32767, "src": "all", "table": "default"},
]


def found(destination, answer=False, **parts):
    asked = []

    def ask(words):
        asked.append(words)
        return answer

    if "source" in parts:
        parts["source"] = number(parts["source"])[0]
    route = Routes(4, RULES, ROUTES).find(Lookup(number(destination)[0], **parts), ask)
    return (str(route) if route else None), asked


@pytest.mark.parametrize("destination, parts, route", [
    ("192.0.2.10", {}, "local 192.0.2.10 dev eth0 table local"), ("192.0.2.77", {}, "192.0.2.0/24 dev eth0 table main"),
    ("203.0.113.9", {}, "default via 192.0.2.1 dev eth0 table main"), ("10.9.1.1", {}, "10.9.0.0/16 dev eth2 table main"),
    ("10.9.1.1", {"oif": "eth1"}, "10.9.0.0/16 dev eth1 table main"), ("10.8.1.1", {}, "blackhole 10.8.0.0/16 table main"),
    ("203.0.113.9", {"source": "172.17.0.2"}, "default dev wg0 table 100"), ("10.6.0.1", {"source": "172.17.0.2"}, "default via 192.0.2.1 dev eth0 table main"),
    ("203.0.113.9", {"mark": 0x21}, "default dev wg0 table 100"), ("203.0.113.9", {"mark": 0x2}, "default via 192.0.2.1 dev eth0 table main"),
    ("203.0.113.9", {"iif": "eth5"}, "unreachable default table rule 70"),
])
def test_the_route_is_the_kernels(destination, parts, route):
    assert found(destination, **parts) == (route, [])


@pytest.mark.parametrize("destination, parts, answers", [
    ("203.0.113.9", {"mark": None}, {False: "eth0", True: "wg0"}), ("10.5.0.1", {}, {False: "eth0", True: "wg0"}),
    ("10.7.0.1", {}, {False: "eth2", True: "eth0"}),
])
def test_what_is_not_known_is_asked(destination, parts, answers):
    for answer, device in answers.items():
        route, asked = found(destination, answer, **parts)
        assert "dev %s" % device in route and len(asked) == 1


@pytest.mark.parametrize("address, kind", [
    ("192.0.2.10", "local"), ("192.0.2.255", "broadcast"), ("255.255.255.255", "broadcast"),
    ("224.0.0.5", "multicast"), ("203.0.113.9", "unicast"), ("0.0.0.0", "broadcast"),
])
def test_types_of_addresses(address, kind):
    assert Routes(4, RULES, ROUTES).local_type(number(address)[0]) == kind


def test_usual_rules_are_taken_where_none_were_read():
    assert Routes(4, [], ROUTES).find(Lookup(number("192.0.2.10")[0]), lambda words: False).kind == "local"


def test_a_rule_can_leave_out_default_routes():
    rules = [{"priority": 1, "src": "all", "table": "main", "suppress_prefixlen": 0}, {"priority": 2, "src": "all", "table": "100"}]
    routes = Routes(4, rules, ROUTES)
    assert [routes.find(Lookup(number(place)[0]), lambda words: False).device for place in ("203.0.113.9", "192.0.2.77")] == ["wg0", "eth0"]
