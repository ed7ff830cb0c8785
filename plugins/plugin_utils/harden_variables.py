# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of harden that come from a host's variables, those of the roles and of the playbook, and from the tags of the run."""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Mapping, Tuple

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import quoted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.plugin_utils.policy_action import OF_THE_ROLE, POLICY_OPTIONS, from_variables
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import Templar, misnamed, variable

_POLICY = "host_policy_"
_FRAGMENTS = "host_policy__"
# The options that are mappings, with those below them.
_BELOW: Dict[str, Tuple[str, ...]] = {
    "boot_restore": ("state", "ssh_ports", "engine_rules", "transport", "lock_timeout"),
    "event_service": ("state", "closed_until_ready", "metrics_file", "docker_host"),
}
_PACKAGES = "prerequisites_packages"
_INSTALL = "drawbridge_prerequisites"
RESTART = _POLICY + "restart_engine"
# The folder for plans: the playbook's variable, then the role's.
PLAN_DIRS = ("drawbridge_plan_dir", _POLICY + "plan_dir")
# A step, the tag that chooses it, and the variable that leaves it out.
_STEPS = (
    ("prerequisites", "prerequisites", None),
    ("boot_restore", "boot_restore", "drawbridge_boot_restore"),
    ("event_service", "event_service", "drawbridge_event_service"),
    ("policy", "host_policy", None),
)
EVERY_STEP = tuple(step for step, _tag, _switch in _STEPS)
# Of the playbook.
_SWITCHES = ("hosts", "serial", "max_fail_percentage", "report", "prerequisites", "boot_restore", "event_service", "plan_dir")


def harden_options(task_vars: Mapping[str, object], templar: Templar) -> Dict[str, Any]:
    """Return the options that variables and tags give. Raises DrawbridgeError with the variable's name."""
    options: Dict[str, Any] = from_variables(_POLICY, POLICY_OPTIONS, task_vars, templar)
    for name, below in _BELOW.items():
        options[name] = from_variables(name + "_", below, task_vars, templar)
    if task_vars.get(_PACKAGES):
        options["packages"] = variable(_PACKAGES, task_vars, templar)
    options["install"] = _is_on(_INSTALL, task_vars, templar)
    options["steps"] = [
        step for step, tag, switch in _STEPS if _is_chosen(tag, task_vars) and (switch is None or _is_on(switch, task_vars, templar))
    ]
    return options


def may_restart_the_engine(task_vars: Mapping[str, object], templar: Templar) -> bool:
    """Return whether the play's handler restarts the engine where that is required. Raises DrawbridgeError with the variable's name."""
    return RESTART in task_vars and _is_on(RESTART, task_vars, templar)


def misnamed_variables(task_vars: Mapping[str, object]) -> List[str]:
    """Return warnings about variables that nothing reads because of a typo in their names."""
    found = misnamed(_POLICY, _FRAGMENTS, POLICY_OPTIONS + OF_THE_ROLE, task_vars)
    for name, below in _BELOW.items():
        found += misnamed(name + "_", None, below, task_vars)
    return found + misnamed("prerequisites_", None, ("packages",), task_vars) + misnamed("drawbridge_", None, _SWITCHES, task_vars)


def _is_on(name: str, task_vars: Mapping[str, object], templar: Templar) -> bool:
    if name not in task_vars:
        return True
    value = variable(name, task_vars, templar)
    try:
        return bool(boolean(value))
    except TypeError:
        raise DrawbridgeError("%s is neither true nor false" % quoted(value), name) from None


def _is_chosen(tag: str, task_vars: Mapping[str, object]) -> bool:
    """Whether the run's tags choose a step. Tags that are none of a step's are of somebody else, and choose the whole task."""
    of_steps = {of_step for _step, of_step, _switch in _STEPS}
    asked = of_steps & set(_words(task_vars.get("ansible_run_tags")))
    return (not asked or tag in asked) and tag not in _words(task_vars.get("ansible_skip_tags"))


def _words(tags: object) -> Collection[str]:
    return [str(tag) for tag in tags] if isinstance(tags, (list, tuple)) else []
