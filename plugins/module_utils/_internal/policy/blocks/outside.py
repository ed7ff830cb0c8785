# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Packets from outside: from every interface except Docker's bridges, or from the interfaces that the policy names."""

from __future__ import annotations

from typing import List

from ...netfilter.rules.desired import Chain, Line
from ..language.model import Policy
from ..values import reserved_names

# The suffix of the second chain's name.
OUTSIDE = "-OUT"
FROM_BRIDGES = "-m set --match-set @%s src,src" % reserved_names.BRIDGES


def bridges_pass(policy: Policy) -> List[Line]:
    """Return the line that lets packets from Docker's bridges by. None if the policy names interfaces: other packets do not come to its rules."""
    return [] if policy.external_interfaces else [Line(FROM_BRIDGES + " -j RETURN")]


def judged_from_outside(policy: Policy, table: str, name: str, first: List[Line], rules: List[Line]) -> List[Chain]:
    """Return a chain that applies the rules only to packets from outside. first: lines before the check of the packet's interface."""
    return judged_by_interface(policy, table, name, first, [*bridges_pass(policy), *rules])


def judged_by_interface(policy: Policy, table: str, name: str, first: List[Line], rules: List[Line]) -> List[Chain]:
    """Return a chain that applies the rules to packets from the interfaces that the policy names, if it names any.

    Then the rules are in a second chain. Other packets pass only one line per interface.
    """
    if not policy.external_interfaces:
        return [Chain(table, name, [*first, *rules])]
    inner = name + OUTSIDE
    entrances = [Line("-i %s -g %s" % (interface, inner)) for interface in policy.external_interfaces]
    return [Chain(table, name, first + entrances), Chain(table, inner, rules)]
