# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The engine's rules (since 28) that drop packets from outside to containers' own addresses, ahead of all other rules. Pure."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from ...netfilter.rules.matches import AddressMatch, InterfaceMatch, Verdict
from ...netfilter.rules.saved_rule import parse
from ...netfilter.rules.saved_ruleset import Ruleset


class DirectDrop(NamedTuple):
    """network: as iptables-save prints it. bridge: packets to the network may come in by it.

    of_all: whether the rule has no other matches, for example for a port.
    """

    network: str
    bridge: str
    of_all: bool


def direct_drops(ruleset: Ruleset) -> List[DirectDrop]:
    """Return these rules of one family. A rule with any other match, known or not, does not drop everything."""
    return [found for found in map(_direct_drop, ruleset.rules("raw", "PREROUTING")) if found is not None]


def _direct_drop(text: str) -> Optional[DirectDrop]:
    rule = parse(text)
    networks = [match.network for match in rule.asks if isinstance(match, AddressMatch) and match.option == "-d" and not match.negated]
    bridges = [match.name for match in rule.asks if isinstance(match, InterfaceMatch) and match.option == "-i" and match.negated]
    if rule.target != Verdict("DROP") or not networks or not bridges:
        return None
    return DirectDrop(networks[0], bridges[0], len(rule.asks) == 2)
