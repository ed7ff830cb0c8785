# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part that applies a policy's rules inside containers and removes those of an earlier policy."""

from __future__ import annotations

import json
from typing import Dict, List, Mapping

from ..engine.api.client import EngineUnreachable
from ..engine.api.connect import connect
from ..engine.containers.selector import SELECTOR_ARGUMENTS
from ..engine.facts.gather import EngineFacts
from ..errors import DrawbridgeError
from ..host.system.folder import Folder
from ..host.system.paths import STATE
from ..host_settings.leftovers import INSIDE
from ..netfilter.reconcile.ns_chain import POLICY_PREFIX
from ..persistence.records.task_records import memory_of
from ..policy.language.container_rules import ContainerRules, placed
from ..tasks.container_rules import MODULE, put_rules
from ..tasks.task import Result, Task
from ..transaction.converge import Outcome
from .desired import Desired
from .part import Part, Report

# The arguments that name a section and its containers.
_NAMING = (*SELECTOR_ARGUMENTS, "section")

Arguments = Dict[str, object]

_NOTHING: Arguments = {"changed": False, "containers": [], "diff": []}


class ContainerRulesPart(Part):
    """The rules inside containers of one policy. A file lists their sections, so that a later policy finds the sections that it does not
    have."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._wanted = list(desired.policy.containers or ())
        self._folder = Folder(STATE)
        named = [_naming(rules.arguments) for rules in self._wanted]
        self._gone = [item for item in self._noted() if item not in named]
        self._results: List[Result] = []

    def check(self) -> None:
        """Rehearse the rules in the containers' namespaces."""
        self._results = self._run_all(True, "")

    def after(self, outcome: Outcome, _asked: EngineFacts) -> None:
        """Apply the rules, under the checkpoint of the host's own rules. In check mode the rehearsal was enough."""
        if self._desired.check_mode:
            return
        self._note([*self._gone, *(_naming(rules.arguments) for rules in self._wanted)])
        self._results = self._run_all(False, "" if outcome.armed is None else outcome.armed.id)
        self._note([_naming(rules.arguments) for rules in self._wanted])

    def report(self) -> Report:
        values = [result.values for result in self._results]
        return Report(
            any(each["changed"] for each in values),
            {"containers": [entry for each in values for entry in each["containers"]]},
            [warning for result in self._results for warning in result.warnings],
            [diff for each in values for diff in each["diff"]],
        )

    def _run_all(self, check_mode: bool, armed: str) -> List[Result]:
        results = [self._put(rules, check_mode, armed) for rules in self._wanted]
        return results + [self._taken(item, check_mode, armed) for item in self._gone]

    def _put(self, rules: ContainerRules, check_mode: bool, armed: str) -> Result:
        try:
            done = self._run(dict(rules.arguments, state="present", rules_from=rules.path + ".rules"), check_mode, armed)
        except EngineUnreachable as error:
            if rules.arguments["on_missing"] != "ignore":
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
            purge=False, rules=None, rules_from=None, on_missing="ignore",
        )
        try:
            return self._run(arguments, check_mode, armed)
        except DrawbridgeError as error:
            # The earlier policy's containers may be something else by now.
            return Result(dict(_NOTHING), ["section %s is not looked for: %s" % (naming["section"], error)])

    def _run(self, arguments: Arguments, check_mode: bool, armed: str) -> Result:
        settings = self._desired.settings
        given = dict(
            arguments, prefix=POLICY_PREFIX, docker_host=self._desired.docker_host, lock_timeout=settings.lock_timeout,
            transport=settings.transport,
        )
        memory = memory_of(MODULE, "policy-%s" % arguments["section"], given, not check_mode)
        return put_rules(Task(dict(given, armed=armed), check_mode, self._desired.system), connect, memory)

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


def _naming(arguments: Mapping[str, object]) -> Arguments:
    return {key: arguments.get(key) for key in _NAMING}
