# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Names of many hosts, and text that is safe on a terminal."""
import pytest
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.texts import abbreviated, first_line, printable


@pytest.mark.parametrize("names, said", [
    (["web"], "web"),
    (["web2", "web1"], "web1, web2"),
    (["web%d" % number for number in range(97, 0, -1)], "web1 … web97"),
    (["web%02d" % number for number in (1, 2, 3, 9, 10, 11)], "web01 … web03, web09 … web11"),
    (["web9", "web010", "web11"], "web9, web010, web11"),
    (["web-%d.dc2.example.com" % number for number in (1, 2, 3)], "web-1.dc2.example.com … web-3.dc2.example.com"),
    (["10.0.0.%d" % number for number in (9, 10, 11)], "10.0.0.9 … 10.0.0.11"),
    (["web1", "db1", "app1", "web2", "web3", "cache", "old"], "app1, cache, db1, old and 3 more"),
    (["a\x1b[1m"], "a\\x1b[1m"),
])
def test_names(names, said):
    assert abbreviated(names) == said


@pytest.mark.parametrize("text, shown", [
    ("→ ü 漢 …", "→ ü 漢 …"), ("\x1b[31m", "\\x1b[31m"), ("a\tb\x7f\x85", "a\\tb\\x7f\\x85"), ("\u202eabc\u2066", "\\u202eabc\\u2066"), ("\udcff", "\\udcff"),
])
def test_printable(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("text, shown", [("", ""), ("one\ntwo", "one"), ("one\r\x1b[Ktwo", "one"), ("x" * 500, "x" * 399 + "…")])
def test_first_line(text, shown):
    assert first_line(text) == shown
