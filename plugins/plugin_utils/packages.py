# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Install packages on a host by ansible.builtin.package, within a task of this collection."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

AUTO = "auto"
# By package manager: what keeps a host without a network from waiting for minutes.
_ONE_TRY: Dict[str, Dict[str, object]] = {"apt": {"update_cache_retries": 1}}
_NOT_AN_OPTION = "Unsupported parameters"
_SHOWN = 500


class Installed(NamedTuple):
    """changed: whether anything was installed. failure: why packages cannot be installed; empty if they are."""

    changed: bool
    failure: str = ""


def install(action: ActionBase, names: List[str], manager: str, task_vars: Mapping[str, object]) -> Installed:
    """Install packages. Package lists are refreshed only if it fails without.

    action: the action plugin. manager: the name of the module for the host's package manager, or AUTO.
    """
    use = AUTO if "ansible_package_use" in task_vars else manager
    asked = {"name": names, "state": "present", "use": use}
    first = _run(action, asked, task_vars)
    if not first.failure:
        return first
    second = _run(action, {**asked, "update_cache": True, **_ONE_TRY.get(use, {})}, task_vars)
    if not second.failure:
        return second
    return first if _NOT_AN_OPTION in second.failure else Installed(False, "%s; with fresh package lists: %s" % (first.failure, second.failure))


def _run(action: ActionBase, arguments: Mapping[str, object], task_vars: Mapping[str, object]) -> Installed:
    task = action._task.copy()
    task.args = dict(arguments)
    plugin = action._shared_loader_obj.action_loader.get(
        "ansible.builtin.package",
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    try:
        result: Dict[str, Any] = plugin.run(task_vars=task_vars)
    except AnsibleConnectionFailure:
        raise
    except AnsibleError as error:
        result = {"failed": True, "msg": str(error)}
    if not result.get("failed"):
        return Installed(bool(result.get("changed")))
    said = str(result.get("msg") or result.get("stderr") or "")
    return Installed(False, " ".join(said.split()).rstrip(": ")[:_SHOWN] or "no reason was given")
