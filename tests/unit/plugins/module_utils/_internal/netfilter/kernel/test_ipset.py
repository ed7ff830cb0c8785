# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""ipset's text both ways, and the lines that lead from one content to another."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import (
    IpsetFailed,
    LiveSet,
    SetTarget,
    create_line,
    fill_lines,
    parse_entries,
    parse_headers,
    same_kind,
    update_lines,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import MAX_SET_NAME, SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import scratch_set

NET = SetType("hash:net")
HEADERS = """Name: DB-a-4
Type: hash:net
Revision: 7
Header: family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x9c5bd4b0
Size in memory: 456
References: 2
Number of entries: 3

Name: ports
Type: bitmap:port
Revision: 3
Header: range 0-65535
Size in memory: 8264
References: 0
Number of entries: 0

Name: theirs
Type: hash:ip
Revision: 5
Header: family inet6 hashsize 64 maxelem 10 timeout 300 comment bucketsize 12 initval 0x1
Size in memory: 208
References: 1
Number of entries: 0

Name: lists
Type: list:set
Revision: 3
Header: size 8
Size in memory: 80
References: 0
Number of entries: 0
"""


def live(*entries, maxelem=65536):
    return LiveSet("DB-a-4", NET, 4, maxelem, frozenset(entries))


def target(*entries):
    return SetTarget("DB-a-4", NET, 4, frozenset(entries))


def test_headers():
    sets = parse_headers(HEADERS)
    assert sets["DB-a-4"] == LiveSet("DB-a-4", NET, 4, 65536, None, 3, 2)
    assert sets["ports"] == LiveSet("ports", SetType("bitmap:port", "range 0-65535"), None, 65536, None, 0, 0)
    assert sets["theirs"] == LiveSet("theirs", SetType("hash:ip", "timeout 300 comment"), 6, 10, None, 0, 1)
    assert sets["lists"].type == SetType("list:set", "size 8")
    assert parse_headers("") == {}


@pytest.mark.parametrize("name", ["DB-a-4", "ports", "theirs", "lists"])
def test_what_was_read_can_be_made_again(name):
    found = parse_headers(HEADERS)[name]
    line = create_line(name, found.type, found.family or 4)
    assert line.startswith("create %s %s" % (name, found.type.name)) and line.endswith(found.type.options)
    assert ("family" in line) == found.type.has_family


@pytest.mark.parametrize("name, has", [("hash:net", True), ("hash:net,iface", True), ("hash:mac", False), ("bitmap:port", False),
                                       ("list:set", False)])
def test_which_types_have_a_family(name, has):
    assert SetType(name).has_family is has


def test_entries_of_several_sets():
    header = "Type: hash:net\nRevision: 7\nHeader: family inet\nNumber of entries: 1\nMembers:\n"
    text = ("ipset> Name: a\n" + header + "10.0.0.0/8\n192.0.2.1\nipset> Name: b\n" + header
            + "ipset> Name: add\n" + header + '1.2.3.4 comment "ipset> Name: y"\nipset> ')
    assert parse_entries(text) == {"a": {"10.0.0.0/8", "192.0.2.1"}, "b": frozenset(), "add": {'1.2.3.4 comment "ipset> Name: y"'}}
    assert parse_entries("") == {}


def test_a_set_is_made_with_room_for_what_it_holds():
    assert "hashsize 1024 maxelem 65536" in create_line("x", NET, 4, 10)
    assert "hashsize 131072 maxelem 131072" in create_line("x", NET, 6, 100_000)
    assert fill_lines(target("b", "a"))[1:] == ["add DB-a-4 a", "add DB-a-4 b"]


def test_equal_contents_need_nothing():
    assert update_lines(target("a"), live("a")) == []
    assert update_lines(SetTarget("DB-a-4", NET, 4, None), live("a")) == []


def test_a_patch_adds_before_it_deletes():
    assert update_lines(target("a", "c"), live("a", "b")) == ["add DB-a-4 c", "del DB-a-4 b"]


def test_an_entry_with_other_options_is_swapped_in():
    lines = update_lines(target("a nomatch"), live("a"))
    assert lines[-2:] == ["swap %s DB-a-4" % scratch_set("DB-a-4"), "destroy %s" % scratch_set("DB-a-4")]


def test_what_does_not_fit_beside_the_old_entries_is_swapped_in():
    assert update_lines(target("a", "b"), live("a", maxelem=1))[-1].startswith("destroy")
    assert update_lines(target("a", "b"), live("a", maxelem=2)) == ["add DB-a-4 b"]


def test_large_differences_are_swapped_in_small_ones_are_patched():
    old = [str(number) for number in range(1000)]
    assert len(update_lines(target(*old[200:]), live(*old))) == 200
    assert update_lines(target(*old[201:]), live(*old))[-2].startswith("swap ")


@pytest.mark.parametrize("held, same", [
    (LiveSet("x", NET, 4), True), (LiveSet("x", NET, 6), False), (LiveSet("x", SetType("hash:ip"), 4), False),
    (LiveSet("x", SetType("hash:net", "comment"), 4), False),
])
def test_same_kind(held, same):
    assert same_kind(held, target()) is same


def test_a_type_without_family_is_the_same_in_both():
    ports = SetType("bitmap:port", "range 0-65535")
    assert same_kind(LiveSet("x", ports, None), SetTarget("x", ports, 6, None))


def test_names_for_a_moment_are_short_and_of_the_whole_name():
    assert len(scratch_set("x" * 31)) <= MAX_SET_NAME
    assert scratch_set("a-4") != scratch_set("a-6")


def test_the_line_that_ipset_refused():
    error = IpsetFailed(["create x", "add x y"], "ipset v7.17: Error in line 2: Syntax error:\n cannot parse y")
    assert error.line == "add x y" and error.message == "ipset refuses 'add x y': Syntax error: cannot parse y"
    assert IpsetFailed(["a"], "no such line").line is None
    assert IpsetFailed(["a"], "Error in line 5: x").line is None
