# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Jumps, their positions, and what passes them by."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.jumps import Jump, entered_chains, jumps_to, our_hooks

from tests.unit.support.rulesets import captured, chains


@pytest.mark.parametrize("before, passed_by", [
    ([], None),
    (["-s 192.0.2.1/32 -j DROP", "-j LOG --log-prefix x", "-p tcp"], None),
    (["-j DROPS"], None),
    (["-j RETURNS"], None),
    (["-j DB-FIRST"], None),
    (["-s 192.0.2.1/32 -j ACCEPT"], "-s 192.0.2.1/32 -j ACCEPT"),
    (["-j RETURN"], "-j RETURN"),
    (["-j DROP", "-j ACCEPTS", "-j ACCEPT"], "-j ACCEPTS"),
    (["-g DROPS"], "-g DROPS"),
    (["-j QUEUE"], "-j QUEUE"),
])
def test_what_passes_a_hook_by(before, passed_by):
    ruleset = chains(filter__FORWARD=before + ["-j DB-X"], filter__DB_X=[], filter__DB_FIRST=["-j ACCEPT"],
                     filter__DROPS=["-j DROP"], filter__RETURNS=["-j RETURN"], filter__ACCEPTS=["-j ACCEPT"])
    hook = [found for found in our_hooks(ruleset) if found.target == "DB-X"]
    assert hook == [Jump("filter", "FORWARD", "DB-X", len(before) + 1, len(before) + 1, passed_by)]


def test_jumps_between_our_own_chains_are_no_hooks():
    ruleset = chains(filter__DB_A=["-j DB-B"], filter__DB_B=[], filter__INPUT=["-j DB-A"])
    assert [(hook.parent, hook.target) for hook in our_hooks(ruleset)] == [("INPUT", "DB-A")]
    assert entered_chains(ruleset, "filter") >= {"DB-A", "DB-B"}
    assert entered_chains(ruleset, "nat") == frozenset()


@pytest.mark.parametrize("version", ["20.10.24", "27.5.1", "28.5.2"])
def test_docker_s_own_jump(version):
    ruleset = captured(version)[4]
    assert [(jump.position, jump.passed_by) for jump in jumps_to(ruleset, "filter", "FORWARD", "DOCKER-USER")] == [
        (1, None)]
    assert our_hooks(ruleset) == []
    assert jumps_to(ruleset, "filter", "NONE", "DOCKER-USER") == []
    assert jumps_to(ruleset, "none", "FORWARD", "DOCKER-USER") == []
