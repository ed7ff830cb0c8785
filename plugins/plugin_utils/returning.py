# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The one error boundary of action plugins: what fails is returned, and never raised.

Messages quote what hosts tell: lines of rules, labels, what ssh printed. ansible-core marks what an action plugin returns as text, but up to
2.18 not what it raises as AnsibleActionFail or AnsibleConnectionFailure: whoever uses such a message would have it rendered as a template.
"""

from __future__ import annotations

import traceback
from typing import Any, Dict, Mapping, Optional

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError


class ReturningAction(ActionBase):
    """What every action plugin of the collection is.

    no_async: why the task cannot be run with ``async``; empty where it can.
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
        """The plugin's job → the task's result."""
        raise NotImplementedError


def _failed(words: str) -> Dict[str, object]:
    return {"failed": True, "changed": False, "msg": words}
