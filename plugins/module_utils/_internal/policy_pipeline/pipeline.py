# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Apply a host's whole policy from the arguments of host_policy, in one transaction.

The order of the steps keeps the host safe:

1. Nothing is changed until everything is checked. The arguments are read, parts check themselves, and rules inside containers are rehearsed
   in their namespaces. Then the lock is taken, the engine is asked, rules are compiled, and the task's own SSH connection is judged. The kernel
   tries the rules. The policy's tests are proved by the plan. Host settings say what they would change, or refuse it. In check mode the parts
   only find out the rest.
2. A checkpoint is armed if the change has to be confirmed: the host goes back by itself if nobody confirms. A host with boot files always
   arms one for host settings, see 6.
3. Host settings that let less pass come first, then the rules. Meanwhile a packet passes only if both the old and the new policy let it pass.
   Boot files follow.
4. The lock is released. Denied connections end, then opened ports are completed, then rules inside containers are applied.
5. Host settings that let more pass come last. A failure in 4 to 6 takes back the earlier rules at once.
6. This run confirms a checkpoint that nobody else has to confirm. The controller confirms every other one, over a new connection.

``Parts`` defines the order among parts.
"""

from __future__ import annotations

import time
from typing import Dict, List

from ..engine.api.connect import connect
from ..engine.facts.facts import unknown_host
from ..engine.facts.gather import EngineFacts, ask
from ..errors import DrawbridgeError
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.desired import DesiredState
from ..persistence.lookup import confirm_own, take_back
from ..persistence.records.service_status import RUNNING, event_service, follows_names
from ..policy.blocks.by_name import entries_by_name, unopened
from ..policy.chains.swarm_ports import swarm_warnings
from ..policy.compile.compile import OWNER, compile_policy
from ..policy.compile.labels import answering, are_asked_for
from ..policy.preflight.entry_interfaces import check_entry_interfaces
from ..policy.preflight.external_interfaces import unseen
from ..policy.preflight.limit_modules import check_limits
from ..policy.preflight.lockout import refuse_lockout
from ..policy.preflight.unlogged import unlogged
from ..tasks.task import Result, Task
from ..transaction.converge import Outcome, begin, commit, locked, planned
from .desired import Desired, parse
from .late_ports import engine_cgroup, limits_ports
from .part import Compiled
from .parts import Parts


def keep_policy(task: Task) -> Result:
    """Apply the policy to the host, and tell how long that took. Without a policy, apply an empty one."""
    if task.params.get("plan_dir") is not None and task.examine is None:
        from ..tasks.kept_plan import kept  # pylint: disable=import-outside-toplevel

        return kept(task, keep_policy)
    started = time.monotonic()
    return keep_desired(parse(task), started)


def keep_desired(desired: Desired, started: float) -> Result:
    """Do the same for arguments that are parsed already. started: when, by the monotonic clock."""
    system, settings = desired.system, desired.settings
    parts = Parts(desired)
    parts.check()
    warnings = list(desired.warnings) + unseen(system, desired.policy.external_interfaces) + unlogged(system, desired.policy)
    with locked(settings):
        reading = begin(system, settings, OWNER)
        asked = ask_engine(desired, reading.netfilter)
        compiled = parts.compile(Compiled(compile_policy(desired.policy, asked.facts), []), asked, reading.netfilter)
        warnings += compiled.warnings + preflight(desired, asked, compiled.wanted, reading.netfilter)
        change = planned(reading, _answering(desired, compiled.wanted), settings)
        parts.prove(change, asked)
        outcome = commit(change, settings, parts)
    try:
        parts.after(outcome, asked)
        if outcome.armed is not None and not settings.confirm_timeout:
            confirm_own(system, settings.lock_timeout)
    except DrawbridgeError as error:
        if outcome.armed is not None:
            take_back(system, settings.lock_timeout, error)
        raise
    return report(desired, asked, outcome, parts, warnings, started)


def ask_engine(desired: Desired, netfilter: Netfilter) -> EngineFacts:
    """Return the engine's facts, with the engine's cgroup if the policy limits ports. The removal of a policy needs no facts."""
    if not desired.is_present:
        return EngineFacts(unknown_host(swarm=False), None, [])
    answer = ask(connect(desired.docker_host), desired.system)
    if entries_by_name(desired.policy):
        answer = answer._replace(facts=answer.facts._replace(follows_names=follows_names(desired.system, desired.docker_host)))
    if not limits_ports(desired.policy):
        return answer
    cgroup = engine_cgroup(desired.system, netfilter.nft, desired.docker_host)
    return answer._replace(facts=answer.facts._replace(engine_cgroup=cgroup))


def preflight(desired: Desired, asked: EngineFacts, wanted: DesiredState, netfilter: Netfilter) -> List[str]:
    """Return warnings. Raises DrawbridgeError for rules that shut out the task's own SSH connection, for interfaces that no entry can name, and for
    limits that the kernel cannot count."""
    check_limits(desired.system, desired.policy)
    warnings = check_entry_interfaces(desired.system, desired.policy, asked.facts)
    warnings += [] if desired.allow_lockout else refuse_lockout(desired.system, netfilter.ipset, wanted, desired.policy, asked.facts)
    warnings += swarm_warnings(desired.policy, asked.facts, lambda: event_service(desired.system) == RUNNING)
    return warnings + unopened(desired.policy, asked.facts) + asked.warnings


def _answering(desired: Desired, wanted: DesiredState) -> DesiredState:
    return answering(wanted) if are_asked_for() else wanted


def report(desired: Desired, asked: EngineFacts, outcome: Outcome, parts: Parts, warnings: List[str], started: float) -> Result:
    """Return the task's result: the rules, then each part."""
    told = parts.reports()
    values: Dict[str, object] = {**outcome.result(), "rules": outcome.plan.rule_count, "sets": outcome.plan.set_count, "restart_required": False}
    if desired.is_present:
        values["engine_reachable"] = asked.facts.known
    if not desired.settings.confirm_timeout:
        values.pop("checkpoint", None)
    for part in told:
        values.update(part.values)
    values["changed"] = outcome.is_change or any(part.changed for part in told)
    values["seconds"] = round(time.monotonic() - started, 3)
    result = Result(values, [*warnings, *outcome.warnings, *(warning for part in told for warning in part.warnings)])
    result = result.with_diffs([diff for part in told for diff in part.diffs])
    for part in told:
        result = result.explained(part.words)
    return result
