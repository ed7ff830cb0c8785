# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of host_policy: it collects the fragments, and confirms a change over a new connection."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping

from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import confirmed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fragments import fragments, profile
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.misnamed import misnamed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import variable

_LEFT_TO_VARIABLES = (
    "profile", "state", "transport", "cross_check", "lock_timeout", "revoke", "confirm_timeout", "allow_lockout", "docker_host",
)

# Variables that the role itself reads and writes.
_OF_THE_ROLE = ("restart_engine", "outcome")


class ActionModule(ReturningAction):
    """Replaces the prefix in ``fragments`` by the variables whose names begin with it, and runs the module."""

    # An async task would end before the confirmation.
    no_async = "a policy is confirmed over a new connection once it is in force"

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        result = confirmed(self, execute(self, "host_policy", self._arguments(task_vars), task_vars))
        warnings = self._misnamed(task_vars)
        return dict(result, warnings=warnings + list(result.get("warnings", []))) if warnings else result

    def _misnamed(self, task_vars: Mapping[str, object]) -> List[str]:
        settings, prefix = self._task.args.get("settings_prefix"), self._task.args.get("fragments")
        return misnamed(str(settings), str(prefix), _LEFT_TO_VARIABLES + _OF_THE_ROLE, task_vars) if settings and prefix else []

    def _arguments(self, task_vars: Mapping[str, object]) -> Dict[str, object]:
        """Return the task's options. Options that the task leaves out come from variables; the fragments replace their prefix."""
        arguments: Dict[str, Any] = dict(self._task.args)
        prefix = arguments.pop("settings_prefix", None)
        for option in _LEFT_TO_VARIABLES if prefix is not None else ():
            value = variable(prefix + option, task_vars, self._templar) if prefix + option in task_vars else None
            if value not in (None, ""):
                arguments.setdefault(option, value)
        if arguments.get("fragments") is not None and arguments.get("policy") is None and arguments.get("state") != "absent":
            told = {"fragments": fragments(str(arguments["fragments"]), task_vars, self._templar), "profile": profile(arguments.get("profile"))}
            arguments["fragments"] = json.dumps(told, separators=(",", ":"))
        return arguments
