# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One opened port from the arguments of container_port: for its task, and for the event service."""

from __future__ import annotations

import hashlib
import string
from typing import Any, Callable, Dict, List, Optional

from ..docker.engine import WholeEngine
from ..lasting.memory import Memory
from ..netfilter.converge import Outcome, converge_locked, locked
from ..netfilter.host import Netfilter
from ..netfilter.model import Wanted
from ..netfilter.save import Ruleset
from ..policy.lines import Rules
from ..policy.model import Target
from ..task import Result, Task
from . import hairpin
from .chains import Names, open_wanted, parents
from .cut import end_connections, holders
from .enquiry import notes, openings
from .leads import leads, leads_of
from .memory import port_memory
from .model import OpenPort, Opening
from .parse import parse_open_port, parse_target
from .taken import refuse_opened

EngineAt = Callable[[str], WholeEngine]


def own_memory(task: Task) -> Memory:
    """What the module itself remembers."""
    return port_memory(_key(parse_target(task.params)), task.params, not task.check_mode)


def open_port(task: Task, engine: EngineAt, memory: Memory) -> Result:
    """Open the port, or close it, as the task says. ``engine``: the one at an address."""
    port = parse_open_port(task.params) if task.params["state"] == "present" else None
    work = _Work(task, engine, port, _key(parse_target(task.params)))
    with locked(task.settings()):
        memory.begin()
        outcome = converge_locked(task.system, task.settings(), work.wanted)
        warnings = outcome.warnings + work.follow(outcome)
        recorded = memory.settle([opening.container for opening in work.found if opening.container is not None])
    values = outcome.result()
    if work.ports:
        values["diff"] = [values["diff"], hairpin.shown(work.ports)]
    changed = outcome.is_change or bool(work.ports)
    return Result(dict(values, changed=changed or recorded, lasting=memory.lasts, containers=work.containers(changed)), warnings)


class _Work:
    """found: what was opened. ports: bridge ports that are switched as well. Both once they are known."""

    def __init__(self, task: Task, engine: EngineAt, port: Optional[OpenPort], key: str) -> None:
        self._task = task
        self._engine = engine
        self._port = port
        self._names = Names(key)
        self._owner = _set_owner(key)
        self._rulesets: Dict[int, Ruleset] = {}
        self.found: List[Opening] = []
        self.ports: List[hairpin.Port] = []

    def wanted(self, netfilter: Netfilter) -> Wanted:
        """Chains, hooks and sets of this port alone; nothing where it is to be closed."""
        self._rulesets = rulesets = netfilter.rulesets()
        rules = Rules()
        mark = ""
        if self._port is not None:
            mark = self._port.mark
            refuse_opened([self._port], self._names.publish, mark, rulesets)
            self.found = openings(self._task.system, self._engine(self._task.params["docker_host"]), [self._port])
        wanted = open_wanted(self._names, self.found, rules, parents(rulesets), mark)
        return wanted._replace(owner=self._owner, sets=rules.sets)

    def follow(self, outcome: Outcome) -> List[str]:
        """What has to be done beside the rules, and what the user should know."""
        system, engine = self._task.system, self._engine(self._task.params["docker_host"])
        before, after = leads(self._rulesets), leads_of(self._names.publish, self.found)
        closed = [lead for lead in before if lead.chain == self._names.publish and lead not in after]
        left = {lead.to for lead in before if lead not in closed} | {lead.to for lead in after}
        if hairpin.is_ours_to_set(system, self._rulesets):
            alone = holders(system, engine, [lead for lead in closed if lead.to not in left])
            on = [opening.container for opening in self.found if opening.container is not None]
            self.ports = hairpin.wrong_ports(system, on, alone)
        told = notes(system, self.found) if outcome.plan.is_change else []
        if self._task.check_mode:
            return told
        hairpin.switch(system, self.ports)
        return told + (end_connections(system, closed, holders(system, engine, closed)) if closed else [])

    def containers(self, changed: bool) -> List[Dict[str, Any]]:
        """What the port leads to, as the module returns it."""
        return [
            {
                "name": opening.container.name,
                "id": opening.container.id,
                "state": opening.container.state,
                "reason": None,
                "changed": changed,
                "endpoints": [
                    {"ip_version": "ipv%d" % end.family, "address": end.address, "port": opening.port.container_port, "bridge": end.bridge}
                    for end in opening.ends
                ],
            }
            for opening in self.found
            if opening.container is not None
        ]


def _key(target: Target) -> str:
    """What the chains of one port of the host are called after: at most 17 characters."""
    key = "%s-%s" % (target.protocol, target.ports)
    if target.address is None:
        return key
    return "%s-%s" % (key, _digest("%d %s" % (target.address.family, target.address.address))[:6])


def _set_owner(key: str) -> str:
    """Nine capital letters: as many as leave room for a set's name."""
    number, letters = int(_digest(key)[:12], 16), "O"
    while len(letters) < 9:
        number, letter = divmod(number, 26)
        letters += string.ascii_uppercase[letter]
    return letters


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
