# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whichever line of a policy's chains is taken away, one of the policy's tests fails, on one of some hosts that the policy may find."""
import json
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import target_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.judge import Judge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks import engine_table
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.prove import Prover

from tests.unit.support.mutation.hosts import BOTH, USUAL, made
from tests.unit.support.mutation.policies import POLICIES
from tests.unit.support.mutation.promises import kept
from tests.unit.support.proofs import our_lines, without

# By host, lines that are needed there.
FEW = {
    "dual": r"ip6tables (DB-EGP-h?n-front: .*(-j DROP|--icmp)|DB-INPUT: .*--icmp)",
    "grown": r"docker_gwbridge|behind-containers",
    "elsewhere": r"INPUT: .*-j DB-GUARD-INPUT|DB-GUARD-INPUT: -g ",
    "turned": r"DB-LATE: -p (tcp|udp) .*DBP-pub-",
}


def met_by(prover, tests):
    """By place of a rule, the packets that meet it, each with its test."""
    found = {}
    for test in tests:
        for asked in prover.asked(test):
            for state in ("new", "reply") if test.allows else ("new",):
                flags = frozenset(("SYN", "ACK")) if state == "reply" and asked.flags else asked.flags
                for step in prover.judgement(asked._replace(state=state, flags=flags)).path:
                    found.setdefault((asked.family, step.table, step.chain, step.rule), {})[test.path, asked] = (test, asked)
    return found


def needed_on(host, lines):
    """Of these lines, those without which a test or a promise fails that holds with them."""
    place = host.scene
    prover, judge = Prover(place), Judge(place.snapshot)
    met = met_by(prover, [test for test in place.policy.tests if prover.failure(test) is None])
    promised = {}
    for what in host.promises:
        holds, path = kept(judge, what)
        assert holds, (what, path)
        for step in path:
            promised.setdefault((what.asked.family, step.table, step.chain, step.rule), []).append(what)
    for line in lines:
        at = (BOTH[line.name], line.table, line.chain, line.number)
        packets, promises = met.get(at, {}).values(), promised.get(at, ())
        if packets or promises:
            less = without(place.snapshot, line)
            prover, judge = Prover(place._replace(snapshot=less)), Judge(less)
            if any(prover.counterexample(*packet) for packet in packets) or not all(kept(judge, what)[0] for what in promises):
                yield line


def needed_among(found, lines):
    """Of these texts of lines, those of lines that are needed on one of the hosts."""
    needed = set()
    for host in found.values():
        there = [line for line in our_lines(host.scene.snapshot) if str(line) in lines]
        needed.update(map(str, needed_on(host, [line for line in there if str(line) not in needed])))
    return needed


# Why no packet needs a line. Each is shown by the rules, or by what fails without the line where a second one is taken away.


def is_never_marked(_found, line):
    """The table of nftables that marks packets asks for other protocols."""
    marking = [json.dumps(item["rule"]["expr"]) for item in engine_table.as_json() if "mangle" in json.dumps(item)]
    assert "-p sctp" in line.text and marking
    return all('"protocol": "tcp"' in rule or '"right": "udp"' in rule for rule in marking)


def only_logs(_found, line):
    """After this target a packet goes on as it was."""
    return target_of(line.text) == "LOG"


def is_last(found, line):
    """A packet that returns from a chain's last line is where it would be without the line."""
    chains = [[other for other in our_lines(host.scene.snapshot) if (other.name, other.chain) == (line.name, line.chain)] for host in found.values()]
    return line.text == "-j RETURN" and all(str(chain[-1]) == str(line) for chain in chains if str(line) in map(str, chain))


def has_a_double(found, line):
    """Where another line is taken away as well, a test fails without this one."""
    partner = line._replace(chain="DB-GUARD-PORTS")
    for host in found.values():
        double = next((other for other in our_lines(host.scene.snapshot) if str(other) == str(partner)), None)
        if double is not None and needs(host._replace(scene=host.scene._replace(snapshot=without(host.scene.snapshot, double))), line):
            return True
    return False


def needs(host, line):
    return any(needed_on(host, [other for other in our_lines(host.scene.snapshot) if str(other) == str(line)]))


NOT_NEEDED = [
    (r" -j LOG ", "it logs and changes nothing", only_logs),
    (r"DB-GUARD-PORTS: -j RETURN", "it tells a policy that allows from a chain that lost its end", is_last),
    (r"DB-LATE: -p sctp ", "the kernel tells no owner of sctp's sockets, so nothing marks these packets", is_never_marked),
    (r"DB-GUARD-INPUT: -m set --match-set DBP-bridges-", "a short way out: DB-GUARD-PORTS has the same line", has_a_double),
]


@pytest.mark.parametrize("name", FEW)
def test_a_line_is_not_without_a_test(name):
    """Few of them, in every run."""
    host = made({name: USUAL[name]})[name]
    lines = [line for line in our_lines(host.scene.snapshot) if re.search(FEW[name], str(line))]
    assert lines and [str(line) for line in needed_on(host, lines)] == [str(line) for line in lines]


@pytest.mark.drill
def test_no_line_is_without_a_test(capsys):
    found = made({**USUAL, **POLICIES})
    lines = {str(line): line for host in found.values() for line in our_lines(host.scene.snapshot)}
    tested = needed_among({name: host._replace(promises=[]) for name, host in found.items()}, set(lines))
    promised = needed_among({name: host for name, host in found.items() if host.promises}, set(lines) - tested)
    left = [name for name in lines if name not in tested | promised]
    reasons = {name: next((reason for reason in NOT_NEEDED if re.search(reason[0], name)), None) for name in left}
    with capsys.disabled():
        print("\nof %d lines of the policies' chains, tests need %d, packets that no test can say %d more; %d are listed, each with its reason" % (
            len(lines), len(tested), len(promised), len(left)))
    assert [name for name, reason in reasons.items() if reason is None] == []
    assert set(reasons.values()) == set(NOT_NEEDED)
    assert [name for name, (_pattern, _why, is_so) in reasons.items() if not is_so(found, lines[name])] == []
