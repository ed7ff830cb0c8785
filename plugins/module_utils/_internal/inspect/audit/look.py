# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Look at a whole host for the audit, and put its result together. Changes nothing."""

from __future__ import annotations

from typing import List, NamedTuple, Sequence, Tuple

from ...address import FAMILIES
from ...engine.api.answers import parse_containers, parse_networks, parse_published
from ...engine.api.client import WholeEngine
from ...engine.facts.endpoints import container_facts
from ...engine.facts.unfiltered_networks import escapes
from ...host.boot import unit
from ...host.system.json_values import objects
from ...host.system.system import System
from ...netfilter.rules.ownership import is_ours
from ...netfilter.rules.saved_ruleset import Ruleset
from ...netfilter.rules.saved_ruleset import parse as parse_rules
from ...netfilter.verdict.snapshot.sets import parse
from ...netfilter.verdict.snapshot.texts import Snapshot, read_host
from ...netfilter.verdict.walk.judge import Judge
from ...netfilter.verdict.walk.world import Shared, World
from ...persistence.generations import BootFiles
from ...persistence.install import UNIT_NAMES
from ..jumps import our_hooks
from ..report import Value, report
from ..survey import Survey, survey
from .containers import Held, privileges_of
from .findings import Seen, findings
from .policy import Policy
from .prefixes import Mentioned
from .reach import reach, told
from .targets import FAMILY_NAME, targets_of
from .zones import Given, Surroundings, zones_of

_FACTS = ("engine", "iptables", "event_service", "late_ports", "networks", "published_ports")


class Asked(NamedTuple):
    """What the user asks for."""

    transport: str
    zones: Sequence[Given]
    most_targets: int


def audit(system: System, engine: WholeEngine, asked: Asked) -> Tuple[Value, List[str]]:
    """Return every key that the module's RETURN describes, and warnings."""
    found = survey(system, asked.transport, engine)
    held, warnings = privileges_of(system, engine, found.answers.containers)
    boot = _boot(system)
    values = put_together(found, read_host(system), held, boot, asked)
    return values, [*found.warnings, *warnings]


def put_together(found: Survey, snapshot: Snapshot, held: Sequence[Held], boot: str, asked: Asked) -> Value:
    """Return the result. Pure."""
    facts = report(found)
    host = surroundings(found, snapshot)
    published = parse_published(found.answers.containers)
    shared = Shared(snapshot)
    containers = container_facts(found.answers.containers, list(host.networks))
    targets = targets_of(published, containers, shared.listeners or ())
    zones = zones_of(host, asked.zones) if host.worlds else []
    rows = reach(host, Judge(snapshot), targets[:asked.most_targets], zones)
    left_out = max(len(targets) - asked.most_targets, 0)
    policy = Policy(found, facts, host.sets)
    seen = Seen(
        info=objects(facts["findings"]),
        rows=rows,
        allows=policy.allows,
        guarded=policy.judges,
        held=held,
        escapes=escapes(found.answers.info, list(host.networks), parse_containers(found.answers.containers), found.shared_bridges),
        jumps={FAMILY_NAME[family]: our_hooks(ruleset) for family, ruleset in sorted(found.rulesets.items())},
        engine_error=found.answers.error or "",
        boot=boot,
        event_service=found.event_service,
        has_policy=any(map(_has_policy, found.rulesets.values())),
        left_out=left_out,
    )
    return dict(
        {name: facts[name] for name in _FACTS},
        boot_restore=boot,
        containers=[item.shown for item in held],
        findings=[item._asdict() for item in findings(seen)],
        reachability=told(zones, rows, left_out),
    )


def surroundings(found: Survey, snapshot: Snapshot) -> Surroundings:
    """Return the host's side of its zones. A family whose rules are not known has no world."""
    shared = Shared(snapshot)
    networks = parse_networks(found.answers.networks, found.answers.info)
    texts = {family: [snapshot.text(name) or "" for name in snapshot.save_names(family)] for family in FAMILIES}
    rules = {family: [rule for text in listed for rule in _rules(parse_rules(text))] for family, listed in texts.items()}
    sets = parse(snapshot.text("ipset") or "")
    return Surroundings(
        worlds={family: World(family, snapshot, shared) for family in FAMILIES if texts[family]},
        mentioned={family: Mentioned(family, rules[family], sets) for family in FAMILIES},
        sets=sets,
        networks=networks,
        containers={address for container in container_facts(found.answers.containers, networks) for _bridge, address in container.ends},
        rules=[rule for listed in rules.values() for rule in listed],
    )


def _rules(ruleset: Ruleset) -> List[str]:
    return [rule for table in ruleset.tables.values() for chain in table.values() for rule in chain.rules]


def _has_policy(ruleset: Ruleset) -> bool:
    return any(is_ours(name) for table in ruleset.tables.values() for name in table)


def _boot(system: System) -> str:
    """Return whether the host loads Drawbridge's rules at boot: absent, stopped or running."""
    if not BootFiles(system).are_kept:
        return "absent"
    return "running" if unit.running(system, UNIT_NAMES).issuperset(UNIT_NAMES) else "stopped"
