# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Install packages on a host by ansible.builtin.package, within a task of this collection."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

AUTO = "auto"
APT = "apt"
# Where no name server answers: an error within seconds.
_ENVIRONMENT = {"RES_OPTIONS": "timeout:2 attempts:1"}
# The module for apt would try again for minutes where no mirror answers.
_APT_UPDATE = [
    "apt-get", "--quiet", "-oAcquire::Retries=0", "-oAcquire::http::Timeout=8", "-oAcquire::https::Timeout=8", "-oAPT::Update::Error-Mode=any", "update",
]
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
    first = _run(action, "package", asked, task_vars)
    if not first.failure:
        return first
    if use == APT:
        second = _run(action, "command", {"argv": _APT_UPDATE}, task_vars)
        second = second if second.failure else _run(action, "package", asked, task_vars)
    else:
        second = _run(action, "package", dict(asked, update_cache=True), task_vars)
    if not second.failure:
        return second
    return first if _NOT_AN_OPTION in second.failure else Installed(False, "%s; with fresh package lists: %s" % (first.failure, second.failure))


def _run(action: ActionBase, name: str, arguments: Mapping[str, object], task_vars: Mapping[str, object]) -> Installed:
    task = action._task.copy()
    task.args = dict(arguments)
    task.environment = [*(task.environment or []), _ENVIRONMENT]
    plugin = action._shared_loader_obj.action_loader.get(
        "ansible.builtin." + name,
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
    said = str(result.get("stderr") or result.get("msg") or "")
    return Installed(False, " ".join(said.split()).rstrip(": ")[:_SHOWN] or "no reason was given")
