# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of harden: it collects variables, has missing packages installed, and confirms the change over a new connection."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import confirmed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.harden_variables import (
    EVERY_STEP,
    PLAN_DIRS,
    RESTART,
    harden_options,
    may_restart_the_engine,
    misnamed_variables,
)
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.policy_action import PolicyAction, with_warnings


class ActionModule(PolicyAction):
    """Runs the module; if packages are missing, installs them and runs it again."""

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        options = dict(self._task.args)
        takes_variables = boolean(options.pop("from_variables", False))
        if takes_variables:
            options = {**harden_options(task_vars, self._templar), **options}
        steps = options.get("steps", EVERY_STEP)
        if not steps:
            return {"skipped": True, "changed": False, "msg": "the tags of this run leave out every step"}
        plan = self.kept_plan(PLAN_DIRS if takes_variables else (), RESTART if takes_variables else "", task_vars)
        if plan is not None:
            options["plan_dir"] = plan.asked
        if "policy" in steps:
            options = self.with_fragments(options, task_vars)
        else:
            options.pop("fragments", None)
        result = execute(self, "harden", options, task_vars)
        if "lacking" in result:
            result = self._with_packages(result.pop("lacking"), options, task_vars)
        result = confirmed(self, result) if plan is None else plan.settled(confirmed(self, result))
        if not takes_variables:
            return result
        # A restart that is due since a former play is done by this one, if it may be done at all.
        if result.get("restart_required") and may_restart_the_engine(task_vars, self._templar):
            result["changed"] = True
        return with_warnings(result, misnamed_variables(task_vars))

    def _with_packages(self, lacking: Dict[str, Any], options: Mapping[str, object], task_vars: Mapping[str, object]) -> Dict[str, Any]:
        """Install what the host lacks and run the module again."""
        # Imported here: most hosts lack nothing.
        from ansible_collections.drawbridge.docker.plugins.plugin_utils.packages import install  # pylint: disable=import-outside-toplevel

        done = install(self, lacking["packages"], lacking["package_manager"], task_vars)
        if done.failure and lacking["is_needed"]:
            return {"failed": True, "changed": False, "msg": "%s (install them, or let the host reach its package mirror)" % _failure(lacking, done.failure)}
        result = execute(self, "harden", dict(options, install=False), task_vars)
        return with_warnings(result, [_failure(lacking, done.failure)]) if done.failure else _after_install(result, lacking, done.changed)


def _failure(lacking: Mapping[str, Any], reason: str) -> str:
    return "the host lacks %s; the packages %s cannot be installed: %s" % (", ".join(lacking["missing"]), ", ".join(lacking["packages"]), reason)


def _after_install(result: Dict[str, Any], lacking: Mapping[str, Any], changed: bool) -> Dict[str, Any]:
    """Return the result with the installation as its first step."""
    step = {"changed": changed, "missing": lacking["missing"], "packages": lacking["packages"]}
    diff = result.get("diff", [])
    shown = diff if isinstance(diff, list) else [diff]
    return dict(
        result,
        changed=changed or result.get("changed", False),
        steps={"prerequisites": step, **{name: told for name, told in result.get("steps", {}).items() if name != "prerequisites"}},
        diff=[lacking["diff"], *shown] if changed else shown,
    )
