# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a feed may bring, for any text: never more than max, never anything outside of inside, nothing that is not a good entry."""
import ipaddress

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import parse_network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.feeds.feed import Bounds, judged
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.addresses import parse_feed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds.content import good_entries
from hypothesis import given, settings
from hypothesis import strategies as st

URL = {"url": "https://127.0.0.1/x"}
NETWORKS = st.one_of(
    st.tuples(st.integers(0, 2 ** 32 - 1), st.integers(0, 32)).map(lambda pair: ipaddress.ip_network(pair, strict=False)),
    st.tuples(st.integers(0, 2 ** 128 - 1), st.integers(0, 128)).map(lambda pair: ipaddress.ip_network(pair, strict=False)),
    st.sampled_from(["1.1.1.0/24", "10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0", "8.0.0.0/8", "2400:cb00::/32", "fd00::/8", "2000::/16"]).map(
        ipaddress.ip_network),
)
# Lines of a list, most of them good, and some of anything.
LINES = st.lists(st.one_of(NETWORKS.map(str), NETWORKS.map(str), st.sampled_from(["", "# x", "1.1.1.1;x", "1.1.1.1/8"]), st.text(max_size=12)), max_size=6)
INSIDE = st.lists(NETWORKS, max_size=3)


def used(text, inside, most, form="text"):
    bounds = {"inside": [str(item) for item in inside]} if inside else {}
    try:
        return [ipaddress.ip_network(entry) for entry in good_entries(text.encode("utf-8"), parse_feed({**URL, "max": most, "format": form, **bounds}, "x"))]
    except DrawbridgeError:
        return None


@settings(max_examples=150)
@given(LINES, INSIDE, st.integers(1, 6))
def test_what_is_used_is_within_the_bounds(lines, inside, most):
    found = used("\n".join(lines), inside, most)
    if found is None:
        return
    # A set refuses /0: there it is two halves.
    assert 0 < len(found) <= most + 2
    allowed = {version: list(ipaddress.collapse_addresses(item for item in inside if item.version == version)) for version in (4, 6)}
    for network in found:
        if inside:
            assert any(network.subnet_of(item) for item in allowed[network.version])
        else:
            assert network.is_global and not network.is_multicast and network.prefixlen >= (8 if network.version == 4 else 16)
    # Nothing is invented.
    said = " ".join(lines)
    assert all(str(network.network_address) in said or "/0" in said for network in found)


@settings(max_examples=100)
@given(st.lists(NETWORKS, min_size=1, max_size=6), st.integers(1, 6))
def test_whatever_is_inside_is_used(networks, most):
    wanted = {str(network) for network in networks}
    found = used("\n".join(wanted), networks, most)
    assert (found is None) == (len(wanted) > most)


@settings(max_examples=100)
@given(st.text(max_size=60), st.sampled_from(["text", "json"]))
def test_any_text_is_used_or_refused(text, form):
    used(text.encode("utf-8", "ignore").decode("utf-8"), [], 5, form)


@settings(max_examples=100)
@given(NETWORKS)
def test_host_bits_are_no_entry(network):
    if network.prefixlen < network.max_prefixlen:
        with pytest.raises(DrawbridgeError, match="bits set"):
            judged(["%s/%d" % (network.network_address + 1, network.prefixlen)], Bounds(1, 9, (parse_network("0.0.0.0/0"), parse_network("::/0"))))


@pytest.mark.parametrize("entry", ["9.0.0.0/7", "8.0.0.0/7", "2400::/15", "192.168.0.0/24", "172.16.5.0/24", "100.64.0.0/11", "169.254.169.254", "127.0.0.1",
                                   "224.0.0.1", "255.255.255.255", "240.0.0.0/8", "192.0.0.0/8", "::1", "fe80::/64", "2001:db8::/48", "2002::/17",
                                   "64:ff9b::/96", ""])
def test_nobody_s_addresses(entry):
    with pytest.raises(DrawbridgeError):
        judged([entry], Bounds(1, 9))


@pytest.mark.parametrize("entry", ["8.0.0.0/8", "1.1.1.1", "2400::/16", "2606:4700::/32", "192.1.0.0/16", "100.0.0.0/10", "223.255.255.0/24", "2001:4860::/32"])
def test_somebody_s_addresses(entry):
    assert [entry] in [list(found) for found in judged([entry], Bounds(1, 1)).values()]


@pytest.mark.parametrize("raw, path, words", [
    ({}, "x", "a url or a src"), ({**URL, "src": "a"}, "x", "a url or a src"), ({"url": "ftp://a/"}, "x.url", "no address of a page"),
    ({"url": "https://u:p@host/"}, "x.url", "without a user"), ({"url": "https://host/a b"}, "x.url", "no address"),
    ({"url": "https://host\n/"}, "x.url", "no address"),
    ({"url": 7}, "x.url", "expected a text"), ({"url": "http://host/"}, "x.url", "without TLS"), ({**URL, "min": 0}, "x.min", "whole number from 1"),
    ({**URL, "max": 65537}, "x.max", "to 65536"), ({**URL, "min": 7, "max": 6}, "x", "min is more than max"), ({**URL, "inside": []}, "x.inside", "empty"),
    ({**URL, "inside": ["example.org"]}, "x.inside[0]", "not an IP address"), ({**URL, "inside": [7]}, "x.inside[0]", "expected an address"),
    ({**URL, "query": "a"}, "x.query", "format: json"), ({**URL, "format": "xml"}, "x.format", "text, json"), ({**URL, "timeout": 301}, "x.timeout", "to 300"),
    ({**URL, "checksum": "md5:0"}, "x.checksum", "sha256"), ({**URL, "interval": "6h"}, "x", "unknown key 'interval'"),
    ({"src": "a", "allow_http": True}, "x.allow_http", "not fetched"), ({"src": "a\0"}, "x.src", "name of a file"), ({"src": ""}, "x.src", "empty"),
    ({**URL, "allow_http": "yes"}, "x.allow_http", "true or false"), ({**URL, "query": None, "format": "json"}, "x.query", "expected a text"),
])
def test_mistakes_in_a_description(raw, path, words):
    with pytest.raises(DrawbridgeError) as error:
        parse_feed(raw, "x")
    assert error.value.path == path and words in str(error.value)


def test_what_is_left_out():
    source = parse_feed({**URL, "min": "6000"}, "x")
    assert source.bounds == Bounds(6000, 6000) and source.seconds == 30 and source.format == "text" and parse_feed(URL, "x").bounds == Bounds(1, 5000)
