# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Fingerprints of a plan: what they tell apart, and what is the same."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet, SetTarget
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import TableChange
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import Change, TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.fingerprints import fingerprint, fingerprints
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import FamilyPlan, Plan, SetChange
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset

NET = SetType("hash:net")


def plan(old=(), new=(), jumps=(), sets=(), tables=(), commits=(), family=4):
    states = [{"filter": TableState({"DB-INPUT": tuple(rules)}, {"INPUT": tuple(jumps)})} for rules in (old, new)]
    return Plan({family: FamilyPlan(states[0], states[1], list(commits), Ruleset({}))}, list(sets), [], [], [], list(tables))


def live(name, *entries):
    return LiveSet(name, NET, 4, entries=frozenset(entries))


def test_what_they_are_of():
    found = fingerprints(plan(["-j DROP"], [], ["-j DB-INPUT"], tables=[TableChange((4, "drawbridge-policy"), None, "table {}")]), {})
    assert sorted(found) == ["iptables filter DB-INPUT", "iptables filter INPUT, jumps of ours", "nftables ip drawbridge-policy"]
    before, after = found["iptables filter DB-INPUT"]
    assert before == fingerprint(["-j DROP"]) and after == fingerprint([]) != ""
    assert found["nftables ip drawbridge-policy"] == ["", fingerprint(["table {}"])]
    assert "ip6tables filter DB-INPUT" in fingerprints(plan(family=6), {})


@pytest.mark.parametrize("one, other", [
    (["-j A", "-j B"], ["-j B", "-j A"]), (["-j A"], ["-j A", "-j A"]), (["-j A", ""], ["-j A"]), (["a b"], ["a", "b"]), (["\udcff"], ["\udcfe"]),
    (["1 a", "b"], ["1 a1 b"]),
])
def test_rules_that_are_others(one, other):
    assert fingerprints(plan(new=one), {}) != fingerprints(plan(new=other), {}) != fingerprints(plan(old=other), {})


def test_a_jump_that_is_to_be_moved():
    moved = Change("filter", TableState(), TableState(), moved=("INPUT",))
    still = Change("filter", TableState(), TableState())
    assert fingerprints(plan(commits=[still]), {}) == fingerprints(plan(), {})
    assert set(fingerprints(plan(commits=[moved]), {})) - set(fingerprints(plan(), {})) == {"iptables filter, places of jumps"}


def test_a_set_is_the_same_in_either_generation_and_whatever_it_counted():
    names = ["DBP-office-4a", "DBP-office-4b", "DBP-office-4"]
    found = [fingerprints(plan(new=["-m set --match-set %s src -j DROP" % name]), {name: live(name, "192.0.2.0/24")}) for name in names]
    assert found[0] == found[1] == found[2] and "set DBP-office-4" in found[0]
    entries = ("192.0.2.0/24 timeout 5", "192.0.2.0/24 timeout 7 packets 3 bytes 9", "192.0.2.0/25")
    counted = [fingerprints(plan(), {"x": live("x", entry)}) for entry in entries]
    assert counted[0] == counted[1] != counted[2]


def test_sets_before_and_after():
    held, wanted = live("x", "192.0.2.0/24"), SetTarget("x", NET, 4, frozenset(("192.0.2.0/25",)))
    changed = fingerprints(plan(sets=[SetChange("x", held, wanted)]), {"x": held})["set x"]
    assert changed[0] == fingerprints(plan(), {"x": held})["set x"][0] != changed[1] != ""
    assert fingerprints(plan(sets=[SetChange("x", None, wanted)]), {})["set x"] == ["", changed[1]]
    assert fingerprints(plan(sets=[SetChange("x", held, None)]), {"x": held})["set x"] == [changed[0], ""]
    # A set whose entries were not read is nobody's plan.
    assert "set y" not in fingerprints(plan(), {"y": LiveSet("y", NET, 4)})
