# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of policy_verify: it collects the fragments of the host that the policy is of, wherever packets are sent from."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.policy_action import PolicyAction


class ActionModule(PolicyAction):
    """Replaces the prefix in ``fragments`` by the variables whose names begin with it, and runs the module."""

    no_async = "the fragments are read on the controller, which waits for the packets"

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        return execute(self, "policy_verify", self.with_fragments(self._task.args, task_vars), task_vars)
