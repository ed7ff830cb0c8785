# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""iptables-save's text: read as iptables-restore reads it."""
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import (
    parse,
    parse_expecting,
    quote,
    render,
    split_words,
    target_of,
)

CAPTURES = sorted((Path(__file__).resolve().parents[5] / "fixtures" / "captures").glob("*.iptables-save"))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_real_engines_rules_are_all_read(path):
    text = path.read_text(encoding="utf-8").partition("# ip6tables-save")[0]
    ruleset = parse(text)
    lines = [line for table in ruleset.tables.values() for line in render({name: chain.rules for name, chain in table.items()})]
    assert sorted(lines) == sorted(line for line in text.splitlines() if line.startswith("-A "))
    assert {name for table in ruleset.tables.values() for name in table} == {
        line[1:].split(" ")[0] for line in text.splitlines() if line.startswith(":")}


def test_policies_counters_and_order():
    ruleset = parse("# made by\n*filter\n:INPUT DROP [1:2]\n:X - [0:0]\n[3:4] -A X -j B\n[5:6] -A X\n-A INPUT -j X\nCOMMIT\n"
                    "# done\n*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")
    assert ruleset.chain("filter", "INPUT") == ("DROP", ["-j X"], [""])
    assert ruleset.chain("filter", "INPUT").is_builtin and not ruleset.chain("filter", "X").is_builtin
    assert ruleset.chain("filter", "X") == ("-", ["-j B", ""], ["[3:4]", "[5:6]"])
    assert ruleset.rules("nat", "OUTPUT") == [] == ruleset.rules("nat", "NONE") == ruleset.rules("raw", "X")
    assert ruleset.chain("raw", "X") is None


def test_a_comment_with_a_line_break_stays_one_rule():
    rule = '-m comment --comment "one\n-A X -j ACCEPT\n\\" two" -j DROP'
    assert parse("*filter\n:X - [0:0]\n-A X %s\n-A X -j RETURN\nCOMMIT\n" % rule).rules("filter", "X") == [rule, "-j RETURN"]


EXPECTED = {"filter": {"X": ("-s 192.0.2.1/32 -j DROP", "-j RETURN")}}


@pytest.mark.parametrize("lines", [
    ["-A X -s 192.0.2.1/32 -j DROP", "-A X -j RETURN"],
    ["-A X -s 192.0.2.1/32 -j DROP", "-A X -j RETURN", "-A X -j RETURN"],
    ["-A X -j ACCEPT", "-A X -s 192.0.2.1/32 -j DROP", "-A X -j RETURN"],
    ["-A X -s 192.0.2.1/32 -j DROP", "-A X -j ACCEPT", "-A X -j RETURN"],
    ["-A X -s 192.0.2.1/32 -j DROP"],
    [],
    ["-A W -j X", "-A X -s 192.0.2.1/32 -j DROP", "-A X -j RETURN", "-A XX -j RETURN"],
], ids=["as expected", "one more at the end", "one more ahead", "one more within", "one less", "none", "among others"])
@pytest.mark.parametrize("other", ["", "*nat\n:X - [0:0]\n-A X -s 192.0.2.1/32 -j DROP\n-A X -j RETURN\nCOMMIT\n"], ids=["", "in another table too"])
def test_what_is_read_does_not_depend_on_what_is_expected(lines, other):
    text = other + "*filter\n:W - [0:0]\n:X - [0:0]\n:XX - [0:0]\n%sCOMMIT\n" % "".join(line + "\n" for line in lines)
    read, plain = parse_expecting(text, EXPECTED), parse(text)
    assert {table: list(chains) for table, chains in read.tables.items()} == {table: list(chains) for table, chains in plain.tables.items()}
    assert all(read.rules(table, name) == plain.rules(table, name) for table in plain.tables for name in plain.tables[table])


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_real_engines_rules_expected_or_not(path):
    text = "".join(line + "\n" for line in path.read_text(encoding="utf-8").partition("# ip6tables-save")[0].splitlines())
    plain = parse(text)
    every = {table: {name: chain.rules for name, chain in chains.items()} for table, chains in plain.tables.items()}
    read = parse_expecting(text, every)
    assert {table: {name: chain.rules for name, chain in chains.items()} for table, chains in read.tables.items()} == every


def test_what_is_not_understood_is_an_error_and_not_skipped():
    with pytest.raises(DrawbridgeError, match="not understood"):
        parse("*filter\nwhat is this\nCOMMIT\n")


@pytest.mark.parametrize("rule, words", [
    ("-s  192.0.2.1 -j DROP", ["-s", "192.0.2.1", "-j", "DROP"]),
    ('--comment "a b" -j X', ["--comment", "a b", "-j", "X"]),
    ('--comment "a \\"b\\" \\\\ c"', ["--comment", 'a "b" \\ c']),
    ("it's", ["it's"]),
    ('a"b c"d', ["ab cd"]),
    ('x "" y', ["x", "", "y"]),
    ("back\\slash", ["back\\slash"]),
    ("", []),
])
def test_words_are_split_as_iptables_restore_splits_them(rule, words):
    assert split_words(rule) == words


@pytest.mark.parametrize("rule", ['"', 'a "b', '"a\\', '"a\\"'])
def test_a_quote_that_is_not_closed(rule):
    with pytest.raises(ValueError):
        split_words(rule)


@pytest.mark.parametrize("word", ["plain", "two words", 'with "quotes"', "it's", "back\\slash", "é", "", "!", "-x", "a,b"])
def test_a_quoted_word_is_read_back(word):
    assert split_words("--comment %s -j X" % quote(word)) == ["--comment", word, "-j", "X"]


@pytest.mark.parametrize("rule, target", [
    ("-j DROP", "DROP"), ("-p tcp -g CHAIN", "CHAIN"), ("-s 192.0.2.1", None), ("", None),
    ('-m comment --comment "a -j ACCEPT" -j DROP', "DROP"), ("-j", None),
    ("-m comment --comment -j -j DROP", "DROP"), ('-m string --string "-g" --algo bm -j DROP', "DROP"),
    ('-m comment --comment "drawbridge:5" -j DB-USER-x', "DB-USER-x"),
])
def test_where_a_rule_leads(rule, target):
    assert target_of(rule) == target
