# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The only error handler of action plugins: errors become results, and are never raised.

Messages quote text from hosts: rules, labels, ssh's output. ansible-core marks an action plugin's result as text, not a template. Up to 2.18
it does not mark the message of a raised AnsibleActionFail or AnsibleConnectionFailure: a later task that uses it would render it as a template.
"""

from __future__ import annotations

import traceback
from typing import Any, Dict, Mapping, Optional, Sequence

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError


class ReturningAction(ActionBase):
    """The base class of the collection's action plugins.

    no_async: why the task cannot run with ``async``; empty if it can.
    """

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True
    no_async = ""

    def run(self, tmp: object = None, task_vars: Optional[Dict[str, object]] = None) -> Dict[str, Any]:
        if self.no_async and self._task.async_val:
            return _failed("async: %s; leave async out" % self.no_async)
        try:
            super().run(tmp, task_vars)
            return self.act(task_vars or {})
        except AnsibleConnectionFailure as error:
            return {"unreachable": True, "changed": False, "msg": str(error)}
        except (AnsibleError, DrawbridgeError) as error:
            return _failed(str(error))
        except Exception as error:  # pylint: disable=broad-exception-caught
            Display().vvv(traceback.format_exc())
            return _failed("internal error, please report it: %s: %s" % (type(error).__name__, error))

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        """Do the plugin's job → the task's result."""
        raise NotImplementedError


def show(lines: Sequence[str]) -> bool:
    """Print the lines, unless a program is to read what Ansible prints. Return whether they were printed."""
    is_read_by_people = "json" not in str(constants.DEFAULT_STDOUT_CALLBACK)
    if is_read_by_people:
        Display().display("\n".join(lines))
    return is_read_by_people


def _failed(words: str) -> Dict[str, object]:
    return {"failed": True, "changed": False, "msg": words}
