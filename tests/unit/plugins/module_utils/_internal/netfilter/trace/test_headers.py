# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a packet's bytes say."""
import ipaddress

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace.headers import read_header

from tests.integration.kernel.support import forge


def packed(family, protocol, destination, ports, text=b"DBF0"):
    source = {4: "192.0.2.2", 6: "2001:db8::2"}[family]
    return forge.packed(forge.Packet(family, protocol, source, destination, ports, text))


@pytest.mark.parametrize("family, first, second", [(4, "192.0.2.1", "172.17.0.2"), (6, "2001:db8::1", "fd00:17::2")])
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_translation_leaves_the_key_alone(family, first, second, protocol):
    kind = "ipv6-icmp" if (protocol, family) == ("icmp", 6) else protocol
    before, after, other = (read_header(packed(family, protocol, *place), kind) for place in (
        (first, (40000, 80)), (second, (40000, 8080)), (first, (40000, 80), b"DBF1")))
    assert before.key == after.key and (before.key != other.key or protocol == "tcp")
    assert after.ends.destination == int(ipaddress.ip_address(second)) and before.family == family
    if protocol != "icmp":
        assert before.ends[2:] == (40000, 80) and after.ends[2:] == (40000, 8080)
    assert before.icmp == ({4: (8, 0), 6: (128, 0)}[family] if protocol == "icmp" else None)
    assert before.flags == (frozenset(["SYN"]) if protocol == "tcp" else frozenset())


def test_later_fragments_and_headers_in_between():
    whole = packed(4, "udp", "192.0.2.1", (1, 2))
    assert read_header(whole[:6] + b"\0\1" + whole[8:], "udp").ends[2:] == (None, None)
    whole = packed(6, "udp", "2001:db8::1", (1, 2))
    options = whole[:6] + b"\0" + whole[7:40] + bytes([17, 0]) + bytes(6) + whole[40:]
    assert read_header(options, "udp").ends[2:] == (1, 2)
    assert read_header(whole[:40], "udp", whole[40:]).ends[2:] == (1, 2)


@pytest.mark.parametrize("data", [b"", b"\x45", b"\x60" * 39, b"\x45" + bytes(19), b"\x60" + bytes(39)])
def test_too_few_bytes(data):
    found = read_header(data, "tcp")
    assert found is None or found.ends[2:] == (None, None)
