# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Cut containers off, or lift that, from the arguments of the module quarantine: for its task, and for the event service."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence

from ..address import quoted
from ..engine.api.client import Inspector
from ..engine.containers.capabilities import privileges
from ..engine.containers.select import every_container, nothing_matches, select
from ..engine.containers.target import ContainerGone, Target, by_namespace, held, refuse_host_network
from ..errors import DrawbridgeError
from ..host.network.ssh import controlling_connection
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.desired import DesiredState
from ..persistence.records.quarantine_notes import SELECTORS, Note, Notes, now, quarantine_memory, who_asks
from ..persistence.records.service_status import RUNNING, event_service
from ..persistence.records.task_records import TaskRecords, selector_of
from ..policy.chains.quarantine import cut_off, not_cut_off
from ..transaction.namespaces import NamespaceResult, converge_inside
from .container_results import is_addressable, visited
from .quarantine_host import PortsChange, addresses, end_connections, keep_ports, network_count, ports_into
from .task import Result, Task

_OPEN = "reaches others and is reached, as its networks and the rules of the host let it"
_CUT = "cut off: nothing comes in and nothing goes out, neighbours on its networks included"


class _Asked(NamedTuple):
    """What one run brings about. targets: those to cut off or to lift. sharers: containers that were not chosen and share their namespaces.
    settle: called under the lock once everything is in place; returns whether the host's notes changed."""

    targets: List[Target]
    sharers: List[Target]
    settle: Callable[[], bool]


def put_quarantine(task: Task, engine: Callable[[str], Inspector], memory: TaskRecords) -> Result:
    """Cut off what the arguments choose, and leave the notes alone: for the event service."""
    targets = select(selector_of(task.params), task.system, lambda: engine(task.params["docker_host"]))
    return _bring(task, _Asked(targets, [], lambda: memory.settle(targets)), memory)


class _Run(NamedTuple):
    """One run of the module. selector: the given options that choose containers. noted: the note of this quarantine, None if there is none.
    everyone: all containers of the engine."""

    task: Task
    inspector: Inspector
    notes: Notes
    selector: Dict[str, str]
    noted: Optional[Note]
    targets: List[Target]
    everyone: List[Target]
    memory: TaskRecords

    @property
    def writes(self) -> bool:
        return not self.task.check_mode


def keep_quarantine(task: Task, engine: Callable[[str], Inspector]) -> Result:
    """Bring containers to the task's state, and note who asked for it, when and why. engine: returns the client for an address."""
    params = task.params
    if params["state"] == "present" and not params["reason"].strip():
        raise DrawbridgeError("a quarantine has a reason", "reason", "say why, for those who find it")
    inspector = engine(params["docker_host"])
    notes = Notes()
    targets = select(selector_of(params), task.system, lambda: inspector)
    selector = _whole_selector(params, targets, notes)
    noted = notes.find(selector)
    if not targets and params["on_missing"] == "fail" and (params["state"] == "present" or noted is None):
        raise nothing_matches()
    everyone = every_container(task.system, inspector) if targets else []
    memory = quarantine_memory(dict(params, **selector, by=None), not task.check_mode)
    run = _Run(task, inspector, notes, selector, noted, targets, everyone, memory)
    return _cut(run) if params["state"] == "present" else _lift(run)


def _cut(run: _Run) -> Result:
    task, targets = run.task, run.targets
    refuse_host_network(targets)
    sharers = _sharers(targets, run.everyone)
    _refuse_own_way(task, [*targets, *sharers])
    note = _new_note(run)

    def settle() -> bool:
        if run.writes and note != run.noted:
            run.notes.put(note)
        return run.memory.settle(targets) or note != run.noted

    done = _bring(task, _Asked(targets, sharers, settle), run.memory)
    holds = run.memory.lasts and event_service(task.system) == RUNNING
    return done._replace(values=_told(done.values, note, sharers, holds), warnings=done.warnings + _limits(task, targets, sharers, done, holds))


def _lift(run: _Run) -> Result:
    """Lift what no other quarantine chooses. Raises DrawbridgeError if nothing is this quarantine's."""
    held_by = _held_by_others(run)
    stay = [target for target in run.targets if target.id in held_by]
    left = [target for target in run.targets if target.id not in held_by]
    if stay and not left and run.noted is None:
        raise _stays(stay, held_by)

    def settle() -> bool:
        if run.writes and run.noted is not None:
            run.notes.remove(run.selector)
        return run.memory.settle(left) or run.noted is not None

    done = _bring(run.task, _Asked(left, _sharers(left, run.everyone), settle), run.memory)
    warnings = [str(_stays(stay, held_by))] if stay else []
    return done._replace(values=_told(done.values, run.noted, [], None), warnings=done.warnings + warnings)


def _whole_selector(params: Dict[str, Any], targets: Sequence[Target], notes: Notes) -> Dict[str, str]:
    """Return the selector with the whole id: a beginning may fit another container tomorrow, or none once this one is removed."""
    given = {key: str(params[key]) for key in SELECTORS if params[key] is not None}
    if "id" in given:
        ids = {target.id for target in targets} or {note.selector.get("id", "") for note in notes.all() if set(note.selector) == set(given)}
        fitting = [identity for identity in ids if identity.startswith(given["id"])]
        given["id"] = fitting[0] if len(fitting) == 1 else given["id"]
    return given


def _held_by_others(run: _Run) -> Dict[str, Note]:
    """Return another quarantine's note by the id of each target that it holds, itself or by a namespace that it shares."""
    found: Dict[str, Note] = {}
    for note in run.notes.all():
        if note.selector == run.selector:
            continue
        theirs = select(selector_of(dict(note.selector)), run.task.system, lambda: run.inspector)
        ids, inodes = {target.id for target in theirs}, {target.inode for target in theirs if target.inode is not None}
        found.update((target.id, note) for target in run.targets if target.id in ids or target.inode in inodes)
    return found


def _stays(targets: Sequence[Target], held_by: Dict[str, Note]) -> DrawbridgeError:
    notes = [held_by[target.id] for target in targets]
    holding = dict.fromkeys("%s, by %s" % (_spoken(note.selector), quoted(note.by)) for note in notes)
    words = "%s stays cut off by another quarantine (%s)" % (_names(targets), "; ".join(holding))
    return DrawbridgeError(words, None, "lift that one, too, by the same words")


def _spoken(selector: Dict[str, str]) -> str:
    return ", ".join("%s %s" % (key, quoted(value)) for key, value in sorted(selector.items()))


def _names(targets: Sequence[Target]) -> str:
    return ", ".join(quoted(target.name or target.id) for target in targets)


def _sharers(targets: Sequence[Target], everyone: Sequence[Target]) -> List[Target]:
    """Return the containers that were not chosen and are in the same namespaces."""
    ids, inodes = {target.id for target in targets}, {target.inode for target in targets if target.reason is None}
    return [other for other in everyone if other.id not in ids and other.reason is None and other.inode in inodes]


def _refuse_own_way(task: Task, cut: Sequence[Target]) -> None:
    connection = controlling_connection(task.system)
    if connection is not None and connection.remote_address in addresses(cut):
        raise DrawbridgeError(
            "the SSH connection that this task came in by is one of %s: it would end, and nobody could lift this" % _names(cut),
            None,
            "come in by another way",
        )


def _new_note(run: _Run) -> Note:
    """Return the note. One that says the same reason stays as it is, whoever runs the task again."""
    reason, noted = run.task.params["reason"], run.noted
    if noted is not None and noted.reason == reason:
        return noted
    return Note(run.selector, reason, run.task.params["by"] or who_asks(run.task.system), noted.since if noted is not None else now())


def _bring(task: Task, asked: _Asked, memory: TaskRecords) -> Result:
    """Write rules into the namespaces, then close ports, then end connections, all under the lock."""
    is_cut, writes = task.params["state"] == "present", not task.check_mode
    groups = by_namespace(asked.targets)
    entered = [group for group in groups if is_addressable(group)]
    ports: Dict[str, List[str]] = {}
    changes: List[PortsChange] = []
    recorded: List[bool] = []
    ended: List[int] = [0]
    warnings: List[str] = []

    def state(_netfilter: Netfilter) -> DesiredState:
        memory.begin()
        return cut_off() if is_cut else not_cut_off()

    @contextmanager
    def opened(target: Target) -> Iterator[int]:
        with held(task.system, target) as fd:
            ports[target.id] = ports_into(fd)
            yield fd

    def finished(visits: List[NamespaceResult]) -> None:
        changes.append(keep_ports(task.system, [port for found in ports.values() for port in found], is_cut, writes))
        is_whole = all(visit.error is None or isinstance(visit.error, ContainerGone) for visit in visits)
        # What could not be cut off is tried again by the event service. What could not be lifted is still asked for.
        if is_cut or is_whole:
            recorded.append(asked.settle())
        is_new = changes[0].is_change or any(visit.plan is not None and visit.plan.is_change for visit in visits)
        if is_cut and writes and is_new:
            ended[0], told = end_connections(task.system, [group[0] for group in entered], addresses([*asked.targets, *asked.sharers]))
            warnings.extend(told)

    inside = converge_inside(task.system, task.settings(), state, [group[0] for group in entered], opened, finished)
    done = visited(groups, inside)
    change = changes[0]
    containers = [_entry(entry, groups, ports, change, is_cut) for entry in _entries(done.values)]
    values = dict(
        done.values,
        changed=done.values["changed"] or change.is_change or any(recorded),
        containers=containers,
        recorded=memory.lasts,
        connections_closed=ended[0],
    )
    if change.refused and is_cut and entered:
        warnings.append("bridge ports are not closed, rules in the containers' namespaces alone cut them off: %s" % change.refused)
    result = Result(values, done.warnings + warnings, done.failure).with_diffs(change.as_diff())
    return result.explained(_words(containers, task.params, is_cut))


def _entries(values: Dict[str, object]) -> List[Dict[str, object]]:
    listed = values["containers"]
    return [dict(entry) for entry in listed] if isinstance(listed, list) else []


def _entry(entry: Dict[str, object], groups: Sequence[Sequence[Target]], ports: Dict[str, List[str]], change: PortsChange, is_cut: bool) -> Dict[str, object]:
    """Return a container's result with what cuts it off now."""
    (first,) = [group[0].id for group in groups if any(target.id == entry["id"] for target in group)]
    mine = ports.get(first, [])
    closed = sorted(change.after.intersection(mine))
    inside = is_cut and entry["state"] == "running" and entry["reason"] is None
    return dict(
        entry,
        changed=bool(entry["changed"]) or bool((change.before ^ change.after).intersection(mine)),
        cut_off_by=(["namespace"] if inside else []) + (["ports"] if closed else []),
        ports=closed,
    )


def _words(containers: Sequence[Dict[str, object]], params: Dict[str, Any], is_cut: bool) -> Optional[Dict[str, str]]:
    """Return Ansible's diff in words; None if no container changes."""
    names = [quoted(entry["name"] or entry["id"]) for entry in containers if entry["changed"]]
    if not names:
        return None
    cut = _CUT + ("; reason: %s" % quoted(params["reason"]) if is_cut else "")
    sides = ["".join("%s: %s\n" % (name, text) for name in names) for text in ((_OPEN, cut) if is_cut else (cut, _OPEN))]
    return {"before_header": "in words", "after_header": "in words", "before": sides[0], "after": sides[1]}


def _told(values: Dict[str, Any], note: Optional[Note], sharers: Sequence[Target], holds: Optional[bool]) -> Dict[str, Any]:
    """Return the module's values. holds: whether it lasts over restarts, None for what is lifted."""
    return dict(
        values,
        quarantine=None if note is None else note._asdict(),
        also_cut_off=[target.name or target.id for target in sharers],
        holds=None if holds is None else "over_restarts" if holds else "until_restart",
    )


def _has_net_admin(task: Task, target: Target) -> bool:
    held_now = privileges(target.details, task.system.read("/proc/%d/status" % target.pid), False)
    return bool(held_now.privileged or held_now.net_admin)


def _limits(task: Task, targets: Sequence[Target], sharers: Sequence[Target], done: Result, holds: bool) -> List[str]:
    """Return warnings: who is cut off besides, and what the quarantine does not hold against."""
    warnings = []
    if sharers:
        warnings.append("%s cut off as well: the network namespace is shared" % _names(sharers))
    if not holds:
        warnings.append(
            "this holds until a container restarts: it then has another namespace and other ports. Set up event_service, then run this again"
        )
    able = [target for target in [*targets, *sharers] if target.reason is None and _has_net_admin(task, target)]
    if able:
        warnings.append(
            "%s: processes with NET_ADMIN can remove the rules inside. What the host drops at the ports holds. The engine's resolver would answer them"
            " again, and data can leave in the names that it asks for" % _names(able)
        )
    closed = {str(entry["id"]): entry["ports"] for entry in _entries(done.values)}
    for group in by_namespace(targets):
        of_all = [*group, *(other for other in sharers if other.inode == group[0].inode)]
        count, found = network_count(of_all), closed.get(group[0].id)
        if is_addressable(group) and isinstance(found, list) and len(found) < count:
            warnings.append(
                "%s: %d of %d networks have no port of a bridge that is closed here, as macvlan, ipvlan and overlay networks: there, rules in its own"
                " namespace cut it off, which its processes remove with NET_ADMIN and pass by with NET_RAW" % (_names(group), count - len(found), count)
            )
    return warnings
