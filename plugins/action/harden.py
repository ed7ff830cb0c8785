# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of harden: it collects variables, has missing packages installed, and confirms the change over a new connection."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import confirmed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.harden_variables import harden_options, misnamed_variables
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.policy_action import PolicyAction, with_warnings

_EVERY_STEP = ("prerequisites", "boot_restore", "event_service", "policy")


class ActionModule(PolicyAction):
    """Runs the module; if packages are missing, installs them and runs it again."""

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        options = dict(self._task.args)
        takes_variables = boolean(options.pop("from_variables", False))
        if takes_variables:
            options = {**harden_options(task_vars, self._templar), **options}
        if not options.get("steps", _EVERY_STEP):
            return {"skipped": True, "changed": False, "msg": "the tags of this run leave out every step"}
        if "policy" in options.get("steps", _EVERY_STEP):
            options = self.with_fragments(options, task_vars)
        else:
            options.pop("fragments", None)
        result = execute(self, "harden", options, task_vars)
        if "lacking" in result:
            result = self._with_packages(result.pop("lacking"), options, task_vars)
        return with_warnings(confirmed(self, result), misnamed_variables(task_vars) if takes_variables else [])

    def _with_packages(self, lacking: Dict[str, Any], options: Mapping[str, object], task_vars: Mapping[str, object]) -> Dict[str, Any]:
        """Install what the host lacks and run the module again."""
        # Imported here: most hosts lack nothing.
        from ansible_collections.drawbridge.docker.plugins.plugin_utils.packages import install  # pylint: disable=import-outside-toplevel

        reason = install(self, lacking["packages"], lacking["package_manager"], task_vars)
        if reason is not None and lacking["is_needed"]:
            return {"failed": True, "changed": False, "msg": _refusal(lacking, reason)}
        result = execute(self, "harden", dict(options, install=False), task_vars)
        if reason is not None:
            return with_warnings(result, ["%s; the packages %s cannot be installed: %s" % ("; ".join(lacking["told"]), _listed(lacking), reason)])
        return _after_install(result, lacking)


def _refusal(lacking: Mapping[str, Any], reason: str) -> str:
    return "%s; the packages %s cannot be installed: %s (install them, or let the host reach its package mirror; nothing else was changed)" % (
        "; ".join(lacking["told"]), _listed(lacking), reason,
    )


def _listed(lacking: Mapping[str, Any]) -> str:
    names: List[str] = lacking["packages"]
    return ", ".join(names)


def _after_install(result: Dict[str, Any], lacking: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the result with the installation as its first step."""
    installed = {"changed": True, "missing": lacking["missing"], "packages": lacking["packages"]}
    diff = result.get("diff", [])
    shown = diff if isinstance(diff, list) else [diff]
    return dict(result, changed=True, steps={**result.get("steps", {}), "prerequisites": installed}, diff=[lacking["diff"], *shown])
