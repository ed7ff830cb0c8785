# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Nobody gets in by claiming an address that cannot be where he is: every forged source against every chain that exempts replies."""
import pytest

from tests.integration.kernel.support import forge_honest, forge_matrix, forge_stage
from tests.integration.kernel.support.forge_cases import CASES, LOADED
from tests.integration.kernel.support.host import PROGRAMS

pytestmark = pytest.mark.attack


@pytest.mark.parametrize("case", CASES)
def test_nobody_gets_in(stage, cases, case, tell):
    if case == "vrf":
        if not forge_stage.has_vrfs():
            pytest.skip("this kernel has no VRFs")
        forge_stage.into_a_vrf()
    cases.apply(case)
    found = forge_matrix.outcome(stage, forge_matrix.ATTACKS)
    tell(case, found)
    assert found.got_in == [], "\n".join(forge_matrix.by_kind(found.got_in))


@pytest.mark.parametrize("case", LOADED)
def test_nobody_gets_in_while_the_rules_are_away(stage, cases, case, tell):
    cases.load(case)
    found = forge_matrix.outcome(stage, forge_matrix.ATTACKS)
    tell(case, found)
    assert found.got_in == [], "\n".join(forge_matrix.by_kind(found.got_in))


# What a policy that denies services denies by name, and not because of where it comes from.
DENIED_SERVICES = {("broadcast, outside", 4), ("from its link without a server", 4), ("group", 4), ("group", 6), ("wants an address, outside", 4),
                   ("from its link, outside", 6), ("to the host, on a bridge made later", 4), ("to the host, on a bridge made later", 6),
                   ("the host to a group", 4), ("the host to a group", 6), ("the host to everybody", 4)}


def everything():
    return {(name, family) for name, steps in forge_honest.flows().items() for family in PROGRAMS if forge_honest.is_of(steps, family)}


def test_all_that_nobody_forged_passes_ports_and_services_that_are_denied(stage, cases):
    assert forge_honest.passed(stage) == everything()
    cases.apply("both")
    assert forge_honest.passed(stage) == everything() - DENIED_SERVICES


@pytest.mark.parametrize("case", [case for case in CASES if case != "vrf"])
def test_what_nobody_forged_passes_as_if_nobody_asked(stage, cases, case):
    cases.apply(case)
    asked = forge_honest.passed(stage)
    cases.no_source_check()
    assert asked == forge_honest.passed(stage) and asked
