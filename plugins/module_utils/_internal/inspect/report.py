# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Build the result of ``docker_firewall_info`` from a survey. Pure."""

from __future__ import annotations

from typing import Collection, Dict, List, Mapping, Optional, Tuple

from ..address import IPV4, IPV6
from ..engine.api.answers import Network, PublishedPort, parse_backend, parse_containers, parse_networks, parse_published
from ..engine.facts.endpoints import container_facts
from ..engine.facts.unfiltered_networks import escapes, rootless, swarm_active
from ..netfilter.kernel.ipset import LiveSet
from ..netfilter.kernel.state import live_state
from ..netfilter.rules.ownership import any_generation, called, is_ours
from ..netfilter.rules.timed_entries import is_timed, split_end
from ..policy.chains import guard
from ..policy.readback import rules_to_policy
from ..policy.readback.named_containers import is_named
from ..policy.values.reserved_names import end_of
from .findings import FAMILY_NAME, findings
from .guarded_ports import Rulesets, Sets, guarded_ports
from .jumps import our_hooks
from .situation import Situation
from .survey import Survey

_GUARD = [(guard.TABLE, guard.CHAIN + "*")]
# A set may have 65,536 entries that end.
_SHOWN_ENDING = 100

Value = Dict[str, object]


def report(found: Survey) -> Value:
    """Return every key that the module's RETURN describes."""
    info = found.answers.info
    networks = parse_networks(found.answers.networks, info)
    published = parse_published(found.answers.containers)
    situation = Situation(
        reachable=found.answers.error is None,
        backend=parse_backend(info),
        proxy=found.proxy,
        networks=networks,
        published=published,
        rulesets=found.rulesets,
        sets=found.sets,
        other_variant=found.other_variant,
        other_rules=found.other_rules,
        flowtables=found.flowtables,
        vrfs=found.vrfs,
        late_ports=found.late_ports,
        ends=_ends_that_publish(found, networks, published),
        engine_tables=found.engine_tables,
        forwards_at_boot=found.forwards_at_boot,
        saved=found.saved,
    )
    escaping = escapes(info, situation.networks, parse_containers(found.answers.containers), found.shared_bridges)
    return {
        "engine": _engine(found, situation),
        "iptables": {
            "variant": found.variant,
            "other_variant": found.other_variant,
            "other_variant_rules": found.other_rules,
        },
        "event_service": found.event_service,
        "late_ports": found.late_ports,
        "chains": _chains(found.rulesets),
        "networks": [_network(network) for network in situation.networks],
        "published_ports": _published(situation),
        "owned": {
            "chains": _owned_chains(found.rulesets),
            "hooks": _hooks(found.rulesets),
            "sets": _sets(found.sets),
            "tables": [{"table": name, "lines": text.splitlines()} for name, text in sorted(found.tables.items())],
        },
        "quarantines": [dict(note._asdict()) for note in found.quarantines],
        "escapes": [item._asdict() for item in escaping],
        "findings": [item._asdict() for item in findings(situation)],
    }


def _ends_that_publish(found: Survey, networks: List[Network], published: List[PublishedPort]) -> List[Tuple[str, str]]:
    names = {port.container_name for port in published}
    return [end for item in container_facts(found.answers.containers, networks) if item.name in names for end in item.ends]


def _engine(found: Survey, situation: Situation) -> Value:
    answers = found.answers
    return {
        "reachable": situation.reachable,
        "error": answers.error,
        "version": answers.version.get("Version"),
        "api_version": answers.version.get("ApiVersion"),
        "backend": situation.backend.driver if situation.reachable else None,
        "firewalld": situation.backend.firewalld,
        "userland_proxy": found.proxy,
        "swarm": swarm_active(answers.info),
        "rootless": rootless(answers.info),
    }


def _owner(chain: str) -> Optional[str]:
    if is_ours(chain):
        return "drawbridge"
    return "docker" if chain.startswith("DOCKER") else None


def _chains(rulesets: Rulesets) -> List[Value]:
    return [
        {
            "family": FAMILY_NAME[family],
            "table": table,
            "chain": name,
            "owner": _owner(name),
            "policy": chain.policy if chain.is_builtin else None,
            "rules": len(chain.rules),
        }
        for family, ruleset in sorted(rulesets.items())
        for table, chains in sorted(ruleset.tables.items())
        for name, chain in sorted(chains.items())
        if _owner(name) or chain.is_builtin
    ]


def _owned_chains(rulesets: Rulesets) -> List[Value]:
    return [
        {"family": FAMILY_NAME[family], "table": table, "chain": name, "lines": list(chain.rules)}
        for family, ruleset in sorted(rulesets.items())
        for table, chains in sorted(ruleset.tables.items())
        for name, chain in sorted(chains.items())
        if is_ours(name)
    ]


def _hooks(rulesets: Rulesets) -> List[Value]:
    return [
        dict(hook._asdict(), family=FAMILY_NAME[family])
        for family, ruleset in sorted(rulesets.items())
        for hook in our_hooks(ruleset)
    ]


def _sets(sets: Sets) -> List[Value]:
    return [
        {
            "name": live.name,
            "type": live.type.name,
            "family": None if live.family is None else FAMILY_NAME[live.family],
            "entries": len(live.entries or ()),
            "ending": _ending(live),
        }
        for _name, live in sorted(sets.items())
    ]


def _ending(live: LiveSet) -> List[Value]:
    """Return the entries that end, those first that end first."""
    timed = (split_end(entry) for entry in live.entries or () if is_timed(live.type.options))
    found = sorted((time, entry) for entry, time in timed if time is not None)
    return [{"entry": entry, "until": time} for time, entry in found[:_SHOWN_ENDING]]


def _network(network: Network) -> Value:
    modes = network.gateway_modes
    return {
        "name": network.name,
        "id": network.id,
        "driver": network.driver,
        "bridge": network.bridge,
        "subnets": network.subnets,
        "internal": network.internal,
        "gateway_mode_ipv4": modes.get(IPV4),
        "gateway_mode_ipv6": modes.get(IPV6),
    }


def said_by(rulesets: Rulesets, sets: Sets) -> Dict[int, rules_to_policy.Said]:
    """Return what each family's guard says."""
    held = {name: live.entries or () for name, live in sets.items() if is_named(name)}
    return {family: rules_to_policy.said(live_state(ruleset, _GUARD, []), held) for family, ruleset in rulesets.items()}


def _published(situation: Situation) -> List[Value]:
    guarded = guarded_ports(situation.rulesets, situation.sets, situation.published)
    said = said_by(situation.rulesets, situation.sets)
    lists = {any_generation(name): live.entries or () for name, live in situation.sets.items() if rules_to_policy.is_list(name)}
    over = _over(situation.sets)
    return [
        {
            "family": FAMILY_NAME[port.family],
            "address": port.address,
            "port": port.port,
            "protocol": port.protocol,
            "container": port.container_name,
            "container_id": port.container_id,
            "container_port": port.container_port,
            "loopback": port.loopback,
            "guarded": port in guarded,
            "sources": _sources(port, said[port.family], lists, over) if port in guarded else None,
            "denied_sources": list(rules_to_policy.expanded(said[port.family].denied_ports, lists)) if port in guarded else None,
        }
        for port in situation.published
    ]


def _sources(port: PublishedPort, said: rules_to_policy.Said, lists: Mapping[str, Collection[str]], over: Tuple[str, ...]) -> List[str]:
    found = rules_to_policy.reach_some_of(said.ports, rules_to_policy.published_target(*port[:4]))
    return list(rules_to_policy.expanded([source for source in found if not source.endswith(over)], lists))


def _over(sets: Sets) -> Tuple[str, ...]:
    """Return how sources end that were let in until a time that is over."""
    times = {end_of(called(name)) for name, live in sets.items() if not live.entries}
    return tuple(rules_to_policy.UNTIL + time for time in times if time is not None)
