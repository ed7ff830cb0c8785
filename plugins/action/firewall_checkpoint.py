# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of firewall_checkpoint: a confirmation uses a new connection."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import new_connection
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction

_CONNECT_SECONDS = 10


class ActionModule(ReturningAction):
    """Runs the module; for a confirmation over a new connection."""

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        if self._task.args.get("state") != "confirmed":
            return self._run_module(task_vars)
        try:
            with new_connection(self._connection, _CONNECT_SECONDS):
                return self._run_module(task_vars)
        except AnsibleConnectionFailure as error:
            reason = " ".join(str(error).split())
            return {
                "failed": True,
                "msg": "No new connection to the host could be opened, so nothing is confirmed, and the host takes the change back by itself: %s" % reason,
            }

    def _run_module(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        result: Dict[str, Any] = self._execute_module(task_vars=task_vars)
        return result
