# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Install or remove the boot program and its units: what the modules boot_restore and harden do."""

from __future__ import annotations

from typing import Optional

from ..errors import DrawbridgeError
from ..host.boot.unit import Running
from ..netfilter.kernel.netfilter import Live, Netfilter
from ..persistence.install import Installation
from ..transaction.converge import locked
from .task import Result, Task

_OPEN_MEANWHILE = "whoever flushes the rules opens the host until they are back, within a second: %s"


def keep_boot(task: Task) -> Result:
    """Install or remove the units and their files."""
    return _keep(task, _installation(task, None))


def keep_boot_before_policy(task: Task, runs: Running) -> Result:
    """Do the same for a caller that applies a policy next, which keeps the files in step with the rules. So a host where everything is in
    place is not asked for its rules. runs: tells which units run."""
    installation = _installation(task, runs)
    if task.params["state"] == "present" and installation.is_in_place:
        return Result({"changed": False, "closed_meanwhile": True, "written": []})
    return _keep(task, installation)


def _installation(task: Task, runs: Optional[Running]) -> Installation:
    for index, port in enumerate(task.params["ssh_ports"]):
        if not 0 < port < 65536:
            raise DrawbridgeError("%d is not a port" % port, "ssh_ports[%d]" % index)
    return Installation(task.system, task.params["ssh_ports"] or [22], task.params["engine_rules"], runs)


def _keep(task: Task, installation: Installation) -> Result:
    with locked(task.settings()):
        result = _removed(task, installation) if task.params["state"] == "absent" else _installed(task, installation)
    if task.params["state"] == "present" and result.values["changed"] and not task.check_mode:
        installation.start()
    return result


def _removed(task: Task, installation: Installation) -> Result:
    there = installation.present()
    if there and not task.check_mode:
        installation.remove()
    return Result({"changed": bool(there), "written": there})


def _installed(task: Task, installation: Installation) -> Result:
    netfilter = Netfilter(task.system, task.params["transport"])
    live = Live(netfilter.rulesets(), {})
    reason = installation.ask_for_answers(netfilter.variant, netfilter.families)
    written = installation.missing()
    outdated = not installation.boot_files.folder.exists or not installation.boot_files.are_in_step(live)
    if not task.check_mode and (written or outdated):
        installation.write_own()
        if outdated:
            boot_files = installation.boot_files
            boot_files.write(boot_files.texts(netfilter, live), boot_files.has_next)
        if written:
            installation.write()
    values = {"changed": bool(written or outdated), "transport": netfilter.variant, "closed_meanwhile": reason is None}
    warnings = netfilter.warnings + ([_OPEN_MEANWHILE % reason] if reason else [])
    return Result(dict(values, written=written + (["/etc/drawbridge/current"] if outdated else [])), warnings)
