# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What came of each host of a play: read from the variables that its tasks left.

Nearly all of it was told by hosts. So types are looked at, and nothing is assumed.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

CHANGED = "changed"
WOULD_CHANGE = "would change"
UNCHANGED = "unchanged"
FAILED = "failed"
UNREACHABLE = "unreachable"
NOT_REACHED = "not reached"
# In the order of the totals.
RESULTS = (CHANGED, WOULD_CHANGE, UNCHANGED, FAILED, UNREACHABLE, NOT_REACHED)

# Numbers and truths of the outcome that the report repeats.
_KEPT = ("rules", "sets", "connections_closed", "seconds", "confirm_seconds", "restart_required")
_LOST = "The host was lost, in this play or in one before it."


class Change(NamedTuple):
    """What changed for whom. of: the containers that publish the port. before, after: None if nothing was said about it then."""

    what: str
    of: Tuple[str, ...]
    before: Optional[str]
    after: Optional[str]


class Host(NamedTuple):
    """message: why the host failed or was not reached. facts: the outcome's figures. changes: empty too if no words say what changed."""

    name: str
    result: str
    message: str = ""
    changes: Tuple[Change, ...] = ()
    facts: Mapping[str, object] = {}


class Play(NamedTuple):
    """hosts: all of the play, in order. alive: those that Ansible goes on with. batch: those that this batch began with."""

    hosts: Sequence[str]
    alive: AbstractSet[str]
    batch: AbstractSet[str]
    check_mode: bool


def batch_of(hosts: Sequence[str], sizes: Sequence[int], name: str) -> Sequence[str]:
    """Return the batch that a host is in. sizes: of the batches. The last one is that of all further batches, and 0 or less is the rest."""
    start, number = 0, 0
    while start < len(hosts):
        size = sizes[min(number, len(sizes) - 1)] if sizes else 0
        batch = hosts[start:start + size] if size > 0 else hosts[start:]
        if name in batch:
            return batch
        start, number = start + len(batch), number + 1
    return hosts


class Left(NamedTuple):
    """What a host's tasks left. outcome: the policy's result. failure, failed_task: of the task that failed, of whichever play."""

    outcome: object
    failure: object
    failed_task: object


def read(play: Play, left: Callable[[str], Left], tasks: AbstractSet[str]) -> List[Host]:
    """Return what came of every host. tasks: the names of the play's tasks. A failure of any other task belongs to an earlier play."""
    return [_host(play, name, left(name), tasks) for name in play.hosts]


def _host(play: Play, name: str, left: Left, tasks: AbstractSet[str]) -> Host:
    outcome = left.outcome if isinstance(left.outcome, Mapping) and not left.outcome.get("skipped") else {}
    failure = left.failure if isinstance(left.failure, Mapping) and _task_name(left.failed_task) in tasks else {}
    if outcome.get("unreachable"):
        return Host(name, UNREACHABLE, _message(outcome))
    if outcome.get("failed"):
        return Host(name, FAILED, _message(outcome), facts=_facts(outcome))
    if failure:
        return Host(name, FAILED, "%s: %s" % (_task_name(left.failed_task), _message(failure)))
    if name not in play.alive:
        return Host(name, UNREACHABLE, _LOST)
    if not outcome:
        return Host(name, NOT_REACHED, "The policy was not applied." if name in play.batch else "")
    return Host(name, _success(play, outcome), changes=tuple(_changes(outcome.get("changes"))), facts=_facts(outcome))


def _success(play: Play, outcome: Mapping[str, object]) -> str:
    if not outcome.get("changed"):
        return UNCHANGED
    return WOULD_CHANGE if play.check_mode else CHANGED


def _task_name(task: object) -> str:
    return str(task.get("name")) if isinstance(task, Mapping) else ""


def _message(result: Mapping[str, object]) -> str:
    return str(result.get("msg") or "no message").strip()


def _facts(outcome: Mapping[str, object]) -> Dict[str, object]:
    return {key: outcome[key] for key in _KEPT if isinstance(outcome.get(key), (int, float))}


def _changes(told: object) -> List[Change]:
    listed = told if isinstance(told, (list, tuple)) else ()
    return [
        Change(str(each.get("what")), _names(each.get("containers")), _text(each.get("before")), _text(each.get("after")))
        for each in listed if isinstance(each, Mapping)
    ]


def _names(told: object) -> Tuple[str, ...]:
    return tuple(str(name) for name in told) if isinstance(told, (list, tuple)) else ()


def _text(told: object) -> Optional[str]:
    return None if told is None else str(told)


def overall(hosts: Sequence[Host]) -> str:
    """Return one result for all hosts: failed if any is lost or was not reached, else what any of them has."""
    found = {host.result for host in hosts}
    if found & {FAILED, UNREACHABLE, NOT_REACHED}:
        return FAILED
    return next((result for result in (CHANGED, WOULD_CHANGE) if result in found), UNCHANGED)


def totals(hosts: Sequence[Host]) -> Dict[str, int]:
    """Return how many hosts have each result, without those that none has."""
    counted = {result: sum(host.result == result for host in hosts) for result in RESULTS}
    return {result: count for result, count in counted.items() if count}
