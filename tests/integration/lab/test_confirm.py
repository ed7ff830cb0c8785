# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A change is confirmed over a new connection, or the host takes it back: whoever is gone, killed, or booted."""
import json

import pytest

from tests.integration.lab.support import boot, policies
from tests.integration.lab.support import playbook as playbooks
from tests.integration.lab.support.confirming import killed_after_the_apply, wait_for
from tests.integration.lab.support.playbook import play, playbook
from tests.lab.api import Probe
from tests.lab.workload import IMAGE

# Seconds: for what is to be taken back, and for what is confirmed or looked at before, however busy the machine is.
SHORT, LONG = 8, 300
# Nobody at all reaches a service of the host, the controller's SSH included.
CUT = boot.allowing(8081, host_services={"default": "deny", "allow": []})


def change(policy, timeout=LONG, **more):
    """The task that applies a policy and has it confirmed."""
    return dict(policies.task(policy, allow_lockout=True, confirm_timeout=timeout), **more)


@pytest.fixture(name="one")
def protected_host(one):
    """The host, booting with its rules and with a policy."""
    boot.protect([one])
    return one


def reaches(lab, host, port):
    """Whether the allowed client reaches a port."""
    return lab.clients["allowed"].probe([Probe("tcp", host.spec.v4, port)])[0].open


def test_a_change_is_confirmed_and_leaves_nothing(lab, one):
    result = play([one], [change(boot.allowing(8081))]).last(one.name)
    assert result["changed"] and 0 < result["confirm_seconds"] < LONG and "checkpoint" not in result
    assert boot.leftovers(one) == ""
    assert reaches(lab, one, 8081) and not reaches(lab, one, 8080)
    # Nothing to confirm, nothing armed.
    for check in (True, False):
        again = play([one], [change(boot.allowing(8081))], check=check).last(one.name)
        assert not again["changed"] and "confirm_seconds" not in again
    assert "confirm_seconds" not in play([one], [change(boot.allowing(8080))], check=True).last(one.name)
    assert reaches(lab, one, 8081)


def test_a_policy_that_cuts_ssh_is_taken_back(lab, one):
    before = boot.owned(one)
    result = play([one], [change(CUT, SHORT)], fails=True).last(one.name)
    assert "took the change back" in result["msg"] and "connection" in result["msg"]
    assert boot.owned(one) == before
    assert boot.leftovers(one) == ""
    assert one.ssh(["true"]).returncode == 0 and reaches(lab, one, 8080)
    assert play([one], [change(boot.allowing(8081))]).last(one.name)["changed"]


def cut_off(host, tmp_path, timeout):
    """Have a controller apply the policy that cuts it off, and go before it could tell."""
    killed_after_the_apply([host], tmp_path, [change(CUT, timeout)], lambda host: "dport 8081" in host.run(["iptables-save", "-t", "mangle"]).stdout)


def test_the_controller_is_killed_after_the_apply(lab, one, tmp_path):
    before = boot.owned(one)
    cut_off(one, tmp_path, SHORT)
    wait_for(lambda: boot.owned(one) == before)
    wait_for(lambda: boot.leftovers(one) == "")
    assert one.ssh(["true"]).returncode == 0 and reaches(lab, one, 8080)


def test_the_host_is_booted_before_the_confirmation(lab, one, tmp_path):
    before = boot.rules(one)
    cut_off(one, tmp_path, LONG)
    # systemd waits exactly as long as the task says.
    assert "OnActiveUSec=5min ;" in one.run(["systemctl", "show", "--property=TimersMonotonic", "drawbridge-rollback-*.timer"]).stdout
    one.reboot()
    assert boot.rules(one) == before
    assert boot.leftovers(one) == ""
    assert one.ssh(["true"]).returncode == 0 and reaches(lab, one, 8080)
    assert play([one], [change(boot.allowing(8081))]).last(one.name)["changed"]


@pytest.mark.drill
@pytest.mark.parametrize("core", [playbooks.NEWEST, playbooks.OLDEST])
@pytest.mark.parametrize("variables", [
    {"ansible_pipelining": False}, {"ansible_user": "somebody", "ansible_become": True},
    {"ansible_user": "somebody", "ansible_become": True, "ansible_pipelining": False},
    {"ansible_ssh_args": ""}, {"ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s -o ControlPath=/tmp/drawbridge-%C"},
])
def test_any_way_to_connect(lab, one, core, variables):
    one.run(["sh", "-c", "id somebody 2>/dev/null || { useradd -m -s /bin/bash somebody; cp -a /root/.ssh /home/somebody/; chown -R somebody: /home/somebody;"
                         " echo 'somebody ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/somebody; }"])
    options = {"core": core, "host_vars": {one.name: variables}}
    assert play([one], [change(boot.allowing(8081))], **options).last(one.name)["confirm_seconds"] > 0
    before = boot.owned(one)
    assert "took the change back" in play([one], [change(CUT, SHORT)], fails=True, **options).failed()[one.name]
    assert boot.owned(one) == before


def test_async_is_refused_with_the_reason(one):
    before = boot.owned(one)
    run = play([one], [change(boot.allowing(8081), **{"async": 30, "poll": 1})], fails=True)
    assert "async" in run.failed()[one.name] and "new connection" in run.failed()[one.name]
    assert boot.owned(one) == before


@pytest.mark.drill
def test_free_strategy_and_all_hosts_at_once(lab, hosts, tmp_path):
    able = [host for host in hosts if host.name != "forky" or playbooks.core_version(playbooks.NEWEST) >= (2, 20)]
    text = [{"hosts": playbooks.GROUP, "gather_facts": False, "strategy": "free", "tasks": [boot.BOOT, change(boot.allowing(8081))]}]
    (tmp_path / "play.json").write_text(json.dumps(text), encoding="utf-8")
    run = playbook(able, str(tmp_path / "play.json"))
    assert all(run.last(host.name)["confirm_seconds"] > 0 for host in able)
    assert [boot.leftovers(host) for host in able] == [""] * len(able)


CHECKPOINT = "drawbridge.docker.firewall_checkpoint"
SEVERAL = [
    {"drawbridge.docker.address_set": {"name": "office", "entries": ["192.0.2.0/24"]}},
    {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": [{"source": "@office", "jump": "DROP"}]}},
    change(boot.allowing(8081)),
]


@pytest.mark.parametrize("end", ["rolled_back", pytest.param("late", marks=pytest.mark.drill)])
def test_one_checkpoint_over_several_tasks(lab, one, end):
    before = boot.owned(one)
    timeout = LONG if end == "rolled_back" else 6
    last = [{CHECKPOINT: {"state": "rolled_back"}}] if end == "rolled_back" else [
        {"ansible.builtin.wait_for": {"timeout": 7}}, {CHECKPOINT: {"state": "confirmed"}}]
    run = play([one], [{CHECKPOINT: {"state": "armed", "timeout": timeout}}, *SEVERAL, *SEVERAL, *last], fails=end == "late")
    assert [result["changed"] for result in run.of(one.name)[:7]] == [True] * 4 + [False] * 3
    if end == "late":
        assert "took the change back" in run.failed()[one.name]
    assert boot.owned(one) == before
    assert boot.leftovers(one) == ""


@pytest.mark.drill
def test_a_confirmed_checkpoint_and_back_by_the_playbook(lab, one):
    before = boot.in_kernel(one)
    play([one], [{CHECKPOINT: {"state": "armed"}}, *SEVERAL, {CHECKPOINT: {"state": "confirmed"}}])
    assert boot.leftovers(one) == ""
    after = boot.in_kernel(one)
    assert after != before
    for expected in (before, after):
        looked = playbook([one], "drawbridge.docker.rollback", check=True)
        done = playbook([one], "drawbridge.docker.rollback")
        assert looked.changed() == done.changed() == {one.name: True}
        words, rules = done.last(one.name)["diff"]
        assert [words, rules] == looked.last(one.name)["diff"] and "DB-USER-" in rules["before" if expected == before else "after"]
        assert ["port 8081/tcp: nobody" in words[side] for side in ("before", "after")] == [expected == after, expected == before]
        assert boot.in_kernel(one) == expected


@pytest.mark.drill
def test_lines_of_others_stay_through_a_rollback(one):
    others = ["-s 198.51.100.1/32 -j DROP", "-s 198.51.100.2/32 -j LOG"]
    one.run(["iptables", "-w", "-I", "DOCKER-USER", *others[0].split()])
    play([one], [{CHECKPOINT: {"state": "armed"}}, *SEVERAL])
    one.run(["iptables", "-w", "-A", "DOCKER-USER", *others[1].split()])
    one.run(["docker", "run", "--detach", "--name", "late", "--publish", "8399:80", IMAGE, "sleep", "60"])
    play([one], [{CHECKPOINT: {"state": "rolled_back"}}])
    lines = one.run(["iptables", "-S", "DOCKER-USER"]).stdout.splitlines()
    assert [line for line in lines if "198.51.100" in line] == ["-A DOCKER-USER " + line for line in others]
    assert "--dport 8399" in one.run(["iptables-save", "-t", "nat"]).stdout


@pytest.mark.drill
def test_another_run_waits_for_the_confirmation(one):
    play([one], [{CHECKPOINT: {"state": "armed", "timeout": 60}}])
    # As a task that was ended before it could confirm: the next run may not build on what may be taken back.
    one.run(["sed", "-i", "s/ play / task /", "/var/lib/drawbridge/checkpoint/armed"])
    words = play([one], [policies.task(boot.allowing(8081), lock_timeout=1)], fails=True).failed()[one.name]
    assert "waits to be confirmed" in words


@pytest.mark.drill
def test_a_state_that_cannot_be_remembered_changes_nothing(one):
    before = boot.owned(one)
    one.run(["sh", "-c", "mkdir -p /var/lib/drawbridge && mount -t tmpfs -o ro,mode=700 none /var/lib/drawbridge"])
    try:
        words = play([one], [change(boot.allowing(8081))], fails=True).failed()[one.name]
        assert "/var/lib/drawbridge" in words and "Read-only" in words
        assert boot.owned(one) == before
    finally:
        one.run(["sh", "-c", "umount /var/lib/drawbridge; rmdir /var/lib/drawbridge"])
