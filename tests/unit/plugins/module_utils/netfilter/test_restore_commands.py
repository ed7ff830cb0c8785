# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""iptables-restore's input as values, and rules taken apart."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.restore_commands import (
    Block,
    Command,
    parse_blocks,
    rule_parts,
)
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.state import Change, TableState, commit


def test_what_a_plan_writes_is_understood():
    change = Change(
        "filter",
        TableState({"DB-OLD": ("-j DROP",)}, {"FORWARD": ("-j DB-OLD",)}, {"DOCKER-USER": ("-s 192.0.2.1/32 -j DROP",)}),
        TableState({"DB-NEW": ("-j DROP", "-j RETURN")}, {"FORWARD": ("-j DB-NEW",)}),
        make=("DOCKER-USER",),
        enter=("-I FORWARD 1 -j DOCKER-USER",),
    )
    assert parse_blocks(commit(change, {"DB-NEW": {"-j RETURN": "[3:300] "}})) == [Block("filter", [
        Command("declare", "DOCKER-USER"), Command("declare", "DB-NEW"), Command("declare", "DB-OLD"),
        Command("insert", "FORWARD", "-j DOCKER-USER", 1),
        Command("delete", "FORWARD", "-j DB-OLD"), Command("insert", "FORWARD", "-j DB-NEW", 1),
        Command("delete", "DOCKER-USER", "-s 192.0.2.1/32 -j DROP"),
        Command("append", "DB-NEW", "-j DROP"), Command("append", "DB-NEW", "-j RETURN", counters=[3, 300]),
        Command("remove", "DB-OLD"),
    ])]


def test_policies_repeated_tables_and_nothing():
    assert parse_blocks("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n*filter\n-X DB-X\nCOMMIT\n") == [
        Block("filter", [Command("declare", "FORWARD", policy="DROP")]), Block("filter", [Command("remove", "DB-X")])]
    assert parse_blocks("") == []


@pytest.mark.parametrize("text", ["-A X -j DROP", "*filter\n-F X\n", "*filter\n-Z\n", "*filter\nnonsense\n"])
def test_anything_else_is_an_error(text):
    with pytest.raises(DrawbridgeError, match="not a line of iptables-restore's input"):
        parse_blocks(text)


def parts(**given):
    return dict({"source": "", "destination": "", "in": None, "out": None, "protocol": None, "fragment": None,
                 "matches": [], "target": "", "goto": False, "options": []}, **given)


@pytest.mark.parametrize("rule, expected", [
    ("", parts()),
    ("-j DROP", parts(target="DROP")),
    ("! -s 10.0.0.0/8 -d 192.0.2.1/32 -i eth+ ! -o br-0 -j DB-X",
     parts(source="!10.0.0.0/8", destination="192.0.2.1/32", target="DB-X", **{"in": (False, "eth+"), "out": (True, "br-0")})),
    ("! -p tcp -g DB-X", parts(protocol=(True, 6), target="DB-X", goto=True)),
    ("-p 200 ! -f", parts(protocol=(False, 200), fragment=(True,))),
    ("-p tcp -m tcp ! --sport 1:2 --tcp-flags FIN,SYN SYN -j REJECT --reject-with tcp-reset",
     parts(protocol=(False, 6), matches=[("tcp", [("sport", True, ["1:2"]), ("tcp-flags", False, ["FIN,SYN", "SYN"])])],
           target="REJECT", options=[("reject-with", False, ["tcp-reset"])])),
    ("-m set ! --match-set office src -m set --match-set b dst -j DROP",
     parts(matches=[("set", [("match-set", True, ["office", "src"])]), ("set", [("match-set", False, ["b", "dst"])])], target="DROP")),
    ('-m comment --comment "! -j ACCEPT" -j DROP', parts(matches=[("comment", [("comment", False, ["! -j ACCEPT"])])], target="DROP")),
    ("-m comment --comment --x -j DROP", parts(matches=[("comment", [("comment", False, ["--x"])])], target="DROP")),
    ('-j LOG --log-prefix "-j DROP" --log-uid', parts(target="LOG", options=[("log-prefix", False, ["-j DROP"]), ("log-uid", False, [])])),
])
def test_rules_taken_apart(rule, expected):
    assert rule_parts(rule) == expected


@pytest.mark.parametrize("rule", ["-j", "-s", "!", "-x 5", "DROP", "--dport 5", "-p nosuchprotocol -j DROP", '-m comment --comment "a'])
def test_a_rule_that_makes_no_sense(rule):
    with pytest.raises(DrawbridgeError):
        rule_parts(rule)
