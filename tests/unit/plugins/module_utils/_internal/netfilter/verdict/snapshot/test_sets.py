# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lookups in sets of each type. What the kernel says of the same is in tests/integration/kernel/test_verdict.py."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import number
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.sets import Found, Sets

TEXT = """create ips hash:ip family inet hashsize 1024 maxelem 65536
add ips 192.0.2.7
create nets hash:net family inet
add nets 10.0.0.0/8
add nets 10.1.0.0/16 nomatch
add nets 10.1.2.0/24 timeout 300
create pairs hash:ip,port family inet
add pairs 192.0.2.7,tcp:80
create ports bitmap:port range 0-65535
add ports 80
create ways hash:net,iface family inet
add ways 10.0.0.0/8,eth0
create wild hash:net,iface family inet
add wild 10.0.0.0/8,eth wildcard
create masked hash:ip family inet netmask 24
add masked 192.0.2.0
create macs hash:mac
add macs 02:00:00:00:00:01
create empty hash:ip,mark family inet
create list list:set size 8
add list ips
add list nets
"""


def found(name, sides, address="192.0.2.7", family=4, **parts):
    values = {"ip": number(address)[0], "net": number(address)[0], **parts}
    return Sets(TEXT).find(name, family, sides.split(","), lambda dimension, side: values.get(dimension))


@pytest.mark.parametrize("name, sides, address, parts, holds", [
    ("ips", "src", "192.0.2.7", {}, True), ("ips", "src", "192.0.2.8", {}, False),
    ("nets", "src", "10.2.0.1", {}, True), ("nets", "src", "10.1.0.1", {}, False), ("nets", "src", "10.1.2.1", {}, True),
    ("nets", "src", "11.0.0.1", {}, False),
    ("pairs", "dst,dst", "192.0.2.7", {"port": "tcp:80"}, True), ("pairs", "dst,dst", "192.0.2.7", {"port": "udp:80"}, False),
    ("pairs", "dst,dst", "192.0.2.7", {"port": None}, None), ("pairs", "dst,dst", "192.0.2.7", {"port": ""}, False), ("pairs", "dst", "192.0.2.7", {}, False),
    ("ports", "dst", "192.0.2.7", {"bitmap": "80"}, True), ("ports", "dst", "192.0.2.7", {"bitmap": "81"}, False),
    ("ways", "src,src", "10.0.0.1", {"iface": "eth0"}, True), ("ways", "src,src", "10.0.0.1", {"iface": "eth1"}, False),
    ("wild", "src,src", "10.0.0.1", {"iface": "eth1"}, None), ("masked", "src", "192.0.2.99", {}, True), ("masked", "src", "192.0.3.99", {}, False),
    ("macs", "src", "192.0.2.7", {}, None), ("empty", "src,src", "192.0.2.7", {"mark": "1"}, False), ("gone", "src", "192.0.2.7", {}, None),
    ("list", "src", "192.0.2.7", {}, True), ("list", "src", "10.9.0.1", {}, True), ("list", "src", "10.1.0.1", {}, False),
])
def test_lookups(name, sides, address, parts, holds):
    assert found(name, sides, address, **parts).holds is holds


def test_an_entry_of_nomatch_is_told():
    assert found("nets", "src", "10.1.0.1") == Found(False, True)


def test_a_set_of_the_other_family_holds_nothing():
    assert found("ips", "src", "2001:db8::1", 6).holds is False
