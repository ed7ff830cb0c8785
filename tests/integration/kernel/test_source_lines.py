# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Each line that asks for sources is needed: without it somebody gets in, or something that nobody forged does not pass."""
import pytest

from tests.integration.kernel.support import forge_honest, forge_matrix
from tests.integration.kernel.support.forge_cases import CASES, UNTRACKED

# To trust an address is to let in who claims it; ways out are judged by where packets come from and go to.
TRUSTING = ("published ports", "host services", "both", "filter ahead of dnat")


# One of each kind of chain; the others are made of the same.
FEW = ("both", "egress", "filter ahead of dnat", "section")


@pytest.mark.parametrize("case", [pytest.param(case, marks=() if case in FEW else pytest.mark.drill) for case in CASES if case not in ("vrf", UNTRACKED)])
def test_without_them_attacks_get_in(stage, cases, case, tell):
    """What nobody can do proves nothing: the same attacks, with the lines taken out of the same rules."""
    cases.apply(case)
    assert cases.source_lines()
    cases.no_source_check()
    found = forge_matrix.outcome(stage, forge_matrix.ATTACKS)
    tell(case, found)
    for kind in (forge_matrix.REVERSED, forge_matrix.CLAIMED)[: 2 if case in TRUSTING else 1]:
        assert {attack.family for attack in found.got_in if attack.kind == kind} == {4, 6}


# Of untracked packets alone.
OF_THE_LOOPBACK = "-i lo -j RETURN"
# Only a VRF has addresses that IPv6 does not find by its routing rules: without the line the others are LOCAL all the same.
OF_VRFS = (6, "-m rpfilter --loose --invert -j DROP")


def test_each_of_them_is_needed(stage, cases, tell):
    case = "both"
    cases.apply(case)
    lines, honest = cases.source_lines(), forge_honest.passed(stage)
    cases.no_source_check()
    able = forge_matrix.outcome(stage, forge_matrix.ATTACKS).got_in
    cases.apply(case)
    assert cases.source_lines() == lines
    stopped = [attack for attack in able if attack not in forge_matrix.outcome(stage, able).got_in]
    assert stopped
    tried = [line for line in lines if (line[0], line[-1]) != OF_VRFS and line[-1] != OF_THE_LOOPBACK and "--label" not in line[-1]]
    idle = []
    for family, *place in tried:
        with cases.without(family, *place):
            got_in = forge_matrix.outcome(stage, [attack for attack in stopped if attack.family == family]).got_in
            lost = honest - forge_honest.passed(stage)
        tell("without IPv%d %s" % (family, " ".join(map(str, place))), "%d got in, lost: %s" % (len(got_in), sorted(lost)))
        if not got_in and not lost:
            idle.append((family, place[-1]))
    assert cases.source_lines() == lines
    assert tried and idle == []


@pytest.mark.parametrize("words", [OF_THE_LOOPBACK, " ! --ctstatus CONFIRMED"])
def test_what_the_host_says_to_itself_is_not_asked(stage, cases, words, tell):
    """Where services are denied, what the host says to a group does not come back to it anyway; its loopback's flows are known when they are seen."""
    cases.apply(UNTRACKED)
    honest = forge_honest.passed(stage)
    cases.without_words(words)
    lost = honest - forge_honest.passed(stage)
    tell("without '%s'" % words, sorted(lost))
    assert {family for _what, family in lost} == {4, 6}
