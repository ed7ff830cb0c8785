# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What people are shown of a plan."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet, SetTarget
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import Change, TableState, changes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.diff import before_and_after
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import FamilyPlan, Plan, SetChange
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset

NET = SetType("hash:net")


def family(old, new, **needs):
    commits = [change._replace(**needs) for change in changes(old, new)]
    return FamilyPlan(old, new, commits, Ruleset())


def shown(families=None, sets=()):
    diff = before_and_after(Plan(families or {}, list(sets), [], [], []))
    return diff["before"].splitlines(), diff["after"].splitlines()


def test_nothing_changes():
    assert shown() == ([], [])
    assert shown({4: FamilyPlan({}, {}, [], Ruleset())}) == ([], [])


def test_chains_jumps_and_lines_of_others():
    old = {"filter": TableState({"DB-A": ("-j DROP",)}, {"INPUT": ("-j DB-A",)}, {"DOCKER-USER": ("-s 192.0.2.1/32 -j DROP",)})}
    new = {"filter": TableState({"DB-A": ("-j RETURN",), "DB-B": ()}, {"INPUT": ("-j DB-A",)})}
    before, after = shown({6: family(old, new)})
    assert before == ["# ip6tables, table filter", ":DB-A -", "-A INPUT -j DB-A", "-A DB-A -j DROP", "-A DOCKER-USER -s 192.0.2.1/32 -j DROP"]
    assert after == ["# ip6tables, table filter", ":DB-A -", ":DB-B -", "-A INPUT -j DB-A", "-A DB-A -j RETURN"]


def test_a_chain_that_is_made_for_others_is_shown():
    new = {"filter": TableState({}, {"DOCKER-USER": ("-j DB-A",)})}
    _before, after = shown({4: family({}, new, make=("DOCKER-USER",), enter=("-I FORWARD 1 -j DOCKER-USER",))})
    assert ":DOCKER-USER -" in after and "-I FORWARD 1 -j DOCKER-USER" in after


def test_tables_that_do_not_change_are_not_shown():
    same = {"nat": TableState({"DOCKER-FILTER": ()})}
    part = FamilyPlan(same, same, [Change("filter", TableState(), TableState({"DB-A": ()}))], Ruleset())
    assert not any("nat" in line for side in shown({4: part}) for line in side)


def test_of_a_set_only_what_differs():
    live = LiveSet("DB-a-4", NET, 4, entries=frozenset(["10.0.0.1", "10.0.0.2"]))
    before, after = shown(sets=[SetChange("DB-a-4", live, SetTarget("DB-a-4", NET, 4, frozenset(["10.0.0.2", "10.0.0.3"])))])
    assert before == ["create DB-a-4 hash:net", "add DB-a-4 10.0.0.1", "# 1 entries of DB-a-4 stay"]
    assert after == ["create DB-a-4 hash:net", "add DB-a-4 10.0.0.3", "# 1 entries of DB-a-4 stay"]


def test_chains_stand_in_one_order():
    """The kernel lists chains by name, a policy in the order in which packets meet them: what stays where it is must not look moved."""
    old = {"filter": TableState({"DB-A": ("-j DROP",), "DB-GONE": (), "DB-Z": ("-j RETURN",)}, {"INPUT": ("-j DB-A",), "FORWARD": ("-j DB-Z",)})}
    new = {"filter": TableState({"DB-Z": ("-j RETURN",), "DB-A": ("-j DROP", "-j RETURN")}, {"FORWARD": ("-j DB-Z",), "INPUT": ("-j DB-A",)})}
    before, after = shown({4: family(old, new)})
    assert [line for line in before if line not in after] == [":DB-GONE -"]
    assert before.index("-A DB-A -j DROP") > before.index("-A DB-Z -j RETURN") and after[-1] == "-A DB-A -j RETURN"
    assert [line for line in before if line in after] == after[:-1]


def test_a_set_in_its_other_generation_is_one_set():
    """DBP-x-4a makes place for DBP-x-4b when rules change with it: people are shown what that does, not how it is done."""
    def rules(letter, *more):
        return {"filter": TableState({"DB-A": ("-m set --match-set DBP-x-4%s src -j RETURN" % letter, *more)})}

    live = LiveSet("DBP-x-4a", NET, 4, entries=frozenset(["10.0.0.1"]))
    wanted = SetTarget("DBP-x-4b", NET, 4, frozenset(["10.0.0.1", "10.0.0.2"]))
    before, after = shown({4: family(rules("a"), rules("b", "-j DROP"))}, [SetChange("DBP-x-4b", None, wanted), SetChange("DBP-x-4a", live, None)])
    assert before == ["# iptables, table filter", ":DB-A -", "-A DB-A -m set --match-set DBP-x-4 src -j RETURN",
                      "create DBP-x-4 hash:net", "# 1 entries of DBP-x-4 stay"]
    assert after == before[:3] + ["-A DB-A -j DROP", "create DBP-x-4 hash:net", "add DBP-x-4 10.0.0.2", "# 1 entries of DBP-x-4 stay"]


def test_a_comment_is_shown_as_it_is():
    rule = '-m comment --comment "DBP-x-4a" -j DROP'
    _before, after = shown({4: family({}, {"filter": TableState({"DB-A": (rule,)})})})
    assert after[-1] == "-A DB-A " + rule


def test_sets_that_come_and_go():
    assert shown(sets=[SetChange("x", None, SetTarget("x", NET, 4, frozenset(["10.0.0.1"])))]) == ([], ["create x hash:net", "add x 10.0.0.1"])
    assert shown(sets=[SetChange("x", LiveSet("x", NET, 4, entries=frozenset()), None)]) == (["create x hash:net"], [])


def test_a_long_list_is_counted():
    entries = frozenset("10.0.%d.%d" % (number // 256, number % 256) for number in range(1000))
    _before, after = shown(sets=[SetChange("x", None, SetTarget("x", NET, 4, entries))])
    assert len(after) == 52 and after[-1] == "# and 950 more entries of x"
