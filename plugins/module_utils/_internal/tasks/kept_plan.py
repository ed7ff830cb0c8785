# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plan that is kept: what a run in check mode would do, as a value, and a later run that does exactly this or nothing.

The value has no rules to apply. The later run plans anew, and compares: what it was asked for, what the host holds, what it is to hold, and what
that means in words. It compares again under the host's lock, when nothing is changed yet.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List, Mapping

from ..errors import DrawbridgeError
from ..netfilter.reconcile.fingerprints import Fingerprints, fingerprint, fingerprints
from ..transaction.converge import Planned
from .task import Result, Task

OPTION = "plan_dir"
# What a plan does not depend on.
_NOT_PLANNED = (OPTION, "lock_timeout", "from_variables", "settings_prefix")
_POLICY = "policy"
_MOST_NAMED = 6
_ANEW = "have a new plan made by a run with --check, and review it"
_FIRST = "the plan of the policy is known once they are done: run harden with --tags prerequisites,boot_restore,event_service, then make the plan"

Plan = Dict[str, Any]


class _Examined:
    """What one run planned, seen before it changes anything."""

    def __init__(self) -> None:
        self.host: Fingerprints = {}

    def note(self, change: Planned, diffs: List[object]) -> None:
        self.host = _seen(change, diffs)

    def refuse_others(self, change: Planned, diffs: List[object]) -> None:
        """Raises DrawbridgeError if the run is about to do something else than what was noted."""
        found = _of_host(self.host, _seen(change, diffs))
        if found:
            raise DrawbridgeError("the host changed in this moment, so nothing was changed: %s" % "; ".join(found), None, _ANEW)


def kept(task: Task, job: Callable[[Task], Result]) -> Result:
    """Make a plan in check mode, else keep one → the task's result. Raises DrawbridgeError for a plan that does not hold any more.

    job: what the task does. Its first run here is in check mode in any case.
    """
    examined = _Examined()
    preview = job(task._replace(check_mode=True, shows_diff=True, examine=examined.note))
    if preview.failure is not None:
        raise DrawbridgeError(preview.failure)
    _refuse_earlier_steps(preview.values)
    now = _plan(task.params, preview.values, examined.host)
    if task.check_mode:
        # As text of ASCII: names of any bytes come back from the controller as they were.
        return preview._replace(values=dict(preview.values, plan=json.dumps(now, sort_keys=True)))
    found = _differences(_read(task.params[OPTION]), now)
    if found:
        raise DrawbridgeError("this is not what the plan says, so nothing was changed: %s" % "; ".join(found), None, _ANEW)
    return job(task._replace(examine=examined.refuse_others))


def _refuse_earlier_steps(values: Mapping[str, Any]) -> None:
    steps = [step for step, told in values.get("steps", {}).items() if step != _POLICY and told.get("changed")]
    if steps:
        raise DrawbridgeError("no plan can be kept yet, since this host needs %s before its policy" % ", ".join(steps), OPTION, _FIRST)


def _plan(params: Mapping[str, Any], values: Mapping[str, Any], host: Fingerprints) -> Plan:
    """Return the plan as JSON values. changed, changes, diff, restart_required: as the task returns them."""
    diff = values["diff"]
    told: Plan = json.loads(json.dumps({
        "changed": values["changed"],
        "changes": values.get("changes", []),
        "diff": diff if isinstance(diff, list) else [diff],
        "host": host,
        "options": _options(params),
        "restart_required": values["restart_required"],
    }))
    return told


def _options(params: Mapping[str, Any]) -> Dict[str, str]:
    """Return a fingerprint of each option that is given, and of each fragment."""
    found = {name: value for name, value in params.items() if name not in _NOT_PLANNED and value is not None}
    if params.get("state") == "absent":
        # Nobody reads a policy then, nor gathers fragments.
        found = {name: value for name, value in found.items() if name not in ("policy", "fragments", "profile")}
    if "policy" in found:
        found["policy"] = json.loads(found["policy"])
    if "fragments" in found:
        told = json.loads(found.pop("fragments"))
        found.update({"fragment %s" % name: raw for name, raw in told["fragments"].items()}, profile=told["profile"])
    return {name: fingerprint([json.dumps(value, sort_keys=True)]) for name, value in found.items()}


def _seen(change: Planned, diffs: List[object]) -> Fingerprints:
    found = fingerprints(change.plan, change.live.sets)
    for number, diff in enumerate(diffs):
        found["%s (part %d of the policy)" % (_header(diff), number + 1)] = ["", fingerprint([json.dumps(diff, sort_keys=True)])]
    return found


def _header(diff: object) -> str:
    return str(diff.get("after_header") or "a setting") if isinstance(diff, Mapping) else "a setting"


def _read(text: str) -> Plan:
    """Return the plan that the controller sent. Raises DrawbridgeError for what is none."""
    try:
        plan = json.loads(text)
    except ValueError:
        plan = None
    if not isinstance(plan, dict) or not isinstance(plan.get("host"), dict) or not isinstance(plan.get("options"), dict):
        raise DrawbridgeError("not a plan", OPTION, _ANEW)
    return plan


def _differences(then: Plan, now: Plan) -> List[str]:
    """Return what is not as it was planned, in words. A host that needs no change any more only has to be asked for the same."""
    if then == now:
        return []
    found = _listed("asked for is another", _changed(then["options"], now["options"]))
    if now["restart_required"] and not then.get("restart_required"):
        found.append("the engine has to be restarted now (restart_required), which is not in the plan")
    if not now["changed"]:
        return found
    changes = [[_said(change) for change in plan.get("changes", [])] for plan in (then, now)]
    found += _listed("would change now, but is not in the plan", [said for said in changes[1] if said not in changes[0]])
    found += _listed("is in the plan, but would not change now", [said for said in changes[0] if said not in changes[1]])
    found += _of_host(then["host"], now["host"])
    return found or ["other words for what changes (the plan's keys %s)" % ", ".join(sorted(_changed(then, now)))]


def _of_host(then: Mapping[str, Any], now: Mapping[str, Any]) -> List[str]:
    """Return which parts of the host differ from what was planned: what they hold first, then what they are to hold."""
    names = _changed(then, now)
    held = [name for name in names if _side(then, name, 0) != _side(now, name, 0)]
    return _listed("is not as it was", held) + _listed("is to become something else", [name for name in names if name not in held])


def _side(of: Mapping[str, Any], name: str, side: int) -> object:
    told = of.get(name)
    return told[side] if isinstance(told, list) and len(told) == 2 else ""


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> List[str]:
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _said(change: object) -> str:
    """Return a change in words, as ``port 80/tcp ('web'): nobody, then anybody``."""
    if not isinstance(change, Mapping):
        return "?"
    of = ["'%s'" % name for name in change.get("containers", [])]
    ends = ["nothing" if end is None else end for end in (change.get("before"), change.get("after"))]
    return "%s%s: %s, then %s" % (change.get("what"), " (%s)" % ", ".join(of) if of else "", *ends)


def _listed(what: str, names: Iterable[str]) -> List[str]:
    """Return no text, or one that names the first few. Names may come from containers: they are spelt in ASCII, on one line."""
    named = [ascii(name)[1:-1] for name in names]
    more = ["and %d more" % (len(named) - _MOST_NAMED)] if len(named) > _MOST_NAMED else []
    return ["%s: %s" % (what, ", ".join(named[:_MOST_NAMED] + more))] if named else []
