# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who is outside: every interface but Docker's bridges, or the interfaces that the policy names."""

from __future__ import annotations

from typing import List

from ...netfilter.rules.desired import Chain, Line
from ..language import reserved_names
from ..language.model import Policy

# Ends the name of the second chain.
OUTSIDE = "-OUT"
FROM_BRIDGES = "-m set --match-set @%s src,src" % reserved_names.BRIDGES


def judged_from_outside(policy: Policy, table: str, name: str, first: List[Line], rules: List[Line]) -> List[Chain]:
    """A chain that shows the rules only to packets from outside.

    first: lines before the question where a packet comes from.
    With named interfaces the rules stand in a second chain, so that other packets pass one line per interface.
    """
    if not policy.external_interfaces:
        return [Chain(table, name, [*first, Line(FROM_BRIDGES + " -j RETURN"), *rules])]
    inner = name + OUTSIDE
    entrances = [Line("-i %s -g %s" % (interface, inner)) for interface in policy.external_interfaces]
    return [Chain(table, name, first + entrances), Chain(table, inner, rules)]
