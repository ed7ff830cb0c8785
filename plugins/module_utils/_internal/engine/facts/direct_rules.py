# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The rules by which an engine from 28 on drops what comes from outside for a container's own address, ahead of everything else. Pure."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from ...netfilter.rules.matches import AddressMatch, InterfaceMatch, Verdict
from ...netfilter.rules.saved_rule import parse
from ...netfilter.rules.saved_ruleset import Ruleset


class DirectDrop(NamedTuple):
    """network: as iptables-save prints it. bridge: by which packets to it may come. of_all: whether the rule asks for nothing else, like a port."""

    network: str
    bridge: str
    of_all: bool


def direct_drops(ruleset: Ruleset) -> List[DirectDrop]:
    """All of one family. What else a rule asks for, known or not, makes it one that does not drop all."""
    return [found for found in map(_direct_drop, ruleset.rules("raw", "PREROUTING")) if found is not None]


def _direct_drop(text: str) -> Optional[DirectDrop]:
    rule = parse(text)
    networks = [match.network for match in rule.asks if isinstance(match, AddressMatch) and match.option == "-d" and not match.negated]
    bridges = [match.name for match in rule.asks if isinstance(match, InterfaceMatch) and match.option == "-i" and match.negated]
    if rule.target != Verdict("DROP") or not networks or not bridges:
        return None
    return DirectDrop(networks[0], bridges[0], len(rule.asks) == 2)
