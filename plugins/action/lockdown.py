# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of lockdown: the change is confirmed over a new connection."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import confirmed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction


class ActionModule(ReturningAction):
    """Runs the module and confirms its change."""

    # An async task would end before the confirmation.
    no_async = "a lockdown is confirmed over a new connection once it is in force"

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        return confirmed(self, execute(self, "lockdown", self._task.args, task_vars))
