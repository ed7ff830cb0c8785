# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Entries of sets: what is spelt here, what is left to ipset, and what is refused."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.set_entries import (
    canonical_entries,
    family_of,
    split_entries,
)


def nobody(_kind, _family, entries):
    raise AssertionError("asked ipset about %s" % entries)


def canonical(entries, kind="hash:net", family=4, live=None, kernel=nobody):
    return canonical_entries(entries, SetType(kind), family, live, kernel, "entries")


def test_plain_networks_are_spelt_without_asking():
    assert canonical(["10.1.1.1/8", "192.0.2.1/32", "0.0.0.0/0"]) == {"10.0.0.0/8", "192.0.2.1", "0.0.0.0/1", "128.0.0.0/1"}
    assert canonical(["192.0.2.1"], "hash:ip") == {"192.0.2.1"}
    assert canonical(["080"], "bitmap:port") == {"80"}


def test_each_family_gets_its_own():
    entries = ["10.0.0.0/8", "2001:DB8::/32"]
    assert canonical(entries, family=4) == {"10.0.0.0/8"} and canonical(entries, family=6) == {"2001:db8::/32"}


def test_what_the_live_set_has_needs_no_look():
    assert canonical(["192.0.2.1,tcp:80"], "hash:ip,port", live=frozenset(["192.0.2.1,tcp:80"])) == {"192.0.2.1,tcp:80"}


def test_the_rest_is_asked_once():
    asked = []

    def kernel(kind, family, entries):
        asked.append((kind, family, entries))
        return ["one", "two"]

    assert canonical(["192.0.2.1,http", "192.0.2.2,80", "2001:db8::1,80"], "hash:ip,port", kernel=kernel) == {"one", "two"}
    assert asked == [(SetType("hash:ip,port"), 4, ["192.0.2.1,http", "192.0.2.2,80"])]


@pytest.mark.parametrize("kind, entry", [
    ("hash:net", "localhost"), ("hash:net", "debian"), ("hash:net", "cafe"), ("hash:net", "10.0.0.0/8 10.0.0.1"), ("hash:net", "10.0.0.1\nadd x y"),
    ("hash:net", "-exist"), ("hash:net", ""), ("hash:net", " "), ("hash:net", "10.0.0.1-host"), ("hash:net", "10.0.0.1,80"), ("hash:net", "\ud800"),
    ("hash:ip,port", "10.0.0.1"), ("hash:ip,port", "host,80"), ("hash:ip,port", "10.0.0.1,80,90"), ("hash:net,net", "10.0.0.0/8,host"),
    ("hash:net,iface", "10.0.0.0/8,a b"), ("hash:net,iface", "10.0.0.0/8," + "x" * 16), ("hash:ip", "10.0.0.1 comment \"a\"b\""),
    ("hash:ip", "1" * 400), ("bitmap:port", "host:80:90"),
])
def test_what_is_no_entry(kind, entry):
    with pytest.raises(DrawbridgeError) as error:
        canonical([entry], kind)
    assert error.value.path == "entries" and "\n" not in str(error.value)


@pytest.mark.parametrize("entry, family", [
    ("10.0.0.1", 4),
    ("2001:db8::1", 6),
    ("10.0.0.1,tcp:80", 4),
    ("2001:db8::1,tcp:80", 6),
    ("10.0.0.1 comment \"a:b\"", 4),
])
def test_the_family_is_that_of_the_first_address(entry, family):
    assert family_of(entry) == family


@pytest.mark.parametrize("text, entries", [
    ("", []), ("a\nb\n", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]), ("  a \n\n\tb\n", ["a", "b"]), ("# only\na # why\n#b\n", ["a"]), ("a\na", ["a"]),
    ("a#b", ["a"]), ("a", ["a"]),
])
def test_files(text, entries):
    assert split_entries(text) == frozenset(entries)
