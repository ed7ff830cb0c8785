# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of fleet_summary, which runs nothing on hosts: it tells what came of every host of the play."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set

from ansible.utils.helpers import pct_to_int
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.hosts import (
    FAILED,
    NOT_REACHED,
    UNREACHABLE,
    Host,
    Left,
    Play,
    batch_of,
    read,
    totals,
)
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.report import report, write
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.table import in_between, table
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction, show

_OUTCOME = "host_policy_outcome"
# Strategies that do not know run_once: the task runs for each host.
_WITHOUT_RUN_ONCE = ("free", "host_pinned")


class ActionModule(ReturningAction):
    """Reads all hosts' variables as they are: a host's words are never rendered as a template."""

    def act(self, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        _validated, arguments = self.validate_argument_spec({
            "outcome": {"type": "str", "default": _OUTCOME},
            "report": {"type": "path"},
        })
        play = self._told_play(task_vars)
        hosts = read(play, _reader(task_vars, arguments["outcome"]), self._tasks_of_play())
        is_end = _is_end(hosts, play, self._outermost()._play.max_fail_percentage)
        lines = self._lines(hosts, play, is_end, task_vars["inventory_hostname"])
        show(lines)
        result: Dict[str, Any] = {"changed": False, "finished": is_end, "totals": totals(hosts), "lines": lines}
        return dict(result, **_written(arguments["report"], report(hosts, play.check_mode, is_end)))

    def _told_play(self, task_vars: Mapping[str, Any]) -> Play:
        hosts: List[str] = task_vars["ansible_play_hosts_all"]
        sizes = [pct_to_int(size, len(hosts)) for size in getattr(self._outermost()._play, "serial", None) or ()]
        batch = batch_of(hosts, sizes, task_vars["inventory_hostname"])
        return Play(hosts, set(task_vars["ansible_play_hosts"]), set(batch), bool(self._task.check_mode))

    def _lines(self, hosts: Sequence[Host], play: Play, is_end: bool, own: str) -> List[str]:
        if str(self._outermost()._play.strategy).rpartition(".")[2] in _WITHOUT_RUN_ONCE:
            return table([host for host in hosts if host.name == own])
        if is_end:
            return table(hosts)
        return in_between([host for host in hosts if host.name in play.batch], sum(host.result == NOT_REACHED for host in hosts))

    def _tasks_of_play(self) -> Set[str]:
        """Return the names of the tasks around this one."""
        return {str(task.name) for task in self._outermost().get_tasks()}

    def _outermost(self) -> Any:
        block = self._task._parent
        while getattr(block, "_parent", None) is not None:
            block = block._parent
        return block


def _reader(task_vars: Mapping[str, Any], outcome: str) -> Callable[[str], Left]:
    def left(name: str) -> Left:
        # Not hostvars[name], which renders templates in ansible-core 2.18.
        found = task_vars["hostvars"].raw_get(name)
        return Left(found.get(outcome), found.get("ansible_failed_result"), found.get("ansible_failed_task"))

    return left


def _is_end(hosts: Sequence[Host], play: Play, borne: Optional[float]) -> bool:
    """Whether Ansible begins no further hosts: there are none, or too many of this batch failed. borne: the percentage of a batch that may fail."""
    if not any(host.result == NOT_REACHED for host in hosts if host.name not in play.batch):
        return True
    results = [host.result for host in hosts if host.name in play.batch]
    all_lost = all(result in (FAILED, UNREACHABLE) for result in results)
    return all_lost or (borne is not None and results.count(FAILED) * 100 > borne * len(results))


def _written(path: Optional[str], content: Dict[str, object]) -> Dict[str, Any]:
    """Write the report. That it cannot be written stops no hosts."""
    if not path:
        return {}
    absolute = os.path.abspath(path)
    try:
        write(absolute, content)
    except OSError as error:
        return {"warnings": ["report: cannot write %s: %s" % (absolute, error.strerror)]}
    return {"report": absolute}
