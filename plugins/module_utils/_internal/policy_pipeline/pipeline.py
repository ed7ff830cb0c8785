# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host's whole policy from the arguments of host_policy, in one transaction.

The order of what is done to the host is what keeps it safe:

1. Nothing is changed until everything is known to be right. The arguments are read, parts check themselves, and rules inside containers are
   rehearsed in their namespaces. Then, with the lock held, the engine is asked, rules are compiled, the task's own way in is judged, the
   kernel tries the rules, and host settings say what they would change, or refuse it. In check mode the parts only find out the rest.
2. A checkpoint is armed where the change is to be confirmed: the host goes back by itself if nobody confirms. A host with boot files arms one
   for host settings in any case, see 6.
3. Host settings that let less pass, then the rules: a packet passes only what both the old and the new policy let pass. Boot files follow.
4. Without the lock: connections that are denied now end, then what goes with opened ports, then rules inside containers.
5. Host settings that let more pass come last. What fails in 4 to 6 takes the rules from before back at once.
6. A checkpoint that nobody else is to confirm is confirmed. The controller confirms every other one, over a new connection.

``Parts`` has the order among parts.
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
from ..persistence.records.service_status import RUNNING, event_service
from ..policy.chains.swarm_ports import swarm_warnings
from ..policy.compile.compile import OWNER, compile_policy
from ..policy.compile.labels import answering, are_asked_for
from ..policy.preflight.external_interfaces import unseen
from ..policy.preflight.lockout import refuse_lockout
from ..tasks.task import Result, Task
from ..transaction.converge import Outcome, begin, commit, locked, planned
from .desired import Desired, parse
from .late_ports import engine_cgroup, limits_ports
from .part import Compiled
from .parts import Parts


def keep_policy(task: Task) -> Result:
    """Bring the host to what the policy says, and tell how long that took. Without a policy, to an empty one."""
    started = time.monotonic()
    desired = parse(task)
    system, settings = desired.system, desired.settings
    parts = Parts(desired)
    parts.check()
    warnings = unseen(system, desired.policy.external_interfaces)
    with locked(settings):
        reading = begin(system, settings, OWNER)
        asked = ask_engine(desired, reading.netfilter)
        compiled = parts.compile(Compiled(compile_policy(desired.policy, asked.facts), []), asked, reading.netfilter)
        warnings += compiled.warnings + preflight(desired, asked, compiled.wanted, reading.netfilter)
        outcome = commit(planned(reading, _answering(desired, compiled.wanted), settings), settings, parts)
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
    """What the engine says, and how the kernel tells its sockets where that matters. Nothing of it matters to a policy that is taken away."""
    if not desired.is_present:
        return EngineFacts(unknown_host(swarm=False), None, [])
    answer = ask(connect(desired.docker_host), desired.system)
    if not limits_ports(desired.policy):
        return answer
    cgroup = engine_cgroup(desired.system, netfilter.nft, desired.docker_host)
    return answer._replace(facts=answer.facts._replace(engine_cgroup=cgroup))


def preflight(desired: Desired, asked: EngineFacts, wanted: DesiredState, netfilter: Netfilter) -> List[str]:
    """Warnings. Raises DrawbridgeError for rules that shut out the SSH connection by which the task came in."""
    warnings = [] if desired.allow_lockout else refuse_lockout(desired.system, netfilter.ipset, wanted, desired.policy, asked.facts)
    warnings += swarm_warnings(desired.policy, asked.facts, lambda: event_service(desired.system) == RUNNING)
    return warnings + asked.warnings


def _answering(desired: Desired, wanted: DesiredState) -> DesiredState:
    return answering(wanted) if are_asked_for() else wanted


def report(desired: Desired, asked: EngineFacts, outcome: Outcome, parts: Parts, warnings: List[str], started: float) -> Result:
    """The task's result: the rules, then each part."""
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
