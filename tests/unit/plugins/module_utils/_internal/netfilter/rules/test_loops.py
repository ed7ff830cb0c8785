# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Chains that lead back to themselves."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.loops import leads_back, ways_from


@pytest.mark.parametrize("table, way", [
    ({"A": ["-j DROP"]}, []), ({"A": ["-j A"]}, ["A"]), ({"A": ["-j B"], "B": ["-p tcp -g A"]}, ["A", "B"]),
    ({"A": ["-j B"], "B": ["-j B"]}, []), ({"A": ["-j B", "-j C"], "B": ["-j D"], "C": ["-j D"], "D": []}, []),
    ({"A": ["-j B"], "B": ["-j C"], "C": ["-j A"]}, ["A", "B", "C"]), ({}, []), ({"A": ["-j NOSUCH"]}, []),
])
def test_circles(table, way):
    assert leads_back("A", table) == way


def test_ways():
    assert ways_from(["-j DROP", "-p tcp -j X", "-g Y", "-j X", "-j REJECT --reject-with tcp-reset", "-j DROPS", ""]) == ["X", "Y", "DROPS"]


def test_a_comment_leads_nowhere():
    assert ways_from(['-m comment --comment "see -j X" -j Y', "-m comment --comment -j -j Z"]) == ["Y", "Z"]
    assert leads_back("A", {"A": ['-m comment --comment "not -j A " -j LOG']}) == []
