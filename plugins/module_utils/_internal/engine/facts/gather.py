# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask the engine for the facts that a policy needs, in three requests."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ...address import quoted
from ...host.network.links import entrances, vrf_members
from ...host.network.routing import has_rules_of_its_own, routes_by
from ...host.system.json_values import JsonObject
from ...host.system.parallel import at_once
from ...host.system.system import System
from ..api.answers import Backend, Network, PublishedPort, parse_backend, parse_networks, parse_published
from ..api.client import Engine, EngineUnreachable
from ..daemon.process import find_daemon
from .daemon_ports import own_ports
from .endpoints import container_facts
from .facts import HostFacts, host_facts, unknown_host
from .swarm_nodes import swarm_nodes
from .unfiltered_networks import swarm_active

# The engine writes this file when it joins a swarm and removes it when it leaves.
SWARM_STATE = "/var/lib/docker/swarm/docker-state.json"


# Names like Docker's bridges, in characters that every part of netfilter accepts.
_BRIDGE_LIKE = re.compile(r"br-[A-Za-z0-9_.:@-]{0,12}")


class EngineFacts(NamedTuple):
    """The engine's answers.

    facts: for the policy's compiler. backend: None if the engine could not be asked.
    warnings: why the engine could not be asked and the consequence; networks whose bridge is shared or in a VRF.
    published: published ports with their containers, including those on the loopback.
    """

    facts: HostFacts
    backend: Optional[Backend]
    warnings: List[str]
    published: Sequence[PublishedPort] = ()


def ask(engine: Engine, system: System) -> EngineFacts:
    """Ask the engine. An unreachable engine is not an error: its host must be closed all the same.

    Raises EngineError if the answer makes no sense.
    """
    members = vrf_members()
    vrfs = sorted(set(members.values()))
    other_tables = bool(vrfs) or has_rules_of_its_own()
    nodes: Optional[List[str]] = []
    try:
        info, listed, answer = _answers(engine)
        if swarm_active(info):
            nodes = swarm_nodes(engine, info, listed)
        networks = parse_networks(listed, info)
    except EngineUnreachable as error:
        facts = unknown_host(swarm=system.read(SWARM_STATE) is not None)._replace(vrfs=vrfs, other_tables=other_tables)
        return EngineFacts(facts, None, ["%s; published ports and networks are left as they were found last" % error])
    entered = {bridge: port for port, bridge in entrances().items()}
    networks, warnings = [_alone(network, entered) for network in networks], _warnings(networks, entered) + _within(networks, members)
    published = parse_published(answer)
    facts = host_facts(networks, published, swarm_active(info))
    return EngineFacts(
        facts=facts._replace(
            containers=container_facts(answer, networks),
            foreign_bridges=[name for name in system.interfaces() if _BRIDGE_LIKE.fullmatch(name) and name not in facts.bridges],
            vrfs=vrfs,
            other_tables=other_tables,
            behind=[route.network for route in routes_by(system, facts.bridges) if route.network not in facts.subnets],
            swarm_nodes=nodes,
            engine_own=own_ports(find_daemon(system), info),
        ),
        backend=parse_backend(info),
        warnings=warnings,
        published=published,
    )


def _alone(network: Network, entered: Dict[str, str]) -> Network:
    """Return the network. Its bridge is removed if outsiders come in by it: the bridge then counts as outside."""
    return network._replace(bridge=None) if network.bridge in entered else network


def _warnings(networks: List[Network], entered: Dict[str, str]) -> List[str]:
    return [
        "the Docker network %s shares its bridge %s with the interface %s: whoever comes in there is outside, and reaches its containers' own"
        " addresses past every rule" % (quoted(network.name), network.bridge, entered[network.bridge])
        for network in networks
        if network.bridge in entered
    ]


def _within(networks: List[Network], members: Dict[str, str]) -> List[str]:
    return [
        "the bridge %s of the Docker network %s is in the VRF %s: its containers count as outside, and no egress holds for them"
        % (network.bridge, quoted(network.name), members[network.bridge])
        for network in networks
        if network.bridge in members
    ]


def _answers(engine: Engine) -> Tuple[JsonObject, List[JsonObject], List[JsonObject]]:
    if engine.is_concurrent:
        return at_once(engine.info, engine.networks, engine.containers)
    return engine.info(), engine.networks(), engine.containers()
