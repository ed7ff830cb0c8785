# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The summary of a play as lines of text. Pure.

A few hosts have a line each. Many hosts are grouped: what changed on how many of them, and what failed on which.
"""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import quoted
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.hosts import (
    CHANGED,
    FAILED,
    RESULTS,
    UNREACHABLE,
    WOULD_CHANGE,
    Change,
    Host,
    totals,
)
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.texts import abbreviated, first_line, how_many, printable

# More hosts are grouped.
MOST_SINGLE = 12
# More changes of one host, more groups, are counted.
_MOST_CHANGES = 12
_MOST_GROUPS = 30
_WIDEST_NAME = 40
_WIDEST_CHANGE = 90
_LOST = (FAILED, UNREACHABLE)
_DONE = (CHANGED, WOULD_CHANGE)
_RESTART = "the engine has to be restarted for the rest (restart_required)"
_NO_WORDS = "rules, sets or settings only: --diff shows them"


def table(hosts: Sequence[Host]) -> List[str]:
    """Return the summary of a whole play."""
    return [*(_each(hosts) if len(hosts) <= MOST_SINGLE else _grouped(hosts)), "", _sum(hosts)]


def in_between(hosts: Sequence[Host], to_go: int) -> List[str]:
    """Return the summary of one batch of a play that goes on. hosts: the batch's. to_go: how many hosts have not begun."""
    return [*_of_lost(hosts), "%s; %d to go" % (_sum(hosts), to_go)]


def _sum(hosts: Sequence[Host]) -> str:
    return "%s: %s" % (how_many(len(hosts)), ", ".join("%d %s" % (count, result) for result, count in totals(hosts).items()))


def _each(hosts: Sequence[Host]) -> List[str]:
    name = min(max([len(printable(host.name)) for host in hosts], default=0), _WIDEST_NAME)
    result = max([len(host.result) for host in hosts], default=0)
    lines: List[str] = []
    for host in hosts:
        said = _said(host)
        lines.append(("%-*s  %-*s  %s" % (name, printable(host.name), result, host.result, said[0] if said else "")).rstrip())
        lines += [" " * (name + result + 4) + more for more in said[1:]]
    return lines


def _said(host: Host) -> List[str]:
    """Return what there is to say about one host."""
    if host.result not in _DONE:
        return [first_line(host.message)] if host.message else []
    shown = [change_text(change) for change in host.changes[:_MOST_CHANGES]]
    if len(host.changes) > _MOST_CHANGES:
        shown.append("and %d more" % (len(host.changes) - _MOST_CHANGES))
    return (shown or [_NO_WORDS]) + _beside(host)


def change_text(change: Change) -> str:
    """``port 8080/tcp ('api'): anybody → @office``"""
    of = " (%s)" % ", ".join(map(quoted, change.of)) if change.of else ""
    return _printed(change.what + of, change)


def _printed(what: str, change: Change) -> str:
    """What a moment says nothing about has only the other one."""
    ends = [end for end in (change.before, change.after) if end is not None]
    if len(ends) == 1:
        ends = ["no more %s" % ends[0] if change.after is None else "now %s" % ends[0]]
    return first_line("%s: %s" % (what, " → ".join(ends)))


def _beside(host: Host) -> List[str]:
    return _of_connections([host]) + ([_RESTART] if host.facts.get("restart_required") else [])


def _of_connections(hosts: Sequence[Host]) -> List[str]:
    ended = [host.facts.get("connections_closed") for host in hosts]
    count = sum(int(each) for each in ended if isinstance(each, (int, float)))
    return ["%s %s" % (how_many(count, "open connection"), "to be cut" if hosts[0].result == WOULD_CHANGE else "cut")] if count else []


def _grouped(hosts: Sequence[Host]) -> List[str]:
    lines: List[str] = []
    for result in RESULTS:
        having = [host for host in hosts if host.result == result]
        if having and result not in _LOST:
            lines.append("%s: %s" % (result, _which(having)))
            lines += _of_changed(having) if result in _DONE else []
    return lines + _of_lost(hosts)


def _which(hosts: Sequence[Host]) -> str:
    names = abbreviated([host.name for host in hosts])
    return names if len(hosts) < 3 else "%s, %s" % (how_many(len(hosts)), names)


def _of_changed(hosts: Sequence[Host]) -> List[str]:
    """Return a line for each change, those of most hosts first. Containers are left out: their names differ by host."""
    groups: Dict[str, List[Host]] = {}
    for host in hosts:
        texts = [_printed(change.what, change) for change in host.changes] or [_NO_WORDS]
        for text in dict.fromkeys(texts + ([_RESTART] if host.facts.get("restart_required") else [])):
            groups.setdefault(text, []).append(host)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    width = min(max(len(text) for text, _having in ordered[:_MOST_GROUPS]), _WIDEST_CHANGE)
    lines = ["  %-*s  on %s" % (width, text, _of_all(having, hosts)) for text, having in ordered]
    return _cut(lines, "  and %d more changes on fewer hosts; the report has them") + ["  " + line for line in _of_connections(hosts)]


def _of_all(having: Sequence[Host], hosts: Sequence[Host]) -> str:
    """Name the hosts that have something, or those that have it not, if these are few."""
    if len(having) == len(hosts):
        return "all %d" % len(hosts)
    names = {host.name for host in having}
    others = [host.name for host in hosts if host.name not in names]
    return "%d, all but %s" % (len(having), abbreviated(others)) if len(others) < 3 < len(having) else _which(having)


def _of_lost(hosts: Sequence[Host]) -> List[str]:
    """Return the lines about hosts that failed or were not reached: what each message is about, then the message."""
    groups: Dict[Tuple[str, str], List[Host]] = {}
    for host in hosts:
        if host.result in _LOST:
            groups.setdefault((host.result, first_line(host.message)), []).append(host)
    ordered = sorted(groups.items(), key=lambda group: (RESULTS.index(group[0][0]), -len(group[1])))
    lines = ["%s: %s: %s" % (result, _which(having), message) for (result, message), having in ordered]
    return _cut(lines, "and %d more messages; the report has them")


def _cut(lines: Sequence[str], more: str) -> List[str]:
    left = len(lines) - _MOST_GROUPS
    return [*lines[:_MOST_GROUPS], *([more % left] if left > 0 else [])]
