# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Addresses: the same answers as Python's ipaddress, quicker."""
import ipaddress

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import halves, parse_network, quoted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.support.strategies import networks, several


@pytest.mark.parametrize("bits, kind", [(32, ipaddress.IPv4Network), (128, ipaddress.IPv6Network)])
@settings(max_examples=140)
@given(st.data())
def test_networks_are_what_ipaddress_says(bits, kind, data):
    for number, prefix in data.draw(several(networks(bits))):
        wanted = kind((number, prefix), strict=False)
        written = ipaddress.ip_address(number.to_bytes(bits // 8, "big"))
        found = parse_network("%s/%d" % (written.exploded, wanted.prefixlen))
        assert ipaddress.ip_network(str(found)) == wanted
        assert (found.family, found.prefix, found.is_host) == (wanted.version, wanted.prefixlen, wanted.prefixlen == bits)


@pytest.mark.parametrize("text, spelt", [
    ("192.0.2.7", "192.0.2.7/32"), ("192.0.2.7/24", "192.0.2.0/24"), ("192.0.2.7/255.255.255.0", "192.0.2.0/24"), ("1.2.3.4/0.0.0.0", "0.0.0.0/0"),
    ("2001:DB8:0:0::1", "2001:db8::1/128"), ("::ffff:0:0/95", "::fffe:0:0/95"), ("0::0/0", "::/0"), ("192.0.2.7/032", "192.0.2.7/32"),
])
def test_spellings(text, spelt):
    assert str(parse_network(text)) == spelt


@pytest.mark.parametrize("text", [
    "", "/", "/8", "host", "example.com", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/255.0.255.0",
    "1.2.3.4/8/8", "1.2.3.4/٨", "2001:db8::/129", "2001:db8::/ffff::", "::1::", "fe80::1%eth0", "[::1]", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "1.2.3.4\0",
    "\ud800", "1.2.3.4/" + "1" * 5000, "0x7f.1.1.1", "2130706433",
])
def test_what_is_no_network(text):
    with pytest.raises(DrawbridgeError) as error:
        parse_network(text, "here")
    assert error.value.path == "here" and "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("text", ["::ffff:192.0.2.1", "0:0:0:0:0:FFFF:C000:0201/128", "::ffff:10.0.0.0/104", "::ffff:0:0/96"])
def test_ipv4_in_the_clothes_of_ipv6_matches_no_packet(text):
    with pytest.raises(DrawbridgeError, match="no packet has"):
        parse_network(text, "here")


@pytest.mark.parametrize("text, entries", [
    ("0.0.0.0/0", ("0.0.0.0/1", "128.0.0.0/1")), ("::/0", ("::/1", "8000::/1")), ("10.0.0.0/8", ("10.0.0.0/8",)), ("10.0.0.1", ("10.0.0.1",)),
])
def test_halves(text, entries):
    assert halves(parse_network(text)) == entries


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", "é", "\ud800", "x" * 1000, None, 5, ["a"]])
def test_quoted_is_one_bounded_line_of_ascii(value):
    shown = quoted(value)
    assert shown.isascii() and shown.isprintable() and len(shown) <= 80
