# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Nobody gets in by claiming an address that cannot be where he is: every forged source against every chain that exempts replies."""
import pytest

from tests.integration.kernel.support import forge_matrix, forge_rules, forge_stage
from tests.integration.kernel.support.forge_cases import CASES, LOADED, Cases
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import missing

SOURCES = ("mangle", "DB-SOURCE")
ATTACKS = forge_matrix.attacks()


@pytest.fixture(name="stage")
def stage_with_an_engine(host):
    """Around the host: the outside, two bridges and containers, with the rules that an engine makes."""
    reason = missing("ip", "conntrack")
    if reason:
        pytest.skip(reason)
    with forge_stage.staged() as found:
        for family in PROGRAMS:
            host.restore(forge_rules.engines_rules(family), family)
        yield found


@pytest.fixture(name="cases")
def cases_of(host, stage, tmp_path):
    return Cases(host, stage, tmp_path)


@pytest.fixture(name="tell")
def telling(capsys, host):
    """Prints what a case came to."""
    def tell(case, found):
        with capsys.disabled():
            print("\n    %s, %s: %s" % (case, host.variant, found), end=" ")
    return tell


@pytest.mark.parametrize("case", CASES)
def test_nobody_gets_in(stage, cases, case, tell):
    if case == "vrf":
        if not forge_stage.has_vrfs():
            pytest.skip("this kernel has no VRFs")
        forge_stage.into_a_vrf()
    cases.apply(case)
    found = forge_matrix.outcome(stage, ATTACKS)
    tell(case, found)
    assert found.got_in == [], "\n".join(forge_matrix.by_kind(found.got_in))


@pytest.mark.parametrize("case", LOADED)
def test_nobody_gets_in_while_the_rules_are_away(stage, cases, case, tell):
    cases.load(case)
    found = forge_matrix.outcome(stage, ATTACKS)
    tell(case, found)
    assert found.got_in == [], "\n".join(forge_matrix.by_kind(found.got_in))
