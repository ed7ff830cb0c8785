# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Packets as users write them: defaults, and errors that name the place."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.asked import parse_asked

GOOD = {"from": "203.0.113.9", "to": "192.0.2.10:8080"}


@pytest.mark.parametrize("packet, said", [
    ({}, ("tcp", 8080, None, {"SYN"})),
    ({"to": "192.0.2.10"}, ("icmp", None, (8, 0), set())),
    ({"to": "192.0.2.10", "icmp_type": "3/4"}, ("icmp", None, (3, 4), set())),
    ({"to": "192.0.2.10", "icmp_type": "echo-reply"}, ("icmp", None, (0, 0), set())),
    ({"to": "192.0.2.10:53/udp"}, ("udp", 53, None, set())),
    ({"to": "192.0.2.10", "port": "443"}, ("tcp", 443, None, {"SYN"})),
    ({"to": "192.0.2.10", "port": 53, "protocol": "udp"}, ("udp", 53, None, set())),
    ({"from": "2001:db8::9", "to": "[2001:db8::10]:443"}, ("tcp", 443, None, {"SYN"})),
    ({"from": "2001:db8::9", "to": "2001:db8::10"}, ("ipv6-icmp", None, (128, 0), set())),
    ({"state": "established"}, ("tcp", 8080, None, {"ACK"})),
    ({"state": "reply"}, ("tcp", 8080, None, {"SYN", "ACK"})),
    ({"tcp_flags": ["rst"]}, ("tcp", 8080, None, {"RST"})),
    ({"to": "192.0.2.10", "protocol": "esp"}, ("esp", None, None, set())),
])
def test_what_is_left_out_is_filled_in(packet, said):
    asked = parse_asked([{**GOOD, **packet}])[0]
    assert (asked.protocol, asked.dport, asked.icmp, asked.flags) == said


def test_a_packet_of_the_host_has_no_source_yet():
    assert parse_asked([{**GOOD, "from": "host"}])[0].is_local


@pytest.mark.parametrize("packet, words", [
    ({"colour": "red"}, "packets[1].colour: no such key (keys are from, to,"),
    ({"from": None}, "packets[1].from: it is missing"),
    ({"to": ""}, "packets[1].to: it is missing"),
    ({"to": "web:80"}, "packets[1].to: 'web:80' is not an IP address"),
    ({"to": "192.0.2.0/24"}, "packets[1].to: '192.0.2.0/24' is a network"),
    ({"to": "192.0.2.10:99999"}, "packets[1].to: 99999 is no port"),
    ({"port": 80}, "packets[1].port: the port stands in to as well"),
    ({"to": "192.0.2.10", "port": 70000}, "packets[1].port: '70000' is no number from 0 to 65535"),
    ({"to": "192.0.2.10", "protocol": "udp"}, "packets[1].port: a packet of udp needs a port"),
    ({"protocol": "icmp"}, "packets[1].port: icmp has no ports"),
    ({"protocol": "quic"}, "packets[1].protocol: 'quic' is no protocol"),
    ({"from": "2001:db8::9"}, "packets[1].from: 2001:db8::9 is of another family"),
    ({"state": "related"}, "packets[1].state: 'related' is no state (states are new,"),
    ({"icmp_type": "8"}, "packets[1].icmp_type: tcp has no types"),
    ({"to": "192.0.2.10", "icmp_type": "pong"}, "packets[1].icmp_type: 'pong' is no type"),
    ({"tcp_flags": ["SYN", "X"]}, "packets[1].tcp_flags: "),
    ({"mark": "green"}, "packets[1].mark: 'green' is no number"),
    ({"interface": ["eth0"]}, "packets[1].interface: "),
])
def test_errors_name_the_place(packet, words):
    with pytest.raises(DrawbridgeError) as caught:
        parse_asked([GOOD, {**GOOD, **packet}])
    assert str(caught.value).startswith(words)


def test_what_is_no_packet_is_told():
    with pytest.raises(DrawbridgeError, match=r"packets\[0\]: 'x' is not a packet"):
        parse_asked(["x"])
