# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is reached by an interface, from what the kernel shows of its main tables."""
import sys

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.routing import Route, routes_by

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
IPV4 = HEAD + "".join("%s\t%s\t%s\t0003\t0\t0\t0\t%s\t0\t0\t0\n" % row for row in (
    ("eth0", "00000000", "010200C0", "00000000"), ("br-1", "0000630A", "020012AC", "0000FFFF"), ("br-1", "00000000", "020012AC", "00000080"),
    ("br-2", "010200C0", "00000000", "FFFFFFFF")))
IPV6 = "".join("%s %s %s 00 %s 00000400 00000001 00000000 %s br-1\n" % (address, length, "0" * 32, "0" * 32, flags) for address, length, flags in (
    ("fd990000000000000000000000000000", "40", "00000003"), ("fe800000000000000000000000000000", "40", "00000001"),
    ("fd180000000000000000000000000001", "80", "80200001"), ("ff000000000000000000000000000000", "08", "00000001"),
    ("00000000000000000000000000000000", "00", "00000003")))


class Host:
    """Of which there are only these files."""

    def read(self, path):
        return {"/proc/thread-self/net/route": IPV4, "/proc/thread-self/net/ipv6_route": IPV6}[path]


@pytest.mark.skipif(sys.byteorder != "little", reason="the kernel's words are written here as a little-endian machine shows them")
def test_networks_that_are_led_to_by_some_interfaces():
    assert routes_by(Host(), ["br-1"]) == [Route("10.99.0.0/16", "172.18.0.2"), Route("fd99::/64", "")]
    assert routes_by(Host(), ["br-2", "br-3"]) == [Route("192.0.2.1/32", "")]


class Bare:
    """Without IPv6, or without /proc."""

    def read(self, _path):
        return None


def test_a_host_that_shows_nothing():
    assert routes_by(Bare(), ["br-1"]) == []
