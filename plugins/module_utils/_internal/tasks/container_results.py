# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The result of a task on many containers: an entry for each, and the errors. Pure."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence

from ..address import quoted
from ..engine.containers.target import ContainerGone, Target
from ..netfilter.kernel.iptables import LEGACY, NFT
from ..netfilter.reconcile.diff import before_and_after
from ..transaction.namespaces import Inside, NamespaceResult

Group = Sequence[Target]
_SHOWN = 5


class ContainerResults(NamedTuple):
    """values: ``changed``, ``containers``, ``transport`` and ``diff``. failure: why the task failed in some containers, or None."""

    values: Dict[str, object]
    warnings: List[str]
    failure: Optional[str]


def visited(groups: Sequence[Group], inside: Inside) -> ContainerResults:
    """Return the result. groups: targets by namespace. inside: visits of those that can be entered, in the same order."""
    visits = iter(inside.visits)
    containers: List[Dict[str, object]] = []
    diffs: List[Dict[str, str]] = []
    others: List[str] = []
    failed: List[str] = []
    warnings = list(inside.warnings)
    for group in groups:
        visit = next(visits) if is_addressable(group) else None
        containers.extend(_entry(target, group, visit) for target in group)
        if visit is None:
            continue
        if visit.plan is not None:
            warnings.extend(visit.plan.warnings)
            if visit.plan.is_change:
                diffs.append(_diff(group, visit))
        elif not isinstance(visit.error, ContainerGone):
            failed.append("%s: %s" % (_names(group), visit.error))
        if visit.others:
            others.append(_names(group))
    if others:
        unused = LEGACY if inside.transport == NFT else NFT
        warnings.append("rules of iptables-%s are in force too, and stay, in %s" % (unused, _few(others)))
    values = {
        "changed": bool(diffs),
        "containers": sorted(containers, key=lambda entry: (entry["name"], entry["id"])),
        "transport": inside.transport,
        "diff": diffs,
    }
    failure = "%d of %d failed: %s" % (len(failed), len(groups), _few(failed)) if failed else None
    return ContainerResults(values, list(dict.fromkeys(warnings)), failure)


def is_addressable(group: Group) -> bool:
    """Whether rules can be put into the namespace that these targets share."""
    return group[0].reason is None


def _entry(target: Target, group: Group, visit: Optional[NamespaceResult]) -> Dict[str, object]:
    state, reason = target.state, target.reason
    if visit is not None and visit.error is not None:
        state = "exited" if isinstance(visit.error, ContainerGone) else "failed"
        reason = str(visit.error)
    return {
        "name": target.name,
        "id": target.id,
        "pid": target.pid,
        "state": state,
        "reason": reason,
        "namespace": target.inode,
        "shared_with": [other.name or other.id for other in group if other is not target],
        "changed": visit is not None and visit.plan is not None and visit.plan.is_change,
    }


def _diff(group: Group, visit: NamespaceResult) -> Dict[str, str]:
    shown = {} if visit.plan is None else before_and_after(visit.plan)
    return dict(shown, before_header=_names(group), after_header=_names(group))


def _names(group: Group) -> str:
    return _few([quoted(target.name or target.path)[1:-1] for target in group])


def _few(texts: List[str]) -> str:
    rest = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (" and %d more" % rest if rest > 0 else "")
