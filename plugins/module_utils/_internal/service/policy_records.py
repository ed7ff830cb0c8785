# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Update a policy's opened ports and masquerading to the current containers and networks: for the event service."""

from __future__ import annotations

from typing import Callable, Mapping

from ..engine.api.client import WholeEngine
from ..engine.facts.gather import ask
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.kernel.nft_table import spoken
from ..netfilter.rules.desired import DesiredState
from ..netfilter.rules.saved_ruleset import Ruleset
from ..persistence.records.task_records import TaskRecords
from ..persistence.saved import saved_rules
from ..policy.blocks.owners import POLICY_MASQUERADE, POLICY_PORTS
from ..policy.blocks.port_rules import Rules
from ..policy.chains.masquerade import with_masquerade
from ..policy.compile.record_in_force import marked, record_in_force, record_name, with_own_sets
from ..policy.language.masquerade import parse_masquerade
from ..policy.language.open_port_entries import parse_open_ports
from ..port_forwarding.forwarder import Forwarder
from ..tasks.container_port import told
from ..tasks.task import Result, Task
from ..transaction.converge import converge_locked, locked
from .journal import INFO, tell


def follow_policy(task: Task, engine: Callable[[str], WholeEngine], memory: TaskRecords) -> Result:
    """Apply a record of host_policy, if it is in force. engine: returns the client for an address. Remove the record if it is not in
    force now and not in any saved rules that this host could go back to."""
    with locked(task.settings()):
        memory.begin()
        name = record_name(task.params)
        rulesets = Netfilter(task.system, task.params["transport"]).rulesets()
        if record_in_force(rulesets) == name:
            return _followed(task, engine(task.params["docker_host"]), memory, rulesets)
        if name not in map(marked, saved_rules()):
            memory.forget()
        return Result({"changed": False, "containers": []})


def _masqueraded(task: Task, engine: WholeEngine, netfilter: Netfilter, wanted: DesiredState) -> DesiredState:
    said = task.params["masquerade"]
    if said is None:
        return wanted
    facts = ask(engine, task.system).facts
    return with_masquerade(wanted, parse_masquerade(said, "masquerade"), facts, netfilter.nft.is_installed, POLICY_MASQUERADE)


def _followed(task: Task, engine: WholeEngine, memory: TaskRecords, rulesets: Mapping[int, Ruleset]) -> Result:
    ports = parse_open_ports(task.params["open_ports"], "open_ports")
    opener = Forwarder(task.system, engine, POLICY_PORTS, ports, lambda _opening: "policy", memory.refused)

    def wanted(netfilter: Netfilter) -> DesiredState:
        rules = opener.wanted(netfilter, Rules())
        return with_own_sets(_masqueraded(task, engine, netfilter, rules), rulesets)

    outcome = converge_locked(task.system, task.settings(), wanted)
    opener.follow(outcome.plan, False)
    opener.end(outcome.plan)
    for change in outcome.plan.table_changes:
        tell(INFO, "%s follows the engine" % spoken(change.key))
    changed = any(family.commits for family in outcome.plan.families.values())
    return Result({"changed": changed, "containers": [dict(container, changed=changed) for container in told(opener.found)]})
