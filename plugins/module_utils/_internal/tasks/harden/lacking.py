# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host that lacks something: what is to be installed, and in check mode what would become of it then."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional

from ...host.prerequisites.distribution import DEBIAN
from ...host.prerequisites.missing import COMMAND, INIT, Missing, Prerequisites
from ...host.prerequisites.needs import BOOT_RESTORE
from ...policy_pipeline.desired import Desired
from ..task import Result, Task
from .assumed_system import NOT_TRIED, AssumedSystem

# Without it, nobody can tell how the task's own connection comes in.
_TELLS_THE_WAY_IN = "ip"
_TOLD = "packages would be installed first, as the host lacks %s; the rest is told as if these commands found no rules, with rules as they were written"


class Lack(NamedTuple):
    """missing: names of commands and kernel modules. packages: what is to be installed. is_needed: whether a step fails without it.
    package_manager: the module for it, or auto. diff: the packages, as Ansible's diff."""

    missing: List[str]
    packages: List[str]
    is_needed: bool
    package_manager: str
    diff: Dict[str, str]


def lack(task: Task, lacking: Prerequisites) -> Optional[Lack]:
    """Return what is to be installed; None if the task goes on without. Raises DrawbridgeError if it cannot, and no package helps."""
    named = task.params["packages"]
    if not task.params["install"] or any(_is_hopeless(item, bool(named)) for item in lacking.needed):
        lacking.refuse()
    packages = sorted({*lacking.packages, *(named or [])})
    if not task.params["install"] or not packages:
        return None
    diff = {"before_header": "packages", "after_header": "packages", "before": "", "after": "".join("%s\n" % name for name in packages)}
    is_apt = lacking.distribution is not None and lacking.distribution.family == DEBIAN
    missing = [item.name for item in lacking.missing]
    return Lack(missing, packages, bool(lacking.needed), "apt" if is_apt else "auto", diff)


def left_to_the_controller(found: Lack) -> Result:
    """Return the result of a host that was left alone: the controller installs packages, and runs the task again."""
    return Result({"changed": False, "lacking": found._asdict()})


def as_a_step(found: Lack) -> Result:
    """Return check mode's result of the step that would install packages."""
    return Result({"changed": True, "missing": found.missing, "packages": found.packages, "diff": found.diff})


def _is_hopeless(item: Missing, is_named: bool) -> bool:
    """Whether no package brings a thing. is_named: whether the user says which packages do."""
    return item.kind == INIT or (item.package is None and not is_named)


def as_if_installed(
    task: Task, desired: Optional[Desired], lacking: Prerequisites, found: Lack, keep: Callable[[Task, Optional[Desired]], Result]
) -> Result:
    """Return what check mode says of a host whose packages are still to be installed."""
    names = {item.name for item in lacking.missing if item.kind == COMMAND}
    system = AssumedSystem(names)
    warnings = [_TOLD % ", ".join(item.name for item in lacking.missing)]
    if desired is not None:
        desired = desired._replace(system=system)
        if _TELLS_THE_WAY_IN in names and not desired.allow_lockout:
            desired = desired._replace(allow_lockout=True)
            warnings.append("whether the policy refuses the task's own SSH connection is not known before the command ip is installed")
    result = keep(task._replace(system=system), desired)
    # What follows from that no rule can be tried says nothing about the host.
    result.values.get("steps", {}).get(BOOT_RESTORE, {}).pop("closed_meanwhile", None)
    warnings += [warning for warning in result.warnings if NOT_TRIED not in warning]
    return result._replace(values=dict(result.values, msg="would install %s" % ", ".join(found.packages)), warnings=warnings)
