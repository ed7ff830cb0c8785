# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Read and check the arguments of a host_policy task."""

from __future__ import annotations

import json
from typing import NamedTuple, Optional

from ..errors import DrawbridgeError
from ..host.system.system import System
from ..policy.language import check
from ..policy.language.model import NO_POLICY, Policy
from ..policy.language.schema import parse_policy
from ..tasks.task import Examine, Task
from ..transaction.converge import Settings


class Desired(NamedTuple):
    """is_present: whether the host shall have a policy; if not, ``policy`` is empty. ends_connections: whether to end open connections that a
    change denies. shows_diff: whether the task shows a diff. examine: looks at the plan before anything is changed."""

    system: System
    settings: Settings
    policy: Policy
    docker_host: str
    is_present: bool = True
    ends_connections: bool = True
    allow_lockout: bool = False
    shows_diff: bool = False
    examine: Optional[Examine] = None

    @property
    def check_mode(self) -> bool:
        """Whether the run must not change anything."""
        return self.settings.check_mode


def parse(task: Task) -> Desired:
    """Parse a task's arguments. Raises DrawbridgeError with the place of the mistake."""
    params = task.params
    is_present = params["state"] == "present"
    policy = policy_of(task) if is_present else NO_POLICY
    return Desired(
        task.system, task.settings(), policy, params["docker_host"], is_present, params["revoke"] == "end", params["allow_lockout"], task.shows_diff,
        task.examine,
    )


def policy_of(task: Task) -> Policy:
    """Return the policy that a task's options policy, fragments and profile give. Raises DrawbridgeError with the place of the mistake."""
    params = task.params
    if params["fragments"] is not None:
        # Only hosts with fragments load the code that merges them.
        from ..policy.merge.merge import merge, parse_fragment, parse_profile  # pylint: disable=import-outside-toplevel

        told = check.mapping(_decoded(params["fragments"], "fragments"), "fragments", ("fragments", "profile"))
        profile = [] if told["profile"] is None else [parse_profile("profile " + params["profile"], told["profile"])]
        return merge(profile + [parse_fragment(name, raw) for name, raw in check.any_mapping(told["fragments"], "fragments").items()])
    if params["profile"] is not None:
        raise DrawbridgeError("a profile is what fragments are laid over: there are none", "profile")
    return parse_policy(_decoded(params["policy"], "policy"))


def _decoded(text: str, option: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DrawbridgeError("not a mapping and not JSON: %s" % error, option) from None
