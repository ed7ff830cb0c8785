# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Put rules into containers' namespaces from the arguments of container_netns_rule: for its task, and for the event service."""

from __future__ import annotations

from typing import Callable, List

from ..engine.api.client import Inspector
from ..engine.containers.select import nothing_matches, select
from ..engine.containers.target import ContainerGone, by_namespace, held, refuse_host_network
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.reconcile.ns_chain import PREFIX, ns_wanted, section_of
from ..netfilter.reconcile.ns_sets import with_host_sets
from ..netfilter.rules.desired import DesiredState
from ..persistence.records.task_records import TaskRecords, memory_of, selector_of
from ..transaction.namespaces import NamespaceResult, converge_inside
from .container_results import is_addressable, visited
from .task import Result, Task

MODULE = "container_netns_rule"


def own_memory(task: Task) -> TaskRecords:
    """Return the records that the module itself keeps."""
    return memory_of(MODULE, task.params["section"], task.params, not task.check_mode)


def put_rules(task: Task, engine: Callable[[str], Inspector], memory: TaskRecords) -> Result:
    """Bring the section in every chosen namespace to the task's state. engine: returns the client for an address.

    A policy also gives ``prefix``, the beginning of its chains' names."""
    params = task.params
    section = section_of(params, params.get("prefix", PREFIX))
    wanted = ns_wanted(section, params["rules"] if params["rules"] is not None else [], params["rules_from"] or "rules")
    targets = select(selector_of(params), task.system, lambda: engine(params["docker_host"]))
    if not targets and params["on_missing"] == "fail":
        raise nothing_matches()
    refuse_host_network(targets)
    groups = by_namespace(targets)
    recorded: List[bool] = []

    def state(netfilter: Netfilter) -> DesiredState:
        memory.begin()
        return with_host_sets(netfilter, section.prefix[len(PREFIX):] + section.name, wanted, task.check_mode)

    def finished(visits: List[NamespaceResult]) -> None:
        if all(visit.error is None or isinstance(visit.error, ContainerGone) for visit in visits):
            recorded.append(memory.settle(targets))

    inside = converge_inside(
        task.system,
        task.settings(),
        state,
        [group[0] for group in groups if is_addressable(group)],
        lambda target: held(task.system, target),
        finished,
    )
    done = visited(groups, inside)
    values = dict(done.values, chain=section.prefix + section.name, recorded=memory.lasts)
    return Result(dict(values, changed=values["changed"] or any(recorded)), done.warnings, done.failure)
