# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""From another firewall to a policy: read the host, propose, and compare. Changes nothing."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Sequence

from ...address import FAMILIES
from ...engine.api.answers import PublishedPort
from ...engine.api.client import Engine
from ...engine.facts.facts import HostFacts
from ...engine.facts.gather import ask
from ...errors import DrawbridgeError
from ...host.system.system import System
from ...inspect.audit.targets import Target, targets_of
from ...netfilter.kernel.netfilter import Netfilter
from ...netfilter.reconcile.plan import Planner
from ...netfilter.verdict.snapshot.sets import SavedSet, parse
from ...netfilter.verdict.snapshot.texts import Snapshot, read_host
from ...netfilter.verdict.walk.world import Shared
from ...policy.compile.compile import compile_policy
from ...policy.language.model import Policy
from ...policy.language.schema import parse_policy
from ...policy.proof.planned_host import with_policy
from ..task import Result
from .compare import Hosts, compare
from .goals import Goal, goals_of
from .others import found_in, with_rates_in_doubt, without
from .packets import Packets, Side
from .propose import Asker, propose
from .reached import Reach
from .untranslated import untranslated

NOT_COMPARED = (
    "what the host itself sends, and what containers begin to elsewhere than to the host",
    "what is forwarded to others than containers",
    "protocols other than TCP, UDP, ping, and SCTP at published ports",
    "multicast and broadcast, and packets of connections that are open already",
    "rates, and senders' ports other than one",
    "packets that come by another interface than the one that leads back to their sender; where some senders get in, those who would are listed",
    "ports that are published on the loopback, which neighbours reach on old engines",
    "ports that are published later: today's rules may let everybody in, the policy nobody",
)


class Scene(NamedTuple):
    """snapshot: the host as it is. plan: returns the snapshot with a policy in force beside what is there. most_targets: so many are looked at."""

    snapshot: Snapshot
    facts: HostFacts
    published: Sequence[PublishedPort]
    plan: Callable[[Policy], Snapshot]
    most_targets: int


def look(system: System, engine: Engine, transport: str, most_targets: int) -> Result:
    """Return what the module returns. Raises DrawbridgeError if the host cannot be read, or its engine cannot be asked."""
    asked = ask(engine, system)
    if not asked.facts.known:
        raise DrawbridgeError("the engine does not tell its published ports: %s" % "; ".join(asked.warnings), "docker_host", "start it")
    snapshot = read_host(system)
    netfilter = Netfilter(system, transport)

    def plan(policy: Policy) -> Snapshot:
        planner = Planner(netfilter, compile_policy(policy, asked.facts), assume_missing=True)
        return with_policy(snapshot, planner.plan(planner.read()), policy, netfilter.variant)

    values = migrated(Scene(snapshot, asked.facts, asked.published, plan, most_targets))
    return Result(dict(values, changed=False), [*asked.warnings, *netfilter.warnings])


def migrated(scene: Scene) -> Dict[str, object]:
    """Return every key that the module's RETURN describes, but changed. Pure, if the plan is."""
    snapshot, bridges = scene.snapshot, scene.facts.bridges
    others = found_in(snapshot, bridges)
    in_doubt = with_rates_in_doubt(snapshot)
    today = Reach(in_doubt)
    families = [family for family in FAMILIES if snapshot.save_names(family)]
    targets = targets_of([port for port in scene.published if not port.loopback], scene.facts.containers, Shared(snapshot).listeners or ())
    known = targets[: scene.most_targets]
    first = _sides([today], [in_doubt], families)
    packets = {family: Packets(first[family], set(bridges), scene.facts.subnets) for family in families}
    goals = {family: _goals(family, first[family], known) for family in families}
    # Where nobody can come from, and nobody is kept out, there is nothing to say.
    judged = [family for family in families if packets[family].has_outside(goals[family][0].target) or others.are_in(snapshot.save_names(family))]
    proposal = propose({family: Asker(packets[family], today.of) for family in judged}, goals)
    beside_text = with_rates_in_doubt(scene.plan(parse_policy(proposal.policy)))
    alone_text = without(beside_text, bridges)
    hosts = Hosts(today, Reach(beside_text), Reach(alone_text))
    both = _sides([hosts.today, hosts.beside], [in_doubt, beside_text], families)
    compared = compare(
        hosts,
        {family: Packets(both[family], set(bridges), scene.facts.subnets) for family in families},
        {family: _goals(family, both[family], known) for family in families},
    )
    found: List[Dict[str, object]] = compared.differences
    return {
        "firewalls": others.names,
        "policy": proposal.policy,
        "policy_text": proposal.text,
        "differences": found,
        "wider": sum(item["wider"] is True for item in found),
        "packets": compared.packets,
        "unknown": compared.unknown,
        "untranslated": untranslated(others, bridges),
        "not_compared": list(NOT_COMPARED),
        "left_out": max(len(targets) - scene.most_targets, 0),
    }


def _sides(reaches: Sequence[Reach], snapshots: Sequence[Snapshot], families: Sequence[int]) -> Dict[int, List[Side]]:
    """Return by family what its packets meet on each side."""
    return {
        family: [Side(reach.world(family), _sets(snapshot)) for reach, snapshot in zip(reaches, snapshots)]
        for family in families
    }


def _sets(snapshot: Snapshot) -> Dict[str, SavedSet]:
    return parse(snapshot.text("ipset") or "")


def _goals(family: int, sides: Sequence[Side], targets: Sequence[Target]) -> List[Goal]:
    worlds, sets = [side.world for side in sides], [saved for side in sides for saved in side.sets.values()]
    return goals_of(family, worlds, sets, targets)
