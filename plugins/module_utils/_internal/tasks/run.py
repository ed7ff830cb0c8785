# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Run a module's job by AnsibleModule, which only this file uses. Every failure becomes a message."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional

from ansible.module_utils.basic import AnsibleModule

from ..errors import DrawbridgeError
from ..host.system.system import System
from .task import Result, Task

__all__ = ["Result", "Task", "run_module"]

# Shared options, documented in the fragments netfilter and engine.
LOCK_ARGUMENTS: Dict[str, Dict[str, object]] = {"lock_timeout": {"type": "int", "default": 30}}
TRANSPORT_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "transport": {"type": "str", "choices": ["auto", "nft", "legacy"], "default": "auto"}
}
CROSS_CHECK_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "cross_check": {"type": "str", "choices": ["never", "when_available", "always"], "default": "when_available"}
}
# Options of a section of rules. Each module documents its own meaning; the fragment documents the shared part.
SECTION_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "section": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "priority": {"type": "int", "default": 500},
    "established": {"type": "bool", "default": True},
    "ip_version": {"type": "str", "choices": ["ipv4", "ipv6", "both"], "default": "both"},
    "purge": {"type": "bool", "default": False},
    "rules": {"type": "raw"},
    "rules_from": {"type": "str"},
}
ENGINE_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"}
}
# Documented in the fragment containers.
MISSING_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "on_missing": {"type": "str", "choices": ["fail", "ignore"], "default": "fail"}
}
# The options of a module that another module has, too.
POLICY_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "policy": {"type": "json"},
    "fragments": {"type": "str"},
    "profile": {"type": "str", "choices": ["edge", "internal", "isolated", "lockdown"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "allow_lockout": {"type": "bool", "default": False},
    "revoke": {"type": "str", "choices": ["end", "keep"], "default": "end"},
    "confirm_timeout": {"type": "int", "default": 60},
    "plan_dir": {"type": "str"},
}
POLICY_REQUIRED: List[object] = [["state", "present", ["policy", "fragments"], True]]
POLICY_EXCLUSIVE = [["policy", "fragments"]]
BOOT_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "ssh_ports": {"type": "list", "elements": "int", "default": [22]},
    "engine_rules": {"type": "str", "choices": ["put_back", "restart", "leave"], "default": "put_back"},
}
SERVICE_ARGUMENTS: Dict[str, Dict[str, object]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "closed_until_ready": {"type": "bool", "default": False},
    "metrics_file": {"type": "path"},
}


def run_module(
    arguments: Dict[str, Dict[str, object]],
    job: Callable[[Task], Result],
    required_if: Optional[List[object]] = None,
    mutually_exclusive: Optional[List[List[str]]] = None,
    required_one_of: Optional[List[List[str]]] = None,
) -> None:
    """Run a module's job. A DrawbridgeError becomes the task's message. So does any other exception, without its traceback in the message."""
    module = AnsibleModule(
        argument_spec=arguments,
        supports_check_mode=True,
        required_if=required_if,
        mutually_exclusive=mutually_exclusive,
        required_one_of=required_one_of,
    )
    try:
        result = job(Task(module.params, module.check_mode, System(), module._diff))  # pylint: disable=protected-access
    except DrawbridgeError as error:
        module.fail_json(msg=str(_advised(error)))
    except Exception as error:  # pylint: disable=broad-exception-caught
        import traceback  # pylint: disable=import-outside-toplevel

        module.fail_json(
            msg="internal error, please report it: %s: %s" % (type(error).__name__, error),
            exception=traceback.format_exc(),
        )
    for warning in result.warnings:
        module.warn(warning)
    if result.failure is not None:
        module.fail_json(msg=result.failure, **result.values)
    # The arguments may be a policy of 10,000 addresses: do not send them back.
    module.exit_json(invocation={"module_args": {}}, **result.values)


def _advised(error: DrawbridgeError) -> DrawbridgeError:
    """Advise ``become: true`` if the task does not run as root: that is the most likely cause."""
    if os.geteuid() == 0 or error.path is not None or error.hint is not None:
        return error
    return DrawbridgeError(error.message, None, "run the task as root: become: true")
