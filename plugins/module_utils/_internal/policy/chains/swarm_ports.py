# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Access to a swarm's own ports on a host that denies host services: for its nodes, and for sources that the policy names."""

from __future__ import annotations

from typing import Callable, List

from ...address import BOTH, FAMILIES
from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Line
from ..blocks.port_rules import Match, Rules
from ..language import reserved_names
from ..language.entries import union
from ..language.model import HostServices, Policy
from ..language.values import SetReference, Sources, names_somebody

_TRAFFIC = [
    Match(BOTH, "", text)
    for text in (
        "-p tcp -m tcp --dport 2377", "-p tcp -m tcp --dport 7946", "-p udp -m udp --dport 7946", "-p udp -m udp --dport 4789", "-p esp",
    )
]  # fmt: skip


def swarm_lines(services: HostServices, rules: Rules) -> List[Line]:
    """Return a line for each kind of swarm traffic and each source."""
    path = services.path + ".swarm"
    nodes = Sources(False, {family: frozenset() for family in FAMILIES}, (SetReference(reserved_names.SWARM_NODES, path),))
    return rules.from_sources(_TRAFFIC, union([nodes, *([] if services.swarm is None else [services.swarm])]), path, "RETURN")


def swarm_warnings(policy: Policy, host: HostFacts, is_followed: Callable[[], bool]) -> List[str]:
    """Return warnings if unknown nodes may be cut off. is_followed: whether the event service keeps the set of nodes up to date."""
    services = policy.host_services
    if not host.swarm or services is None or not services.denies or names_somebody(services.swarm):
        return []
    if not host.known or host.swarm_nodes is None:
        why = "the engine does not tell the swarm's nodes: those that were known last reach the swarm's ports, and nobody else"
    elif not host.swarm_nodes:
        why = "the engine knows no other node of its swarm: nobody reaches the swarm's ports"
    elif services.swarm is None and not is_followed():
        why = "nodes that come later reach the swarm's ports from the next run on only, since the event service does not run"
    else:
        return []
    return ["%s; name addresses or networks of nodes in host_services.swarm, those that are about to join too" % why]
