# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host's whole policy from the arguments of host_policy, in one transaction."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from typing import Any, Dict, List, Optional, Sequence

from ..docker.connect import connect
from ..docker.host_facts import Engagement, ask
from ..docker.state import PublishedPort
from ..errors import DrawbridgeError
from ..host.lock import HostLock
from ..netfilter.converge import Beside, Outcome, converge
from ..netfilter.host import Netfilter
from ..netfilter.model import Wanted
from .answers import answering, are_asked_for
from .compile import OWNER, compile_policy, has_open_ports, no_policy
from .late_ports import engine_cgroup, limits_ports, settle
from .model import Policy
from .own_way_in import refuse_lockout
from .schema import parse_policy
from ..task import Result, Task
from ..toggles import traces


def keep_policy(task: Task) -> Result:
    """Bring the host to what the policy says, and tell how long that took."""
    started = time.monotonic()
    result = _kept(task)
    return result._replace(values=dict(result.values, seconds=round(time.monotonic() - started, 3)))


def _kept(task: Task) -> Result:
    if task.params["state"] == "absent":
        toggles, inside = _toggles(task, None), _inside(task, None)
        outcome = converge(task.system, task.settings(), lambda _netfilter: no_policy(), toggles or Beside())
        result = _explained(task, outcome, Result(outcome.result(), outcome.warnings), None)
        result = _with_ports(task, None, outcome, _with_flows(task, outcome, result))
        return _with_toggles(task, toggles, inside, result)
    policy = _policy(task.params)
    toggles, inside, ports, lasting = _toggles(task, policy), _inside(task, policy), _ports(task, policy), _lasting(task, policy)
    answers: List[Engagement] = []
    warnings: List[str] = []

    def wanted(netfilter: Netfilter) -> Wanted:
        answers.append(_asked(task, netfilter, policy))
        rules = compile_policy(policy, answers[0].facts)
        if policy.egress is not None or policy.masquerade is not None:
            from .ways_out import with_ways_out  # pylint: disable=import-outside-toplevel

            rules = with_ways_out(rules, policy, answers[0].facts, netfilter, warnings)
        if ports is not None and answers[0].facts.known:
            rules = ports.with_ports(rules, policy, netfilter)
        elif ports is not None:
            warnings.append("open_ports: the engine does not tell where the containers are, so these ports are closed")
        if lasting is not None:
            rules = lasting.with_mark(rules)
        if task.params["revoke"] == "keep":
            from .revoke import keeping  # pylint: disable=import-outside-toplevel

            rules = keeping(rules)
        if not task.params["allow_lockout"]:
            warnings.extend(refuse_lockout(task.system, netfilter.ipset, rules, policy, answers[0].facts))
        return answering(rules) if are_asked_for() else rules

    if policy.external_interfaces:
        from .named_outside import unseen  # pylint: disable=import-outside-toplevel

        warnings += unseen(task.system, policy.external_interfaces)
    outcome = converge(task.system, task.settings(), wanted, toggles or Beside(), OWNER)
    told = answers[0]
    if told.facts.swarm:
        from ..lasting.status import RUNNING, event_service  # pylint: disable=import-outside-toplevel
        from .swarm import swarm_warnings  # pylint: disable=import-outside-toplevel

        warnings += swarm_warnings(policy, told.facts, lambda: event_service(task.system) == RUNNING)
    warnings += told.warnings + outcome.warnings
    result = Result({**outcome.result(), "engine_reachable": told.facts.known, **_late_ports(task, policy, outcome)}, warnings)
    result = _explained(task, outcome, result, policy, told.published)
    if lasting is not None:
        result = lasting.told(result)
    return _with_toggles(task, toggles, inside, _with_ports(task, ports, outcome, _with_flows(task, outcome, result)))


def _asked(task: Task, netfilter: Netfilter, policy: Policy) -> Engagement:
    """What the engine says, and how the kernel tells its sockets where that matters."""
    answer = ask(connect(task.params["docker_host"]), task.system)
    if not limits_ports(policy):
        return answer
    cgroup = engine_cgroup(task.system, netfilter.nft, task.params["docker_host"])
    return answer._replace(facts=answer.facts._replace(engine_cgroup=cgroup))


def _late_ports(task: Task, policy: Policy, outcome: Outcome) -> Dict[str, Any]:
    """What closes ports that are published later, in the result."""
    if not limits_ports(policy):
        return {}
    settled = settle(task.system, outcome.plan, task.check_mode)
    return {"late_ports": settled.holds, **({"changed": True} if settled.changed else {})}


def _explained(
    task: Task, outcome: Outcome, result: Result, policy: Optional[Policy], published: Sequence[PublishedPort] = ()
) -> Result:
    """Whoever looks at the diff reads first what the change means."""
    if not task.shows_diff or not outcome.plan.is_change:
        return result
    from ..netfilter.ipset import Ipset  # pylint: disable=import-outside-toplevel
    from .in_words import of_plan  # pylint: disable=import-outside-toplevel

    return result.explained(of_plan(outcome.plan, Ipset(task.system), published, policy))


def _ports(task: Task, policy: Policy) -> Any:
    """What opens a policy's ports, None where it has none."""
    if not policy.open_ports:
        return None
    from ..publish.of_policy import PolicyPorts  # pylint: disable=import-outside-toplevel

    return PolicyPorts(task.system, task.params["docker_host"], policy.open_ports)


def _lasting(task: Task, policy: Policy) -> Any:
    """What the event service does again of the policy, None where that is nothing."""
    if not policy.open_ports and policy.masquerade is None:
        return None
    from .lasting import LastingParts  # pylint: disable=import-outside-toplevel

    return LastingParts(task, policy)


def _with_ports(task: Task, ports: Any, outcome: Outcome, rules: Result) -> Result:
    """What goes with ports that were opened, and with those of an earlier policy that were closed."""
    if ports is None and not has_open_ports(outcome.plan):
        return rules
    from ..publish.of_policy import PolicyPorts  # pylint: disable=import-outside-toplevel

    ports = ports or PolicyPorts(task.system, task.params["docker_host"], None)
    followed: Result = ports.follow(outcome.plan, task.check_mode, rules)
    ended = ports.end(outcome.plan) if task.params["revoke"] == "end" and not task.check_mode else []
    return followed._replace(warnings=followed.warnings + ended)


def _inside(task: Task, policy: Optional[Policy]) -> Any:
    """What keeps a policy's rules inside containers, tried already; None where neither this policy nor an earlier one has any."""
    if (policy is None or not policy.containers) and not traces.are_inside():
        return None
    from .inside_apply import InsideRules  # pylint: disable=import-outside-toplevel

    inside = InsideRules(task, None if policy is None else policy.containers)
    inside.rehearse()
    return inside


def _with_flows(task: Task, outcome: Outcome, rules: Result) -> Result:
    """Open connections that a change denies are ended, unless they are to be kept."""
    plan = outcome.plan
    values = dict(rules.values, rules=plan.rule_count, sets=plan.set_count)
    if not plan.is_change:
        return Result(values, rules.warnings)
    from ..netfilter.ipset import Ipset  # pylint: disable=import-outside-toplevel
    from .revoke import Revoked, end, find  # pylint: disable=import-outside-toplevel

    ends = task.params["revoke"] == "end"
    revoked = find(task.system, Ipset(task.system), plan) if ends else Revoked([], [])
    warnings = revoked.warnings + ([] if task.check_mode else end(task.system, revoked))
    if ends and revoked.flows is not None:
        values["flows_cut"] = len(revoked.flows)
    return Result(values, rules.warnings + warnings)


def _toggles(task: Task, policy: Optional[Policy]) -> Any:
    """What keeps a policy's toggles, None where neither this policy nor an earlier one has any."""
    says = policy is not None and (policy.forwarding or policy.forward_policy or policy.daemon)
    if not says and not traces.are_there():
        return None
    from ..toggles.change import ToggleChange  # pylint: disable=import-outside-toplevel

    return ToggleChange(task.system, task.settings(), policy)


def _with_toggles(task: Task, toggles: Any, inside: Any, rules: Result) -> Result:
    """The rest, once the host's rules are in force: the toggles, and what is inside of containers. All of it in the result."""
    if inside is not None:
        try:
            rules = inside.follow(rules.values.get("checkpoint", {}).get("id", ""), rules)
        except DrawbridgeError as error:
            if "checkpoint" in rules.values:
                _take_back(task, error)
            raise
    if toggles is None:
        return Result(dict(rules.values, restart_required=False), rules.warnings)
    # The rules may wait to be confirmed by this very run, which a run of its own would wait for.
    with nullcontext() if task.check_mode else HostLock(task.params["lock_timeout"]):
        try:
            toggles.widen()
            rules = _confirmed_by_itself(task, rules)
        except DrawbridgeError as error:
            if "checkpoint" in rules.values:
                _take_back(task, error)
            raise
    done = toggles.result()
    values = dict(rules.values, changed=rules.values["changed"] or done.changed, restart_required=done.restart_required)
    return Result(values, rules.warnings + done.warnings).with_diffs(done.diffs)


def _confirmed_by_itself(task: Task, rules: Result) -> Result:
    """A checkpoint that nobody asked for: it was there for this module's own end."""
    if task.params["confirm_timeout"] or "checkpoint" not in rules.values:
        return rules
    from ..boot.checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    checkpoint = Checkpoint(task.system)
    armed = checkpoint.armed()
    if armed is None:
        raise DrawbridgeError("the change took so long that the host took it back", None, "run again")
    checkpoint.confirm(armed)
    return rules._replace(values={key: value for key, value in rules.values.items() if key != "checkpoint"})


def _take_back(task: Task, cause: DrawbridgeError) -> None:
    """Nobody will confirm the rules of a task that failed: back to the old ones now, and not when the time is over."""
    from ..boot.checkpoint import Checkpoint  # pylint: disable=import-outside-toplevel

    checkpoint = Checkpoint(task.system)
    armed = checkpoint.armed()
    if armed:
        checkpoint.roll_back(armed)
        raise DrawbridgeError("%s; the rules from before are in force again" % cause.message, cause.path, cause.hint) from None


def _policy(params: Dict[str, Any]) -> Policy:
    if params["fragments"] is not None:
        from .merge import merge, parse_fragment, parse_profile  # pylint: disable=import-outside-toplevel

        told = _decoded(params["fragments"], "fragments")
        profile = [] if told["profile"] is None else [parse_profile("profile " + params["profile"], told["profile"])]
        return merge(profile + [parse_fragment(name, raw) for name, raw in told["fragments"].items()])
    if params["profile"] is not None:
        raise DrawbridgeError("a profile is what fragments are laid over: there are none", "profile")
    return parse_policy(_decoded(params["policy"], "policy"))


def _decoded(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DrawbridgeError("not a mapping and not JSON: %s" % error, option) from None
