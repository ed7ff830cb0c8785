# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of lockdown: the change is confirmed over a new connection."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import confirmed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute


class ActionModule(ActionBase):
    """Runs the module and confirms what it changed."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        if self._task.async_val:
            # The task would be over before the connection that confirms its change.
            return {"failed": True, "msg": "async: a lockdown is confirmed over a new connection once it is in force; leave async out"}
        super().run(tmp, task_vars)
        return confirmed(self, execute(self, "lockdown", self._task.args, task_vars))
