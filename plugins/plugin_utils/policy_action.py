# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of modules that apply a whole policy: options and fragments come from variables."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, Mapping

from ansible_collections.drawbridge.docker.plugins.plugin_utils.fragments import fragments, profile
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import Templar, variable

POLICY_OPTIONS = (
    "profile", "state", "transport", "cross_check", "lock_timeout", "revoke", "confirm_timeout", "allow_lockout", "docker_host",
)

# Variables that the role itself reads and writes.
OF_THE_ROLE = ("restart_engine", "outcome")


class PolicyAction(ReturningAction):
    """The base class of action plugins that apply a policy."""

    # An async task would end before the confirmation.
    no_async = "a policy is confirmed over a new connection once it is in force"

    def with_fragments(self, arguments: Mapping[str, Any], task_vars: Mapping[str, object]) -> Dict[str, Any]:
        """Return the options, with the fragments in place of the prefix of their names."""
        if arguments.get("fragments") is None or arguments.get("policy") is not None or arguments.get("state") == "absent":
            return dict(arguments)
        told = {"fragments": fragments(str(arguments["fragments"]), task_vars, self._templar), "profile": profile(arguments.get("profile"))}
        return dict(arguments, fragments=json.dumps(told, separators=(",", ":")))


def from_variables(prefix: str, options: Iterable[str], task_vars: Mapping[str, object], templar: Templar) -> Dict[str, object]:
    """Return the options that variables give: those named by the prefix and the option, where they are defined and not empty."""
    found = {}
    for option in options:
        value = variable(prefix + option, task_vars, templar) if prefix + option in task_vars else None
        if value not in (None, ""):
            found[option] = value
    return found


def with_warnings(result: Dict[str, Any], warnings: Iterable[str]) -> Dict[str, Any]:
    """Return the result with these warnings ahead of its own."""
    added = list(warnings)
    return dict(result, warnings=added + list(result.get("warnings", []))) if added else result
