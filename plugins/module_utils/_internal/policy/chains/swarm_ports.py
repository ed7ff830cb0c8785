# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Access to a swarm's own ports on a host that denies host services: for its nodes, and for sources that the policy names."""

from __future__ import annotations

from typing import Callable, List

from ...address import FAMILIES
from ...engine.facts.facts import HostFacts
from ...netfilter.rules.desired import Line
from ..blocks.port_rules import Rules, service
from ..language.model import HostServices, Policy
from ..values import reserved_names
from ..values.entries import union
from ..values.values import Ports, SetReference, Sources, Target, names_somebody

TRAFFIC = (
    Target("tcp", Ports(2377, 2377)), Target("tcp", Ports(7946, 7946)), Target("udp", Ports(7946, 7946)), Target("udp", Ports(4789, 4789)),
    Target("esp", None),
)  # fmt: skip


def swarm_lines(services: HostServices, rules: Rules) -> List[Line]:
    """Return a line for each kind of swarm traffic and each source."""
    path = services.path + ".swarm"
    traffic = [what for target in TRAFFIC for what in service(target)]
    return rules.from_sources(traffic, union([nodes(path), *([] if services.swarm is None else [services.swarm])]), path, "RETURN")


def nodes(path: str) -> Sources:
    """Return the swarm's other nodes, by the set that follows the engine."""
    return Sources(False, {family: frozenset() for family in FAMILIES}, (SetReference(reserved_names.SWARM_NODES, path),))


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
