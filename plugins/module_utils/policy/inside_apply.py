# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy's rules inside containers, brought into force; and those of an earlier policy, taken away."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence

from ..boot.kept import STATE
from ..docker.connect import connect
from ..docker.engine import EngineUnreachable
from ..docker.selector import SELECTOR_ARGUMENTS
from ..errors import DrawbridgeError
from ..host.folder import Folder
from ..lasting.container_rules import MODULE, put_rules
from ..lasting.memory import memory_of
from ..netfilter.ns_chain import POLICY_PREFIX
from ..task import Result, Task
from ..toggles.traces import INSIDE
from .inside import ContainerRules, placed

# What names a section and its containers.
_NAMING = (*SELECTOR_ARGUMENTS, "section")

Arguments = Dict[str, Any]

_NOTHING: Dict[str, Any] = {"changed": False, "containers": [], "diff": []}


class InsideRules:
    """What one policy, None for none, says about the insides of containers. Which sections there are is noted in a file, so that a
    later policy finds those that it does not have."""

    def __init__(self, task: Task, wanted: Optional[Sequence[ContainerRules]]) -> None:
        self._task = task
        self._wanted = list(wanted or ())
        self._folder = Folder(STATE)
        named = [_naming(rules.arguments) for rules in self._wanted]
        self._gone = [item for item in self._noted() if item not in named]
        self._rehearsed: List[Result] = []

    def rehearse(self) -> None:
        """Before anything is changed. Raises DrawbridgeError for what could not be done."""
        self._rehearsed = self._done(True, "")

    def follow(self, armed: str, host: Result) -> Result:
        """Once the host's own rules are in force: do it, unless in check mode, and have it in the result. ``armed``: the checkpoint
        that the host's own rules wait for."""
        if self._task.check_mode:
            return _together(host, self._rehearsed)
        self._note([*self._gone, *(_naming(rules.arguments) for rules in self._wanted)])
        done = self._done(False, armed)
        self._note([_naming(rules.arguments) for rules in self._wanted])
        return _together(host, done)

    def _done(self, check_mode: bool, armed: str) -> List[Result]:
        results = [self._put(rules, check_mode, armed) for rules in self._wanted]
        return results + [self._taken(item, check_mode, armed) for item in self._gone]

    def _put(self, rules: ContainerRules, check_mode: bool, armed: str) -> Result:
        try:
            done = self._run(dict(rules.arguments, state="present", rules_from=rules.path + ".rules"), check_mode, armed)
        except EngineUnreachable as error:
            if rules.arguments["missing"] != "ignore":
                raise placed(error, rules.path) from None
            return Result(dict(_NOTHING), ["%s: no container gets these rules now: %s; run this again when it can" % (rules.path, error)])
        except DrawbridgeError as error:
            raise placed(error, rules.path) from None
        if done.failure is not None:
            raise DrawbridgeError(done.failure, rules.path)
        return done

    def _taken(self, naming: Arguments, check_mode: bool, armed: str) -> Result:
        arguments = dict(
            naming, state="absent", table="filter", chain="INPUT", priority=0, established=True, loopback=True, ip_version="both",
            foreign="keep", rules=None, rules_from=None, missing="ignore",
        )
        try:
            return self._run(arguments, check_mode, armed)
        except DrawbridgeError as error:
            # The containers of then may be something else by now.
            return Result(dict(_NOTHING), ["section %s is not looked for: %s" % (naming["section"], error)])

    def _run(self, arguments: Arguments, check_mode: bool, armed: str) -> Result:
        params = self._task.params
        given = dict(
            arguments, prefix=POLICY_PREFIX, docker_host=params["docker_host"], lock_timeout=params["lock_timeout"], transport=params["transport"]
        )
        memory = memory_of(MODULE, "policy-" + given["section"], given, not check_mode)
        return put_rules(Task(dict(given, armed=armed), check_mode, self._task.system), connect, memory)

    def _noted(self) -> List[Arguments]:
        try:
            found = json.loads(self._folder.read(INSIDE) or "[]")
        except ValueError:
            return []
        return [_naming(item) for item in found if isinstance(item, dict) and isinstance(item.get("section"), str)]

    def _note(self, naming: List[Arguments]) -> None:
        if naming:
            self._folder.make()
            self._folder.write(INSIDE, json.dumps(naming, indent=1, sort_keys=True) + "\n")
        elif self._folder.exists:
            self._folder.remove(INSIDE)


def _naming(arguments: Arguments) -> Arguments:
    return {key: arguments.get(key) for key in _NAMING}


def _together(host: Result, inside: List[Result]) -> Result:
    values = dict(host.values)
    added = [diff for result in inside for diff in result.values["diff"]]
    values.update(
        changed=values["changed"] or any(result.values["changed"] for result in inside),
        containers=[entry for result in inside for entry in result.values["containers"]],
    )
    warnings = host.warnings + [warning for result in inside for warning in result.warnings]
    return host._replace(values=values, warnings=warnings).with_diffs(added)
