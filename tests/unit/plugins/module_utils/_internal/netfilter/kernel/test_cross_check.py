# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What counts as the same rule, and what is said where it is not. The real library is in the kernel tests."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import cross_check
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.cross_check import (
    ALWAYS,
    CrossCheck,
    Disagreement,
    Interpreter,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse

NEW = {"filter": TableState({"DB-A": ("-j DROP",)}, {"FORWARD": ("-j DB-A",)})}


class Reading:
    """A System whose python-iptables reads these chains, one answer after another."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def run(self, _argv, stdin):
        self.requests.append(json.loads(stdin))
        return Output(0, json.dumps({"chains": self.answers.pop(0)}), "")


def compared(monkeypatch, tmp_path, rules, *answers):
    """The report, of iptables-save's rules of DB-A and what the library reads of DB-A and FORWARD."""
    (tmp_path / "iptc.py").touch()
    monkeypatch.setattr(cross_check, "own_interpreter", lambda: Interpreter("python3", [str(tmp_path)]))
    text = "*filter\n:FORWARD DROP [0:0]\n:DB-A - [0:0]\n-A FORWARD -i eth0 -j ACCEPT\n-A FORWARD -j DB-A\n%sCOMMIT\n"
    saved = parse(text % "".join("-A DB-A %s\n" % rule for rule in rules))
    system = Reading(*answers)
    check = CrossCheck(system, "legacy", ALWAYS)
    check.compare({4: [{}, NEW]}, lambda: {4: saved})
    assert system.requests[0]["chains"] == [["filter", "DB-A", None], ["filter", "FORWARD", ["DB-A"]]]
    return check.report


ALIKE = [
    ("-p tcp -m tcp --dport 80 -j DROP", "-p 6 -m tcp --dport 80 -j DROP"),
    ("! -s 10.0.0.0/8 -i eth+ ! -p ipv6-icmp -j DROP", "! -s 10.0.0.0/8 -i eth+ ! -p 58 -j DROP"),
    ("-p gre -j DROP", "-p 47 -j DROP"),
    ("-p 200 -j DROP", "-p 200 -j DROP"),
    ('-m comment --comment "-p tcp" -j DROP', '-m comment --comment "-p tcp" -j DROP'),
    ("", ""),
]


@pytest.mark.parametrize("said, found", ALIKE)
def test_the_same_rule(monkeypatch, tmp_path, said, found):
    assert compared(monkeypatch, tmp_path, [said], [[found], ["-j DB-A"]]) == (2, [], "")


UNTOLD = [
    ("-m connlabel --label 5 -j DROP", "-m connlabel\0 -j DROP", ["connlabel"]),
    ("-m one -p tcp -m two --x y -j NEW --z", "-m one\0 -p tcp -m two\0 -j NEW\0", ["NEW", "one", "two"]),
]


@pytest.mark.parametrize("said, found, names", UNTOLD)
def test_what_the_library_cannot_read_is_compared_by_name(monkeypatch, tmp_path, said, found, names):
    assert compared(monkeypatch, tmp_path, [said], [[found], ["-j DB-A"]]) == (2, names, "")


DIFFERENT = [
    (["-j DROP"], [["-j ACCEPT"], ["-j DB-A"]], "chain DB-A, rule 1: it says '-j DROP', and python-iptables reads '-j ACCEPT'"),
    (["-p tcp -j DROP"], [["-p 17 -j DROP"], ["-j DB-A"]], "it says '-p tcp -j DROP', and python-iptables reads '-p 17 -j DROP'"),
    (["-p tcp -j DROP"], [["-j DROP"], ["-j DB-A"]], "it says '-p tcp -j DROP', and python-iptables reads '-j DROP'"),
    (["-m a --b -j DROP"], [["-m c\0 -j DROP"], ["-j DB-A"]], "it says '-m a --b -j DROP', and python-iptables reads '-m c ... -j DROP'"),
    (["-m ab -j DROP"], [["-m a\0 -j DROP"], ["-j DB-A"]], "reads '-m a ... -j DROP'"),
    (["-j DROP", "-j DROP"], [["-j DROP"], ["-j DB-A"]], "rule 2: it says '-j DROP', and python-iptables reads no rule"),
    (["-j DROP"], [["-j DROP", ""], ["-j DB-A"]], "rule 2: it says no rule, and python-iptables reads ''"),
    (["-j DROP"], [None, ["-j DB-A"]], "chain DB-A: it says this chain, and python-iptables reads no such chain"),
    (["-j DROP"], [["-j DROP"], []], "chain FORWARD, rule 1: it says '-j DB-A', and python-iptables reads no rule"),
]


@pytest.mark.parametrize("rules, answer, words", DIFFERENT)
def test_another_rule(monkeypatch, tmp_path, rules, answer, words):
    with pytest.raises(Disagreement) as caught:
        compared(monkeypatch, tmp_path, rules, answer, answer)
    assert "IPv4, table filter, " in str(caught.value) and words in str(caught.value)


def test_a_difference_that_is_gone_at_the_second_look_is_none(monkeypatch, tmp_path):
    assert compared(monkeypatch, tmp_path, ["-j DROP"], [[], []], [["-j DROP"], ["-j DB-A"]]).rules == 2


@pytest.mark.parametrize("variant, words", [("nft", "this host uses iptables-nft"), ("legacy", "python-iptables is not installed")])
def test_always_is_refused_where_it_cannot_be_done(monkeypatch, tmp_path, variant, words):
    monkeypatch.setattr(cross_check, "own_interpreter", lambda: Interpreter("python3", [str(tmp_path)]))
    with pytest.raises(DrawbridgeError, match=words):
        CrossCheck(Reading(), variant, ALWAYS)
