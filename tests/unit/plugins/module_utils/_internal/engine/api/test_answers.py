# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What an engine's JSON means; odd answers by hand, real ones from fixtures in test_real_engines.py."""

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import (
    Backend,
    PublishedPort,
    backend_details,
    container_name,
    host_addresses,
    parse_backend,
    parse_containers,
    parse_networks,
    parse_published,
    release,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.support.strategies import json_values, several

CID = "c" * 64
NID = "0123456789abcdef" * 4


def container(*ports, **more):
    return dict({"Id": CID, "Names": ["/web"], "Ports": list(ports)}, **more)


def port(ip, public, private=80, kind="tcp"):
    return {"IP": ip, "PrivatePort": private, "PublicPort": public, "Type": kind}


def published(family, address, number, loopback=False, protocol="tcp", inner=80):
    return PublishedPort(family, address, number, protocol, "web", CID, inner, loopback)


@pytest.mark.parametrize("info, backend", [
    ({}, Backend("iptables", False)),
    ({"FirewallBackend": None}, Backend("iptables", False)),
    ({"FirewallBackend": {"Driver": "iptables"}}, Backend("iptables", False)),
    ({"FirewallBackend": {"Driver": "iptables+firewalld"}}, Backend("iptables", True)),
    ({"FirewallBackend": {"Driver": "nftables"}}, Backend("nftables", False)),
    ({"FirewallBackend": {"Driver": "nftables+firewalld"}}, Backend("nftables", True)),
    ({"FirewallBackend": "nftables"}, Backend("iptables", False)),
])
def test_backend(info, backend):
    assert parse_backend(info) == backend


def test_backend_details():
    info = {"FirewallBackend": {"Info": [["EnableUserlandProxy", "true"], ["odd"], 7, ["a", None]]}}
    assert backend_details(info) == {"EnableUserlandProxy": "true", "a": ""}
    assert backend_details({}) == {}


def test_published_on_every_address_of_both_families():
    assert parse_published([container(port("0.0.0.0", 8080), port("::", 8080))]) == [
        published(4, None, 8080), published(6, None, 8080),
    ]


def test_published_on_one_address_and_on_loopback():
    ports = [port("192.0.2.7", 53, 53, "udp"), port("127.0.0.1", 81), port("127.1.2.3", 82), port("::1", 83),
             port("2001:DB8:0::7", 84), port("fe80::1%eth0", 85)]
    assert parse_published([container(*ports)]) == [
        published(4, "192.0.2.7", 53, protocol="udp", inner=53), published(4, "127.0.0.1", 81, True),
        published(4, "127.1.2.3", 82, True), published(6, "::1", 83, True), published(6, "2001:db8::7", 84),
        published(6, "fe80::1", 85),
    ]


@pytest.mark.parametrize("entry", [{"PublicPort": 80, "PrivatePort": 80, "Type": "tcp"}, port("", 80), port(None, 80),
                                   port("not an address", 80)])
def test_without_an_address_it_is_every_address(entry):
    assert parse_published([container(entry)]) == [published(4, None, 80), published(6, None, 80)]


@pytest.mark.parametrize("ports", [None, "", [{"PrivatePort": 80, "Type": "tcp"}], [None], [7],
                                   [{"PublicPort": 0, "PrivatePort": 1}], [{"PublicPort": "80"}]])
def test_nothing_published(ports):
    assert parse_published([container(Ports=ports)]) == []


def test_the_same_entry_twice_counts_once():
    assert len(parse_published([container(port("0.0.0.0", 80), port("0.0.0.0", 80))])) == 1


def test_a_range_comes_as_single_ports():
    ports = [port("0.0.0.0", number, number) for number in (8002, 8000, 8001)]
    assert [found.port for found in parse_published([container(*ports)])] == [8000, 8001, 8002]


@pytest.mark.parametrize("text, found", [
    ("0.0.0.0", [(4, None)]), ("::", [(6, None)]), ("0:0::0", [(6, None)]), ("::ffff:192.0.2.1",
                                                                             [(6, "::ffff:192.0.2.1")]),
    ("", [(4, None), (6, None)]), ("a\0b", [(4, None), (6, None)]), ("\ud800", [(4, None), (6, None)]),
])
def test_host_addresses(text, found):
    assert host_addresses(text) == found


@pytest.mark.parametrize("names, name", [
    (["/web"], "web"), (["/other/web", "/db"], "db"), (["/other/web"], "other/web"), ([], CID[:12]), (None, CID[:12]),
])
def test_container_name(names, name):
    assert container_name({"Id": CID, "Names": names}) == name


def test_containers():
    answer = [
        {"Id": "b", "Names": ["/b"], "HostConfig": {"NetworkMode": "host"},
         "NetworkSettings": {"Networks": {"host": {"NetworkID": "h"}}}},
        {"Id": "a", "Names": ["/a"], "NetworkSettings": {"Networks": {"y": {"NetworkID": "2"}, "x": None}}},
        {},
    ]
    assert [(found.name, found.network_mode, found.networks) for found in parse_containers(answer)] == [
        ("", "", []), ("a", "", ["", "2"]), ("b", "host", ["h"]),
    ]


def test_networks():
    answer = [
        {"Name": "bridge", "Id": NID, "Driver": "bridge", "Options": {"com.docker.network.bridge.name": "docker0"},
         "IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]}},
        {"Name": "back", "Id": NID, "Driver": "bridge", "Internal": True, "Options": {
            "com.docker.network.bridge.gateway_mode_ipv6": "routed"},
         "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}, {"Subnet": "fd00::/64"}, {}, None]}},
        {"Name": "lan", "Id": NID, "Driver": "macvlan", "Options": {"parent": "eth0"}, "IPAM": {"Config": None}},
        {"Name": "none", "Id": NID, "Driver": "null", "Options": None, "IPAM": None},
    ]
    back, bridge, lan, none = parse_networks(answer, {})
    assert (back.bridge, back.internal, back.subnets) == ("br-0123456789ab", True, ["172.18.0.0/16", "fd00::/64"])
    assert back.gateway_modes == {4: "nat", 6: "routed"}
    assert (bridge.bridge, bridge.internal, bridge.gateway_modes) == ("docker0", False, {4: "nat", 6: "nat"})
    assert (lan.bridge, lan.subnets, lan.gateway_modes, lan.options) == (None, [], {}, {"parent": "eth0"})
    assert (none.bridge, none.subnets, none.options) == (None, [], {})


@pytest.mark.parametrize("version, numbers, mode", [
    ("20.10.24+dfsg1", (20, 10, 24), "nat"), ("26.1.5", (26, 1, 5), "nat"), ("27.0.1", (27, 0, 1), "routed"),
    ("29", (29,), "routed"), ("28.0.0-rc.1", (28, 0, 0), "routed"), ("master-dirty", (), "routed"),
])
def test_engines_before_27_know_no_gateway_modes(version, numbers, mode):
    info = {"ServerVersion": version}
    assert release(info) == numbers
    network = {"Driver": "bridge", "Options": {"com.docker.network.bridge.gateway_mode_ipv4": "routed"}}
    assert parse_networks([network], info)[0].gateway_modes == {4: mode, 6: "nat"}


KEYS = ["Id", "Names", "Ports", "IP", "PublicPort", "PrivatePort", "Type", "HostConfig", "NetworkSettings", "Networks", "Name", "Driver", "Options",
        "IPAM", "Config", "Subnet", "Internal", "FirewallBackend", "Info", "ServerVersion"]
SCALARS = [None, 0, -1, 65536, True, "", "x", "127.0.0.1", [], [None], {}, {"a": 1}, [[1, 2]], 1.5]


@settings(max_examples=210)
@given(several(st.dictionaries(st.sampled_from(KEYS), json_values(KEYS, SCALARS, 2), max_size=8)))
def test_no_answer_makes_it_stumble(answers):
    """Whatever JSON stands where: a value comes back, or nothing."""
    for item in answers:
        parse_networks([item], item)
        parse_containers([item])
        parse_published([item])
        parse_backend(item)
        backend_details(item)
