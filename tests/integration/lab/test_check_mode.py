# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Check mode over SSH says what the run then does, and touches nothing."""
from tests.integration.lab.support import policies, ways
from tests.integration.lab.support.playbook import play

RULES = [{"protocol": "tcp", "published_port": 8080, "source": policies.ALLOWED, "jump": "RETURN"},
         "-p tcp -m connlimit --connlimit-above 100 -j DROP"]
TASKS = [
    {"drawbridge.docker.address_set": {"name": "office", "entries": ["192.0.2.0/25", "2001:db8:1::/112"]}},
    {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": RULES}},
    {"drawbridge.docker.nat_filter_chain": {"allow": [{"port": 8080, "sources": policies.ALLOWED}]}},
    policies.POLICY,
]
CHANGED = [
    {"drawbridge.docker.address_set": {"name": "office", "entries": ["192.0.2.0/26"]}},
    {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": RULES[:1], "priority": 20}},
    {"drawbridge.docker.nat_filter_chain": {"default": "allow"}},
    policies.task({"published_ports": {"default": "deny"}}),
]
REMOVED = [
    {"drawbridge.docker.host_policy": {"state": "absent"}},
    {"drawbridge.docker.nat_filter_chain": {"state": "absent"}},
    {"drawbridge.docker.docker_user_chain": {"section": "web", "state": "absent"}},
    {"drawbridge.docker.address_set": {"name": "office", "state": "absent"}},
]


def test_each_task_does_what_check_mode_said(manageable):
    """Check and run by turns, since what a task finds depends on those before it."""
    variables = policies.for_hosts(manageable, policies.closed_services)
    for tasks in (TASKS, CHANGED, REMOVED):
        both = [dict(task, check_mode=check) for task in tasks for check in (True, False)]
        run = play(manageable, both, host_vars=variables)
        for host in manageable:
            told = [(result["changed"], result["diff"]) for result in run.of(host.name)]
            assert told[0::2] == told[1::2]
            assert [changed for changed, _diff in told] == [True] * len(both), run.output
    assert not any(play(manageable, REMOVED).changed().values())


def test_check_mode_touches_nothing(manageable):
    variables = policies.for_hosts(manageable, policies.closed_services)
    before = ways.dumps(manageable)
    predicted = play(manageable, TASKS, check=True, host_vars=variables)
    assert ways.dumps(manageable) == before
    done = play(manageable, TASKS, host_vars=variables)
    for host in manageable:
        for run in (predicted, done):
            assert [result["changed"] for result in run.of(host.name)] == [True] * len(TASKS)
    after = ways.dumps(manageable)
    assert after != before
    again = play(manageable, TASKS, check=True, host_vars=variables)
    assert not any(again.changed().values()), again.output
    play(manageable, REMOVED, check=True)
    assert ways.dumps(manageable) == after
