# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lines by which chains say that they are in force: where they stand, and who has to know that they go."""
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import FamilyPlan, Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.labels import (
    LABELS,
    answering,
    is_answer,
    takes_answers,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import keeping

from tests.tools.boot_program import SOURCES

FACTS = HostFacts(published=[], bridges=["docker0"], closed_bridges={4: ["docker0"], 6: []}, subnets=["172.17.0.0/16"], swarm=False)
POLICY = {
    "published_ports": {"default": "deny", "allow": [{"port": 80, "sources": ["192.0.2.0/24"]}]},
    "host_services": {"default": "deny"},
    "egress": {"default": "deny"},
}
ANSWER = '-m conntrack --ctstate NEW -m set --match-set DBP-unflushed-4a src -m connlabel --label "127" --set'


def compiled(**more):
    return compile_policy(parse_policy(dict(POLICY, **more)), FACTS)


def texts(wanted, table, name):
    return next([line.text for line in chain.lines] for chain in wanted.chains if (chain.table, chain.name) == (table, name))


@pytest.mark.parametrize("change", [lambda wanted: wanted, keeping])
@pytest.mark.parametrize("more", [{}, {"external_interfaces": ["eth0"]}])
def test_each_chain_answers_once_behind_what_lets_open_connections_by(change, more):
    wanted = change(compiled(**more))
    found = answering(wanted)
    for (table, name), label in LABELS.items():
        lines, before = texts(found, table, name), texts(wanted, table, name)
        place, = [index for index, line in enumerate(lines) if is_answer(line)]
        assert lines[place].endswith(" --label %d --set" % label)
        assert lines[:place] + lines[place + 1:] == before
        passed = [index for index, line in enumerate(lines) if re.search("(?:ESTABLISHED|REPLY) -j RETURN", line)]
        # Nothing but first packets comes to DB-SOURCE.
        assert max(passed, default=-1) < place and bool(passed) == (name != "DB-SOURCE")
        # Whoever comes from inside is answered too: nobody has to know there who is inside.
        assert not any("bridges src,src -j RETURN" in line or line.startswith("-i eth0") for line in lines[:place])


def test_the_set_that_says_whether_sets_were_flushed_holds_every_address():
    full = answering(compiled()).sets["unflushed"]
    assert full.entries == {4: {"0.0.0.0/1", "128.0.0.0/1"}, 6: {"::/1", "8000::/1"}}


def test_no_policy_has_nothing_to_say():
    nothing = compile_policy(parse_policy({}), FACTS)
    assert answering(nothing) == nothing


def test_the_boot_program_looks_for_the_same_labels():
    program = (SOURCES / "awk" / "answers.awk").read_text(encoding="utf-8")
    for (table, name), label in LABELS.items():
        assert 'tell(%d, "%s", ' % (label, table) in program and '"%s")' % name in program


@pytest.mark.parametrize("rule, expected", [
    (ANSWER, True),
    ("-m connlabel --label 5 --set", False),
    ('-m comment --comment "-m connlabel --label 127 --set" -j ACCEPT', False),
    ("-j DROP", False),
])
def test_what_is_an_answer(rule, expected):
    assert is_answer(rule) == expected


def plan(before, after):
    states = [{"mangle": TableState({name: tuple(rules) for name, rules in chains.items()})} for chains in (before, after)]
    return Plan({4: FamilyPlan(states[0], states[1], [], Ruleset())}, [], [], [], [])


@pytest.mark.parametrize("before, after, taken", [
    ({"DB-GUARD": [ANSWER, "-j DROP"]}, {"DB-GUARD": [ANSWER]}, False),
    ({"DB-GUARD": [ANSWER]}, {"DB-GUARD": ["-j DROP"]}, True),
    ({"DB-GUARD": [ANSWER]}, {}, True),
    ({}, {"DB-GUARD": [ANSWER]}, False),
])
def test_a_change_that_takes_answers_is_known_before(before, after, taken):
    assert takes_answers(plan(before, after)) == taken
