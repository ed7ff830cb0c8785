# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The toggles as keys of a policy: one task, and gone with it."""
import json

import pytest

from tests.integration.lab.support import outwards, toggled
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.ways import on_all

POLICY = {
    "published_ports": {"allow": [{"port": 8080, "sources": ["any"]}]},
    "forwarding": {"ipv4": False, "interfaces": {"vmbr0": {"ipv4": False}}},
    "forward_policy": {"ipv4": "accept", "ipv6": "drop"},
    "daemon": {"icc": False},
}
ROLE = {"ansible.builtin.include_role": {"name": "drawbridge.docker.host_policy"}}
LEFT = "ls /etc/sysctl.d /etc/systemd/system | grep -E 'drawbridge-policy' || true"


def task(policy, **options):
    return {"drawbridge.docker.host_policy": {"policy": policy, **options}}


def test_one_task_for_all_of_them(outermost):
    hosts = outermost
    try:
        predicted = play(hosts, [task(POLICY)], check=True)
        assert {toggled.sysctl(host, "net/ipv4/ip_forward") for host in hosts} == {"1"}
        assert {host.run(["sh", "-c", LEFT]).stdout for host in hosts} == {""}
        done = play(hosts, [task(POLICY)])
        assert set(predicted.changed().values()) == set(done.changed().values()) == {True}
        for host in hosts:
            assert done.last(host.name)["restart_required"]
            told = " ".join(item["after_header"] for item in done.last(host.name)["diff"])
            assert all(words in told for words in ("netfilter", "daemon.json", "IP forwarding", "policy of FORWARD"))
            keys = json.loads(host.run(["cat", "/etc/docker/daemon.json"]).stdout)
            assert keys == {"icc": False, "ip-forward": False}
        assert not toggled.all_are(hosts, toggled.container_reaches_outside, False)
        assert set(play(hosts, [task(POLICY)]).changed().values()) == {False}
        on_all(hosts, outwards.restart_engine)
        # The engine that was started anew has a cgroup of its own, which the first run tells the kernel.
        play(hosts, [task(POLICY)])
        again = play(hosts, [task(POLICY)])
        assert set(again.changed().values()) == {False}
        assert {again.last(host.name)["restart_required"] for host in hosts} == {False}
        for host in hosts:
            assert toggled.policy(host) == "ACCEPT" and toggled.policy(host, "ip6tables") == "DROP"
        # What is no longer said is no longer said at boot; the kernel keeps what it has.
        less = {key: value for key, value in POLICY.items() if key not in ("forwarding", "forward_policy")}
        assert set(play(hosts, [task(less)]).changed().values()) == {True}
        assert {host.run(["sh", "-c", LEFT]).stdout for host in hosts} == {""}
        assert {toggled.sysctl(host, "net/ipv4/ip_forward") for host in hosts} == {"0"}
        play(hosts, [task(dict(POLICY, forwarding={"ipv4": True}, daemon={"ip_forward": None, "icc": None}))])
        assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)
        assert set(play(hosts, [{"drawbridge.docker.host_policy": {"state": "absent"}}]).changed().values()) == {True}
        assert {host.run(["sh", "-c", LEFT]).stdout for host in hosts} == {""}
    finally:
        on_all(hosts, lambda host: host.run(["sh", "-c", "rm -f /etc/sysctl.d/*drawbridge* /etc/docker/daemon.json*"]))
        on_all(hosts, lambda host: toggled.set_by_hand(host, "net/ipv4/conf/vmbr0/forwarding", "1"))


@pytest.mark.drill
def test_the_role_restarts_the_engine_only_where_it_may(outermost):
    hosts = outermost[:1]
    fragment = {"host_policy__daemon": {"daemon": {"userland_proxy": False}}}

    def proxies():
        return {host.run(["ps", "-e", "-o", "args"]).stdout.count("docker-proxy") > 0 for host in hosts}

    due = play(hosts, [ROLE], extra=fragment)
    assert any(result.get("restart_required") for result in due.of(hosts[0].name)) and proxies() == {True}
    assert set(play(hosts, [ROLE], extra=fragment).changed().values()) == {False}
    on_all(hosts, lambda host: host.run(["systemctl", "reset-failed", "docker"]))
    play(hosts, [ROLE], extra=dict(fragment, host_policy_restart_engine=True))
    assert proxies() == {False}


def test_a_policy_that_the_engine_would_not_start_with_changes_nothing(outermost):
    hosts = outermost
    wrong = dict(POLICY, daemon={"firewall_backend": "nftables"})
    failed = play(hosts, [task(wrong)], fails=True).failed()
    assert all("policy.daemon.firewall_backend" in failed[host.name] for host in hosts)
    assert {toggled.sysctl(host, "net/ipv4/ip_forward") for host in hosts} == {"1"}
    assert not any("DB-GUARD" in host.run(["iptables-save", "-t", "mangle"]).stdout for host in hosts)


@pytest.mark.parametrize("wrong, words", [
    ({"published_ports": {"allow": [{"port": 8080, "sources": ["@nowhere"]}]}}, "@nowhere"),
    ({"forwarding": {"ipv4": False, "daemon_config": "require"}}, "does not say ip-forward: false"),
])
def test_what_is_refused_late_changes_nothing(outermost, wrong, words):
    """Neither the rules nor any of the toggles, whichever of them is refused."""
    hosts = outermost
    before = on_all(hosts, everything)
    failed = play(hosts, [task(dict(POLICY, **wrong))], fails=True).failed()
    assert all(words in failed[host.name] for host in hosts)
    assert on_all(hosts, everything) == before


def everything(host):
    """All that the policy would change."""
    policies = [toggled.policy(host, program) for program in ("iptables", "ip6tables")]
    files = host.run(["sh", "-c", "ls /etc/docker; " + LEFT]).stdout
    return toggled.sysctl(host, "net/ipv4/ip_forward"), policies, files, host.run(["iptables-save", "-t", "mangle"]).stdout.count("DB-")
