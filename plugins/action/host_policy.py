# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of host_policy: it collects the fragments, and confirms a change over a new connection."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import confirmed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.policy_action import (
    OF_THE_ROLE,
    PLAN_DIR,
    POLICY_OPTIONS,
    PolicyAction,
    from_variables,
    with_warnings,
)
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import misnamed


class ActionModule(PolicyAction):
    """Replaces the prefix in ``fragments`` by the variables whose names begin with it, and runs the module."""

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        prefix = self._task.args.get("settings_prefix")
        plan = self.kept_plan((), "", task_vars) if prefix is None else self.kept_plan((prefix + PLAN_DIR,), prefix + "restart_engine", task_vars)
        arguments = self._arguments(task_vars)
        if plan is not None:
            arguments[PLAN_DIR] = plan.asked
        result = confirmed(self, execute(self, "host_policy", arguments, task_vars))
        return with_warnings(result if plan is None else plan.settled(result), self._misnamed(task_vars))

    def _misnamed(self, task_vars: Mapping[str, object]) -> List[str]:
        settings, prefix = self._task.args.get("settings_prefix"), self._task.args.get("fragments")
        return misnamed(str(settings), str(prefix), POLICY_OPTIONS + OF_THE_ROLE, task_vars) if settings and prefix else []

    def _arguments(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        """Return the task's options. Options that the task leaves out come from variables; the fragments replace their prefix."""
        arguments: Dict[str, Any] = dict(self._task.args)
        prefix = arguments.pop("settings_prefix", None)
        given = {} if prefix is None else from_variables(prefix, POLICY_OPTIONS, task_vars, self._templar)
        return self.with_fragments({**given, **arguments}, task_vars)
