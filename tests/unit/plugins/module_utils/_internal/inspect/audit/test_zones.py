# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Zones, the addresses that stand for them, and whom a policy lets in."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.look import Asked, put_together, surroundings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.prefixes import Mentioned, parse_prefix
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.reach import is_private
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.zones import parse_zones, zones_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.sets import parse

from tests.unit.support.audit_data import recorded, surveyed

SETS = """\
create DB-office-4 hash:net family inet
add DB-office-4 203.0.113.0/24
add DB-office-4 203.0.113.9 nomatch
add DB-office-4 198.51.100.7
create everybody hash:net family inet
add everybody 0.0.0.0/1
add everybody 128.0.0.0/1
create unnamed hash:ip family inet
add unnamed 203.0.113.77
create banned hash:ip family inet
add banned 45.99.88.77
create ports bitmap:port range 0-65535
add ports 22
"""
RULES = """\
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
-A FORWARD -m set --match-set banned src -j DROP
-A FORWARD -m set --match-set everybody src -j ACCEPT
-A FORWARD -i eth0 -m set --match-set DB-office-4 src -p tcp -m conntrack --ctorigdstport 8080 -j ACCEPT
-A FORWARD -s 62.99.0.0/16 -j DROP
-A FORWARD -m set --match-set ports dst -j ACCEPT
COMMIT
"""


def host(rules=RULES, sets=SETS):
    snapshot = recorded("28.5.2", ipset=sets)
    snapshot = snapshot._replace(texts={**snapshot.texts, "iptables": snapshot.texts["iptables"] + rules})
    return snapshot, surveyed(snapshot, "28.5.2")


def zones(given=None, **texts):
    snapshot, found = host(**texts)
    return {zone.name: zone for zone in zones_of(surroundings(found, snapshot), parse_zones(given or {}))}


def test_the_internet_is_an_address_that_nothing_means():
    # The first candidate is in a set, the second one in a rule.
    assert zones()["internet"].addresses[4] == ["77.99.88.77"]
    assert zones(rules="", sets="")["internet"].addresses[4] == ["45.99.88.77"]
    assert zones()["internet"].addresses[6] == ["2a01::77"]


def test_zones_of_a_host():
    told = zones({"mine": ["10.0.0.0/8", "10.0.0.9", "2001:db8:7::7"]})
    assert {name: (zone.kind, zone.interface) for name, zone in told.items()} == {
        "internet": ("internet", ""), "neighbours by eth0": ("link", "eth0"), "mine": ("given", ""), "set banned": ("set", ""), "@office": ("set", ""),
        "containers of back": ("network", [zone for zone in told.values() if zone.name == "containers of back"][0].interface),
        "containers of bridge": ("network", "docker0")}
    assert told["mine"].addresses == {4: ["10.0.0.1", "10.0.0.9"], 6: ["2001:db8:7::7"]}
    # Not the host itself, not the broadcast address, no known container.
    assert told["neighbours by eth0"].addresses[4] == ["192.0.2.254"] and told["containers of bridge"].addresses[4] == ["172.17.255.254"]
    assert told["@office"].addresses == {4: ["203.0.113.1", "198.51.100.7"]}


def test_a_part_of_a_zone_that_gets_in_is_told():
    drop = "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -s 203.0.113.0/24 -j DROP\nCOMMIT\n"
    snapshot, found = host(rules=RULES + drop)
    told = put_together(found, snapshot, [], "absent", Asked("auto", [], 500))
    cell = next(cell for cell in told["reachability"]["targets"][0]["reach"] if cell["zone"] == "@office")
    assert cell["state"] == "some" and cell["asked"]["from"] == "198.51.100.7" and cell["reason"].startswith("not all of it: 198.51.100.7 gets in")


@pytest.mark.parametrize("given, place", [
    ({"a": "10.0.0.0/8"}, "zones.a"), ({"a": []}, "zones.a"), ({"a": ["10.0.0.0/8", "example.com"]}, "zones.a[1]"), ({"a": ["10.0.0.0/33"]}, "zones.a[0]"),
    ({"a": {"source": ["10.0.0.1"]}}, "zones.a.source"), ({"a": {"sources": ["10.0.0.1"], "interface": 5}}, "zones.a.interface"), ({"a": None}, "zones.a"),
    ({"internet": ["10.0.0.1"]}, "zones.internet"), ({"@office": ["10.0.0.1"]}, "zones.@office"),
])
def test_bad_zones_name_their_place(given, place):
    with pytest.raises(DrawbridgeError) as raised:
        parse_zones(given)
    assert raised.value.path == place and raised.value.hint != ""


def test_mentioned_addresses():
    said = Mentioned(4, ["-s 10.0.0.0/8 -j DROP", "! -s 192.0.2.1/32 -j DROP", "-s 0.0.0.0/1 -j ACCEPT", "-m comment --comment -s"], parse(SETS))
    values = {text: said.holds(parse_prefix(text).value) for text in ("10.1.2.3", "192.0.2.1", "203.0.113.9", "45.99.88.77", "8.8.8.8", "11.0.0.0")}
    assert values == {"10.1.2.3": True, "192.0.2.1": True, "203.0.113.9": True, "45.99.88.77": True, "8.8.8.8": False, "11.0.0.0": False}


@pytest.mark.parametrize("family, address, private", [
    (4, "10.1.2.3", True), (4, "172.31.0.1", True), (4, "172.32.0.1", False), (4, "192.168.5.5", True), (4, "100.64.0.1", True), (4, "100.128.0.1", False),
    (4, "169.254.1.1", True), (4, "8.8.8.8", False), (6, "fd00:17::2", True), (6, "fe80::1", True), (6, "2001:db8::1", False),
])
def test_private_addresses(family, address, private):
    assert is_private(family, address) == private
