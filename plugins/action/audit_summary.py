# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of audit_summary, which runs nothing on hosts: it tells what the audit of every host of the play found."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, List, Mapping, Sequence

from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.hosts import AUDITED, SEVERITIES, Host, read, report, totals
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.page import page
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.table import table
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.report import write_text
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.texts import how_many
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction, show

_OUTCOME = "firewall_audit_outcome"
_NEVER = "never"


class ActionModule(ReturningAction):
    """Reads all hosts' variables as they are: a host's words are never rendered as a template."""

    def act(self, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        _validated, arguments = self.validate_argument_spec({
            "outcome": {"type": "str", "default": _OUTCOME},
            "report": {"type": "path"},
            "page": {"type": "path"},
            "fail_on": {"type": "str", "choices": [_NEVER, *SEVERITIES], "default": _NEVER},
        })
        hosts = read(task_vars["ansible_play_hosts_all"], set(task_vars["ansible_play_hosts"]), _reader(task_vars, arguments["outcome"]))
        lines = table(hosts)
        is_printed = show(lines)
        result: Dict[str, Any] = {"changed": False, "totals": totals(hosts)}
        reasons: List[str] = []
        for name, make in (("report", lambda: json.dumps(report(hosts), indent=1, ensure_ascii=True) + "\n"), ("page", lambda: page(hosts))):
            if arguments[name]:
                result[name] = os.path.abspath(arguments[name])
                reasons += _written(name, result[name], make)
        reasons += _reasons(hosts, arguments["fail_on"])
        # Ansible prints all that a failed task returns: the lines would stand there twice.
        told = {} if reasons and is_printed else {"lines": lines}
        return dict(result, failed=True, msg="; ".join(reasons), **told) if reasons else dict(result, **told)


def _reader(task_vars: Mapping[str, Any], outcome: str) -> Callable[[str], object]:
    # Not hostvars[name], which renders templates in ansible-core 2.18.
    return lambda name: task_vars["hostvars"].raw_get(name).get(outcome)


def _written(name: str, path: str, make: Callable[[], str]) -> List[str]:
    try:
        write_text(path, make())
    except OSError as error:
        return ["%s: cannot write %s: %s" % (name, path, error.strerror)]
    return []


def _reasons(hosts: Sequence[Host], fail_on: str) -> List[str]:
    """Return why the task fails: hosts that were not audited, and findings that are severe enough."""
    lost = sum(host.result != AUDITED for host in hosts)
    reasons = ["%s not audited" % how_many(lost)] if lost else []
    if fail_on != _NEVER:
        counted = totals(hosts)
        severe = [(severity, counted[severity]) for severity in SEVERITIES[:SEVERITIES.index(fail_on) + 1] if counted[severity]]
        reasons += ["findings: %s" % ", ".join("%d %s" % (count, severity) for severity, count in severe)] if severe else []
    return reasons
