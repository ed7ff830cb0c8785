# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of modules that apply a whole policy: options and fragments come from variables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, Sequence

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fragments import fragments, profile
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import Templar, variable

if TYPE_CHECKING:
    from ansible_collections.drawbridge.docker.plugins.plugin_utils.kept_plans import KeptPlan

POLICY_OPTIONS = (
    "profile", "state", "transport", "cross_check", "lock_timeout", "revoke", "confirm_timeout", "allow_lockout", "docker_host",
)

# The folder for plans that are kept, an option of the modules and a variable.
PLAN_DIR = "plan_dir"
# Variables that the role itself reads and writes, and those that are looked at apart.
OF_THE_ROLE = ("restart_engine", "outcome", PLAN_DIR)


class PolicyAction(ReturningAction):
    """The base class of action plugins that apply a policy."""

    # An async task would end before the confirmation.
    no_async = "a policy is confirmed over a new connection once it is in force"

    def with_fragments(self, arguments: Mapping[str, Any], task_vars: Mapping[str, object]) -> Dict[str, Any]:
        """Return the options, with the fragments in place of the prefix of their names, and with what feeds bring."""
        if arguments.get("state") == "absent":
            return dict(arguments)
        if arguments.get("policy") is not None:
            return dict(arguments, policy=self._fed(_decoded(arguments["policy"]), "policy", arguments["policy"]))
        if arguments.get("fragments") is None:
            return dict(arguments)
        found = fragments(str(arguments["fragments"]), task_vars, self._templar)
        fed = {name: self._fed(raw, name, raw) for name, raw in found.items()}
        told = {"fragments": fed, "profile": profile(arguments.get("profile"))}
        return dict(arguments, fragments=json.dumps(told, separators=(",", ":")))

    def _fed(self, policy: object, path: str, otherwise: object) -> object:
        """Return a policy with what its feeds bring; ``otherwise`` if it has none."""
        sets = policy.get("address_sets") if isinstance(policy, Mapping) else None
        if not isinstance(policy, Mapping) or not isinstance(sets, Mapping) or not any(isinstance(value, Mapping) for value in sets.values()):
            return otherwise
        # Imported here: most policies have no feed.
        from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds.feeds import with_feeds  # pylint: disable=import-outside-toplevel

        return with_feeds(policy, path, self)

    def kept_plan(self, variables: Sequence[str], restart: str, task_vars: Mapping[str, object]) -> Optional[KeptPlan]:
        """Return the plan that the task makes or keeps, None without one.

        variables: those that may name its folder, if the task's option does not. restart: the variable that says whether the play restarts the engine.
        Raises DrawbridgeError with the name of the option or variable.
        """
        folder, place = self._task.args.get(PLAN_DIR), PLAN_DIR
        for name in variables:
            if folder is None and name in task_vars:
                folder, place = variable(name, task_vars, self._templar), name
        if folder is None:
            return None
        # Imported here: most runs have no plan.
        from ansible_collections.drawbridge.docker.plugins.plugin_utils.kept_plans import kept_plan  # pylint: disable=import-outside-toplevel

        restarts = restart in task_vars and boolean(variable(restart, task_vars, self._templar), strict=False)
        plan = kept_plan(folder, place, str(task_vars["inventory_hostname"]), bool(restarts))
        return plan.make() if self._task.check_mode else plan.keep()


def _decoded(policy: object) -> object:
    """Return a policy that is a mapping or its JSON text. What is neither is left to the module to refuse."""
    try:
        return json.loads(policy) if isinstance(policy, str) else policy
    except ValueError:
        return None


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
