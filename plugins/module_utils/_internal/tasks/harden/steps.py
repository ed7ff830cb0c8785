# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bring a host to all that the playbook harden asks for, in one process: prerequisites, boot files, event service, policy.

The policy is read first: a mistake in it is told before anything is changed. The boot files and the event service come before the policy, which
keeps the one in step and leaves records for the other. What they need and a host in order does not is imported late.
"""

from __future__ import annotations

import time
from typing import Callable, Dict, FrozenSet, List, Optional

from ...errors import DrawbridgeError
from ...host.boot.unit import Running, running
from ...host.prerequisites.missing import Prerequisites, look
from ...host.prerequisites.needs import BOOT_RESTORE, EVENT_SERVICE, POLICY
from ...host.system.parallel import begun
from ...persistence.install import UNIT_NAMES
from ...persistence.records.service_status import UNIT
from ...policy_pipeline.desired import Desired, parse
from ...policy_pipeline.pipeline import keep_desired
from ...service.keep_service import keep_service
from ..boot_restore import keep_boot, keep_boot_before_policy
from ..task import Result, Task
from .story import Story

PREREQUISITES = "prerequisites"
STEPS = (PREREQUISITES, BOOT_RESTORE, EVENT_SERVICE, POLICY)


def harden(task: Task) -> Result:
    """Take the steps that the task asks for, in their order → one result. A host that lacks packages is left alone, and the result says which."""
    started = time.monotonic()
    steps = frozenset(task.params["steps"])
    if task.params.get("plan_dir") is not None and task.examine is None:
        return _with_plan(task, POLICY in steps)
    desired = _parsed(task) if POLICY in steps else None
    # systemd answers while the rest is looked at.
    runs = begun(lambda: running(task.system, (*UNIT_NAMES, UNIT))) if steps & {BOOT_RESTORE, EVENT_SERVICE} else frozenset
    story = Story(started)
    lacking = look(task.system, _parts(task, steps)) if PREREQUISITES in steps else Prerequisites([])
    if lacking.missing:
        from .lacking import as_a_step, as_if_installed, lack, left_to_the_controller  # pylint: disable=import-outside-toplevel

        found = lack(task, lacking)
        if found is not None and not task.check_mode:
            return left_to_the_controller(found)
        if found is not None:
            story.add(PREREQUISITES, as_a_step(found))
            return as_if_installed(task, desired, lacking, found, lambda bare, planned: _keep(bare, planned, steps, runs, story))
    if PREREQUISITES in steps:
        story.add(PREREQUISITES, Result({"changed": False}))
    return _keep(task, desired, steps, runs, story)


def _with_plan(task: Task, has_policy: bool) -> Result:
    from ..kept_plan import kept  # pylint: disable=import-outside-toplevel

    if not has_policy:
        raise DrawbridgeError("a plan is one of the policy, which this run leaves out", "plan_dir", "leave plan_dir out")
    return kept(task, harden)


def _parsed(task: Task) -> Desired:
    if task.params["state"] == "present" and task.params["policy"] is None and task.params["fragments"] is None:
        raise DrawbridgeError("neither policy nor fragments is given", None, "state: absent removes a policy")
    return parse(task)


def _parts(task: Task, steps: FrozenSet[str]) -> List[str]:
    """Return the steps that bring something to the host, by the names that the prerequisites know them by."""
    states = {POLICY: task.params["state"], BOOT_RESTORE: task.params["boot_restore"]["state"], EVENT_SERVICE: task.params["event_service"]["state"]}
    return [step for step, state in states.items() if step in steps and state == "present"]


def _keep(task: Task, desired: Optional[Desired], steps: FrozenSet[str], runs: Running, story: Story) -> Result:
    def boot(own: Task) -> Result:
        return keep_boot(own) if desired is None else keep_boot_before_policy(own, runs)

    jobs: Dict[str, Callable[[], Result]] = {
        BOOT_RESTORE: lambda: _of_options(task, BOOT_RESTORE, boot),
        EVENT_SERVICE: lambda: _of_options(task, EVENT_SERVICE, lambda own: keep_service(own, runs)),
        POLICY: lambda: Result({}) if desired is None else keep_desired(desired, time.monotonic()),
    }
    for step, job in jobs.items():
        if step in steps:
            try:
                story.add(step, job())
            except DrawbridgeError as error:
                return story.failed(step, error)
    return story.result(POLICY)


def _of_options(task: Task, option: str, job: Callable[[Task], Result]) -> Result:
    """Run a step with the options below this one. Errors name them."""
    try:
        return job(task._replace(params=task.params[option]))
    except DrawbridgeError as error:
        path = None if error.path is None else "%s.%s" % (option, error.path)
        raise DrawbridgeError(error.message, path, error.hint) from None
