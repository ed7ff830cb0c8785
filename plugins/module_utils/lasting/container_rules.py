# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Rules in containers' namespaces from the arguments of container_netns_rule: for its task, and for the event service."""

from __future__ import annotations

from typing import Callable, List

from ..docker.engine import Inspector
from ..docker.select import nothing_matches, select
from ..docker.target import Gone, by_namespace, held, refuse_host_network
from ..docker.visited import is_addressable, visited
from ..netfilter.host import Netfilter
from ..netfilter.inside import Visit, converge_inside
from ..netfilter.model import Wanted
from ..netfilter.ns_chain import PREFIX, ns_wanted, section_of
from ..netfilter.ns_sets import with_host_sets
from ..task import Result, Task
from .memory import Memory, memory_of, selector_of

MODULE = "container_netns_rule"


def own_memory(task: Task) -> Memory:
    """What the module itself remembers."""
    return memory_of(MODULE, task.params["section"], task.params, not task.check_mode)


def put_rules(task: Task, engine: Callable[[str], Inspector], memory: Memory) -> Result:
    """Bring the section in every chosen namespace to what the task says. ``engine``: the one at an address.

    A policy gives ``prefix`` too, the beginning of its chains' names."""
    params = task.params
    section = section_of(params, params.get("prefix", PREFIX))
    wanted = ns_wanted(section, params["rules"] if params["rules"] is not None else [], params["rules_from"] or "rules")
    targets = select(selector_of(params), task.system, lambda: engine(params["docker_host"]))
    if not targets and params["missing"] == "fail":
        raise nothing_matches()
    refuse_host_network(targets)
    groups = by_namespace(targets)
    recorded: List[bool] = []

    def state(netfilter: Netfilter) -> Wanted:
        memory.begin()
        return with_host_sets(netfilter, section.prefix[len(PREFIX):] + section.name, wanted, task.check_mode)

    def finished(visits: List[Visit]) -> None:
        if all(visit.error is None or isinstance(visit.error, Gone) for visit in visits):
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
    values = dict(done.values, chain=section.prefix + section.name, lasting=memory.lasts)
    return Result(dict(values, changed=values["changed"] or any(recorded)), done.warnings, done.failure)
