# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Open one port from the arguments of container_port: for its task, and for the event service."""

from __future__ import annotations

import hashlib
import string
from typing import Any, Callable, Dict, Iterable, List

from ..engine.api.client import WholeEngine
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.desired import DesiredState
from ..persistence.records.port_records import port_memory
from ..persistence.records.task_records import TaskRecords
from ..policy.blocks.owners import PortForwardingOwner
from ..policy.blocks.port_rules import Rules
from ..policy.language.open_port_entries import parse_open_port, parse_target
from ..policy.language.open_ports import Opening
from ..policy.values.values import Target
from ..port_forwarding import hairpin
from ..port_forwarding.forwarder import Forwarder
from ..transaction.converge import converge_locked, locked
from .task import Result, Task

EngineAt = Callable[[str], WholeEngine]


def own_memory(task: Task) -> TaskRecords:
    """Return the records that the module itself keeps."""
    return port_memory(_key(parse_target(task.params)), task.params, not task.check_mode)


def open_port(task: Task, engine: EngineAt, memory: TaskRecords) -> Result:
    """Open or close the port, as the task says. engine: returns the client for an address."""
    ports = [parse_open_port(task.params)] if task.params["state"] == "present" else []
    key = _key(parse_target(task.params))
    opener = Forwarder(task.system, engine(task.params["docker_host"]), PortForwardingOwner(key), ports, lambda opening: opening.port.mark, memory.refused)

    def wanted(netfilter: Netfilter) -> DesiredState:
        rules = Rules()
        return opener.wanted(netfilter, rules)._replace(owner=_set_owner(key), sets=rules.sets)

    with locked(task.settings()):
        memory.begin()
        outcome = converge_locked(task.system, task.settings(), wanted)
        warnings = outcome.warnings + opener.follow(outcome.plan, task.check_mode)
        if not task.check_mode:
            warnings += opener.end(outcome.plan)
        recorded = memory.settle([opening.container for opening in opener.found if opening.container is not None])
    changed = outcome.is_change or bool(opener.switched)
    found = [dict(container, changed=changed) for container in told(opener.found)]
    values = dict(outcome.result(), changed=changed or recorded, recorded=memory.lasts, containers=found)
    return Result(values, warnings).with_diffs([hairpin.shown(opener.switched)] if opener.switched else [])


def told(found: Iterable[Opening]) -> List[Dict[str, Any]]:
    """Return the containers that ports lead to, in the modules' format."""
    return [
        {
            "name": opening.container.name,
            "id": opening.container.id,
            "state": opening.container.state,
            "reason": None,
            "endpoints": [
                {"ip_version": "ipv%d" % end.family, "address": end.address, "port": opening.port.container_port, "bridge": end.bridge}
                for end in opening.ends
            ],
        }
        for opening in found
        if opening.container is not None
    ]


def _key(target: Target) -> str:
    """Return the part of chains' names for one port of the host: at most 17 characters."""
    key = "%s-%s" % (target.protocol, target.ports)
    if target.address is None:
        return key
    return "%s-%s" % (key, _digest("%d %s" % (target.address.family, target.address.address))[:6])


def _set_owner(key: str) -> str:
    """Return nine capital letters. More would leave no room for a set's name."""
    number, letters = int(_digest(key)[:12], 16), "O"
    while len(letters) < 9:
        number, letter = divmod(number, 26)
        letters += string.ascii_uppercase[letter]
    return letters


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
