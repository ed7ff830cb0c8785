# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of host_policy: fragments are gathered, merged and checked before they travel, as one text."""

from __future__ import annotations

import json
import re

from ansible.plugins.action import ActionBase
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.policy.data import origins, policy_data
from ansible_collections.drawbridge.docker.plugins.plugin_utils.confirmation import confirmed
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fragments import host_policy

_PLACE = re.compile(r"policy(?:\.[A-Za-z0-9_-]+(?:\[[0-9]+\])?)+")


class ActionModule(ActionBase):
    """Puts the merged policy into ``policy`` where the task says ``fragments``, and runs the module."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        if self._task.async_val:
            # The task would be over before the connection that confirms its change.
            return {"failed": True, "msg": "async: a policy is confirmed over a new connection once it is in force; leave async out"}
        done = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("fragments") is None or arguments.get("policy") is not None or arguments.get("state") == "absent":
            return confirmed(self, self._execute_module(module_args=arguments, task_vars=task_vars))
        try:
            policy = self._merged(arguments, task_vars or {})
        except DrawbridgeError as error:
            return dict(done, failed=True, msg=str(error))
        arguments["policy"] = json.dumps(policy_data(policy), separators=(",", ":"))
        result = self._execute_module(module_args=arguments, task_vars=task_vars)
        if result.get("failed") and isinstance(result.get("msg"), str):
            result["msg"] = in_users_places(result["msg"], origins(policy))
            # Newer releases of ansible-core show this instead of the message.
            result.pop("exception", None)
        return confirmed(self, result)

    def _merged(self, arguments, task_vars):
        prefix = str(arguments.pop("fragments"))
        profile = arguments.pop("profile", None)
        if not prefix.isidentifier():
            raise DrawbridgeError("%s is not the beginning of a variable's name" % ascii(prefix), "fragments")
        return host_policy(prefix, profile or None, task_vars, self._templar)


def in_users_places(message, written):
    """The host knows the merged policy only: name the variable where it speaks of a place in that."""

    def place(found):
        known, rest = found.group(0), ""
        while known not in written and "." in known:
            known, _dot, last = known.rpartition(".")
            rest = ".%s%s" % (last, rest)
        return written[known] + rest if known in written else found.group(0)

    return _PLACE.sub(place, message)
