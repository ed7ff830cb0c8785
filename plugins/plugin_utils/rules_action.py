# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of modules that take rules: they are compiled before they are sent."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.packed import pack
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import variable


class RulesAction(ReturningAction):
    """Compiles ``rules``, or the variable named by ``rules_from``, into one text and runs the module with it.

    module: its name, without the collection's name.
    """

    module: str

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        arguments = dict(self._task.args)
        arguments["rules"] = self._packed(arguments, task_vars)
        return execute(self, self.module, arguments, task_vars)

    def _packed(self, arguments: Mapping[str, object], task_vars: Mapping[str, object]) -> str:
        name = arguments.get("rules_from")
        if name is None:
            if arguments.get("rules") is None and arguments.get("state") != "absent":
                # Otherwise an undefined variable with default(omit) would silently remove every rule.
                raise DrawbridgeError("neither rules nor rules_from is given", None, "rules: [] is a section without any")
            return pack(arguments.get("rules") or [], "rules")
        if arguments.get("rules") is not None:
            raise DrawbridgeError("rules and rules_from exclude each other")
        return pack(variable(str(name), task_vars, self._templar), str(name))
