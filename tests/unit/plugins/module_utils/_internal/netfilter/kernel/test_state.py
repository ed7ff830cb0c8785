# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""From one state to another: texts, their order, and what belongs to whom. No kernel."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import (
    Change,
    TableState,
    changes,
    commit,
    hook_line,
    in_order,
    in_place,
    kept_counters,
    live_state,
    only_restricts,
    returning,
    staged_change,
    wanted_state,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import Hook
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse

OWNED = [("filter", "DB-USER-web")]
HOOK = Hook("filter", "DOCKER-USER", "DB-USER-web", 500)
JUMP = hook_line(HOOK)
OTHERS = '-m comment --comment "drawbridge:100" -j DB-USER-policy'


def table_of(*rules, chains=""):
    return parse("*filter\n:DOCKER-USER - [0:0]\n:DB-USER-web - [0:0]\n:DB-USER-policy - [0:0]\n%s%sCOMMIT\n"
                 % (chains, "".join("-A %s\n" % rule for rule in rules)))


def test_live_state_is_our_chains_and_everybodys_jumps_of_ours():
    ruleset = table_of("DOCKER-USER -s 192.0.2.1 -j DROP", "DOCKER-USER " + OTHERS, "DOCKER-USER " + JUMP, "DB-USER-web -j DROP", "DB-USER-policy -j DROP")
    state = live_state(ruleset, OWNED, [("filter", "DOCKER-USER")])
    assert state == {"filter": TableState({"DB-USER-web": ("-j DROP",)}, {"DOCKER-USER": (OTHERS, JUMP)})}


def test_a_parent_that_is_not_ours_to_hook_is_seen_only_with_our_jump_in_it():
    assert live_state(table_of("DOCKER-USER " + OTHERS), OWNED, [])["filter"].jumps == {}
    assert live_state(table_of("DOCKER-USER " + JUMP), OWNED, [])["filter"].jumps == {"DOCKER-USER": (JUMP,)}


def test_a_comment_that_names_our_chain_is_no_jump():
    ruleset = table_of('DOCKER-USER -m comment --comment "not -j DB-USER-web" -j DROP')
    assert live_state(ruleset, OWNED, [("filter", "DOCKER-USER")])["filter"].jumps == {}


def test_wanted_hooks_stand_among_those_of_others_by_priority():
    live = {"filter": TableState({}, {"DOCKER-USER": (OTHERS,)})}
    late = wanted_state(live, OWNED, {("filter", "DB-USER-web"): ()}, [HOOK])
    early = wanted_state(live, OWNED, {("filter", "DB-USER-web"): ()}, [HOOK._replace(priority=5)])
    assert late["filter"].jumps["DOCKER-USER"] == (OTHERS, JUMP)
    assert early["filter"].jumps["DOCKER-USER"] == (hook_line(HOOK._replace(priority=5)), OTHERS)


def test_without_hooks_our_jumps_go_and_those_of_others_stay():
    live = {"filter": TableState({"DB-USER-web": ("-j DROP",)}, {"DOCKER-USER": (OTHERS, JUMP)})}
    assert wanted_state(live, OWNED, {}, []) == {"filter": TableState({}, {"DOCKER-USER": (OTHERS,)})}


def test_a_commit_writes_what_differs_and_nothing_else():
    old = TableState({"DB-A": ("-j DROP",), "DB-B": ("-j RETURN",), "DB-C": ()}, {"DOCKER-USER": ("-j DB-A",)})
    new = TableState({"DB-A": ("-j DROP",), "DB-B": ("-j DROP", "-j RETURN")}, {"DOCKER-USER": ("-j DB-A", "-j DB-B")})
    text = commit(Change("filter", old, new), {"DB-B": {"-j RETURN": "[1:2] "}})
    assert text == ("*filter\n:DB-B - [0:0]\n:DB-C - [0:0]\n-D DOCKER-USER -j DB-A\n-I DOCKER-USER 1 -j DB-A\n-I DOCKER-USER 2 -j DB-B\n"
                    "-A DB-B -j DROP\n[1:2] -A DB-B -j RETURN\n-X DB-C\nCOMMIT\n")


def test_equal_states_need_no_change():
    state = {"filter": TableState({"DB-A": ()}, {"INPUT": ("-j DB-A",)})}
    assert not any(change.is_needed for change in changes(state, dict(state)))
    assert not any(change.is_needed for change in changes({}, {}))


def _change(table, old, new):
    return Change(table, TableState(dict.fromkeys(old, ())), TableState(dict.fromkeys(new, ("-j DROP",))))


def test_one_table_is_one_commit():
    change = _change("filter", ["DB-A"], ["DB-A"])
    assert in_order([change]) == [change]


def test_several_tables_are_staged_so_that_both_policies_hold_in_between():
    filters, mangle = _change("filter", ["DB-A"], ["DB-A"]), _change("mangle", ["DB-G"], ["DB-G"])
    half, middle, last = in_order([filters, mangle])
    assert middle == mangle
    assert half.old == filters.old and last.new == filters.new and half.new == last.old
    assert half.new.chains == {"DB-A": (), "DBX-DB-A": ("-j DROP",)}


def test_what_is_new_comes_first_and_what_goes_comes_last():
    made, changed, gone = _change("filter", [], ["DB-A"]), _change("mangle", ["DB-G"], []), _change("nat", ["DB-N"], ["DB-N"])
    assert in_order([made, changed, gone]) == [made, gone, changed]


def test_staged_chains_are_entered_before_the_old_ones_and_lead_to_each_other():
    old = TableState({"DB-A": ("-j DB-B",), "DB-B": ()}, {"INPUT": ("-j DB-A",)})
    new = TableState({"DB-A": ("-p tcp -g DB-B", "-j OTHER"), "DB-B": ("-j DROP",)}, {"INPUT": ("-j DB-A",)})
    half = staged_change(Change("filter", old, new)).new
    assert half.jumps == {"INPUT": ("-j DBX-DB-A", "-j DB-A")}
    assert half.chains["DBX-DB-A"] == ("-p tcp -g DBX-DB-B", "-j OTHER") and half.chains["DB-A"] == ("-j DB-B",)


def test_a_comment_is_no_jump_when_chains_are_staged():
    rule = '-m comment --comment "see -j DB-A" -j DB-A'
    new = TableState({"DB-A": ("-j DROP",), "DB-B": (rule, '-m comment --comment "-j DB-A" -j DROP')}, {})
    half = staged_change(Change("filter", TableState({"DB-A": ()}), new)).new
    assert half.chains["DBX-DB-B"] == ('-m comment --comment "see -j DB-A" -j DBX-DB-A', '-m comment --comment "-j DB-A" -j DROP')


def test_a_comment_does_not_make_a_jump_a_goto():
    table = table_of("DB-USER-policy -j DROP").tables["filter"]
    assert only_restricts('-m comment --comment "a -g b" -j DB-USER-policy', table)
    assert not only_restricts("-g DB-USER-policy", table)


def test_counters_are_kept_for_our_chains_only():
    ruleset = parse("*filter\n:DB-A - [0:0]\n:X - [0:0]\n[1:2] -A DB-A -j DROP\n[3:4] -A X -j DROP\nCOMMIT\n")
    assert kept_counters(ruleset, "filter") == {"DB-A": {"-j DROP": "[1:2] "}}


@pytest.mark.parametrize("before, stays", [
    ([], True), (["-s 192.0.2.1 -j DROP"], True), (["-j LOG"], True), (["-m comment --comment x"], True), (["-j RESTRICTS"], True),
    (["-j ACCEPT"], False), (["-j RETURN"], False), (["-j OPENS"], False), (["-g RESTRICTS"], False), (["-j LOOPS"], False), (["-j NOSUCH"], False),
])
def test_what_may_stand_above_a_hook(before, stays):
    ruleset = table_of(*("DOCKER-USER " + rule for rule in before), "DOCKER-USER " + JUMP, "RESTRICTS -j DROP", "RESTRICTS -j RETURN",
                       "OPENS -p tcp -j ACCEPT", "LOOPS -j LOOPS", chains=":RESTRICTS - [0:0]\n:OPENS - [0:0]\n:LOOPS - [0:0]\n")
    assert in_place(ruleset, HOOK) is stays


@pytest.mark.parametrize("before, stays", [(["-j DOCKER"], False), (["-j ACCEPT"], True), (["-j DOCKER-INGRESS"], False), ([], True)])
def test_a_hook_that_only_has_to_precede_some_jumps(before, stays):
    ruleset = table_of(*("DOCKER-USER " + rule for rule in before), "DOCKER-USER -j DB-USER-web")
    assert in_place(ruleset, HOOK._replace(ahead_of=("DOCKER", "DOCKER-INGRESS"))) is stays


@pytest.mark.parametrize("now, lines", [
    (["a", JUMP, "b", "c"], []),
    ([JUMP, "b"], ["-I X 1 a", "-I X 4 c"]),
    ([], ["-I X 1 a", "-I X 3 b", "-I X 4 c"]),  # our jump is back by then
    (["new", JUMP, "a", "b"], ["-I X 4 c"]),
])
def test_lines_go_back_to_their_places(now, lines):
    assert returning("X", ["a", JUMP, "b", "c"], now) == lines


def test_a_place_beyond_the_chains_end_is_its_end():
    assert returning("X", ["a", "b", "c"], []) == ["-I X 1 a", "-I X 2 b", "-I X 3 c"]
    assert returning("X", ["gone", "gone", "d"], ["d"]) == ["-I X 1 gone", "-I X 2 gone"]
