# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""An engine that no Debian release brings, on each of its backends: every path under a policy, and every module.

The hosts are there where the environment names a folder with the engine (tests/lab/README.md), and skipped by name where not.
"""
import pytest

from tests.integration.lab import test_after_the_run, test_boot, test_container_port, test_egress, test_lockdown, test_masquerade
from tests.integration.lab.support import boot, expected, outwards, policies, reach, toggled, ways, workloads
from tests.integration.lab.support.playbook import play, playbook
from tests.lab.api import Probe

LATE = 8200
MOVE = {"drawbridge.docker.docker_daemon_config": {"firewall_backend": "nftables"}}
MOVE_BACK = {"drawbridge.docker.docker_daemon_config": {"firewall_backend": "iptables"}}
FORWARDING = {"drawbridge.docker.ip_forward": {"ipv4": True, "ipv6": True}}
ACCEPT = {"drawbridge.docker.forward_policy": {"ipv4": "ACCEPT", "ipv6": "ACCEPT"}}
DROP = {"drawbridge.docker.forward_policy": {"ipv4": "DROP"}}
INFO = {"drawbridge.docker.docker_firewall_info": {}}
NAT_FILTER = {"drawbridge.docker.nat_filter_chain": {"allow": [{"port": "8080", "sources": policies.ALLOWED}]}}


def backend(host):
    return host.spec.backend


def findings(host):
    return {item["code"]: item["about"] for item in play([host], [INFO]).last(host.name)["findings"]}


def warned(run, host):
    return " ".join(run.last(host.name).get("warnings", []))


def apply(hosts, policy=policies.one_client):
    return play(hosts, [policies.POLICY], host_vars=policies.for_hosts(hosts, policy))


def test_every_path_late_ports_and_a_restart(own):
    lab, hosts = own
    (host,) = hosts
    told = play(hosts, [INFO]).last(host.name)["engine"]
    assert told["backend"] == backend(host) and told["reachable"]
    assert ways.differences(lab, hosts, expected.as_docker_leaves_it) == []
    assert set(apply(hosts).changed().values()) == {True}
    assert ways.differences(lab, hosts, expected.one_client_allowed) == []
    assert set(apply(hosts).changed().values()) == {False}
    workloads.publish(host, "late", LATE)
    assert reach.Onlooker(lab, hosts).turns_away("denied", reach.v4(LATE))
    outwards.restart_engine(host)
    assert ways.differences(lab, hosts, expected.one_client_allowed) == []


def test_what_means_nothing_there_is_refused_or_said(own):
    lab, hosts = own
    (host,) = hosts
    nft = backend(host) == "nftables"
    before = ways.dumps(hosts)
    if nft:
        for task, words in ((DROP, "cut all containers off"), (NAT_FILTER, "nftables backend"), (test_container_port.task(name="web"), "nftables backend"),
                            (policies.task({"forward_policy": {"ipv4": "drop"}}), "cut all containers off")):
            assert words in play(hosts, [task], fails=True).failed()[host.name]
        assert ways.dumps(hosts) == before
    accept = {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": [{"jump": "ACCEPT"}]}}
    assert ("opens nothing here" in warned(play(hosts, [accept]), host)) == nft
    off = {"drawbridge.docker.ip_forward": {"ipv4": False}}
    said = warned(play(hosts, [off], check=True), host)
    assert ("no container starts" in said) == nft and ("turn forwarding on again" in said) != nft
    assert ways.plain(lab, hosts, expected.as_docker_leaves_it)


def test_an_engine_that_lets_in_directly_is_found(own):
    lab, hosts = own
    (host,) = hosts
    direct = [Probe("tcp", host.containers()["web"].v4, 80, mark=host.spec.number)]
    assert "containers_reachable_directly" not in findings(host) and not lab.clients["denied"].probe(direct)[0].open
    outwards.configure(host, {"allow-direct-routing": True})
    direct = [Probe("tcp", host.containers()["web"].v4, 80, mark=host.spec.number)]
    assert lab.clients["denied"].probe(direct)[0].open
    assert "ipv4 bridge: published ports" in findings(host)["containers_reachable_directly"]
    apply(hosts)
    assert not lab.clients["denied"].probe(direct)[0].open and "containers_reachable_directly" not in findings(host)


def test_by_trusted_interfaces_too(own):
    lab, hosts = own
    (host,) = hosts
    workloads.network(host, "trusting", "--opt", "com.docker.network.bridge.trusted_host_interfaces=eth0")
    workloads.publish(host, "trusted", LATE, "trusting")
    direct = [Probe("tcp", host.containers()["trusted"].v4, 80, mark=host.spec.number)]
    assert lab.clients["denied"].probe(direct)[0].open
    assert findings(host)["containers_reachable_directly"] == ["ipv4 trusting: published ports, by eth0"]
    apply(hosts)
    assert not lab.clients["denied"].probe(direct)[0].open and "containers_reachable_directly" not in findings(host)


@pytest.mark.drill
def test_a_move_is_whole_or_refused_both_ways(own):
    lab, hosts = own
    (host,) = hosts
    if backend(host) != "iptables":
        pytest.skip("%s: the move begins with the other host" % host.name)
    if int(host.engine_version().split(".")[0]) < 29:
        pytest.skip("%s: its engine has one backend only" % host.name)
    for run in (play(hosts, [MOVE], check=True, fails=True), play(hosts, [MOVE], fails=True)):
        words = run.failed()[host.name]
        assert "nothing turns IPv4 forwarding on at boot" in words and "IPv6" in words and "FORWARD is DROP" in words
        assert host.run(["test", "-e", "/etc/docker/daemon.json"], check=False).returncode
    play(hosts, [NAT_FILTER, FORWARDING, ACCEPT])
    assert "nat_filter_chain" in play(hosts, [MOVE], fails=True).failed()[host.name]
    play(hosts, [{"drawbridge.docker.nat_filter_chain": {"state": "absent"}}])
    apply(hosts)
    assert "moves to its nftables backend" in warned(play(hosts, [MOVE]), host)
    outwards.restart_engine(host)
    assert ways.differences(lab, hosts, expected.one_client_allowed) == []
    host.reboot()
    assert play(hosts, [INFO]).last(host.name)["engine"]["backend"] == "nftables"
    apply(hosts)
    assert ways.differences(lab, hosts, expected.one_client_allowed) == []
    assert "moves to its iptables backend" in warned(play(hosts, [MOVE_BACK]), host)
    outwards.restart_engine(host)
    apply(hosts)
    assert ways.differences(lab, hosts, expected.one_client_allowed) == []
    assert "leftovers_of_nftables" not in findings(host)


@pytest.mark.drill
def test_a_policy_moves_the_engine_with_all_that_it_needs(own):
    lab, hosts = own
    (host,) = hosts
    if backend(host) != "iptables" or int(host.engine_version().split(".")[0]) < 29:
        pytest.skip("%s: its engine is moved nowhere" % host.name)

    def moved(spec):
        return dict(policies.one_client(spec), daemon={"firewall_backend": "nftables"}, forwarding={"ipv4": True, "ipv6": True},
                    forward_policy={"ipv4": "accept", "ipv6": "accept"})

    assert set(apply(hosts, moved).changed().values()) == {True}
    outwards.restart_engine(host)
    assert ways.differences(lab, hosts, expected.one_client_allowed) == []
    assert set(apply(hosts, moved).changed().values()) == {False}


@pytest.mark.drill
def test_who_leaves_forwarding_to_nobody_is_told(own):
    lab, hosts = own
    (host,) = hosts
    if backend(host) != "nftables":
        pytest.skip("%s turns forwarding on by itself" % host.name)
    host.run(["mv", "/etc/sysctl.d/50-lab.conf", "/root/50-lab.conf"])
    try:
        assert "no_forwarding_at_boot" in findings(host)
        play(hosts, [FORWARDING])
        assert "no_forwarding_at_boot" not in findings(host)
        host.reboot()
        assert "at the next boot it does not start" in warned(play(hosts, [{"drawbridge.docker.ip_forward": {"state": "absent"}}]), host)
    finally:
        host.run(["mv", "/root/50-lab.conf", "/etc/sysctl.d/50-lab.conf"])


@pytest.mark.drill
def test_a_reboot_under_a_flood(own):
    lab, hosts = own
    test_boot.test_nothing_opens_through_a_reboot(lab, hosts[0])
    assert ways.differences(lab, hosts, boot_allows) == []


def boot_allows(cell):
    """Under boot.allowing: of what is published one port is open, to one client."""
    if cell.path.kind == ways.paths.PUBLISHED:
        return cell.who == "allowed" and cell.result.probe.port == 8080
    return expected.one_client_allowed(cell)


@pytest.mark.drill
@pytest.mark.parametrize("test", [
    test_after_the_run.test_ports_published_later, test_after_the_run.test_a_network_made_later_keeps_its_egress,
    test_after_the_run.test_the_rules_hold_over_a_restart_of_the_engine_and_new_networks,
])
def test_what_comes_after_the_run(own, test):
    lab, hosts = own
    given = {"look": reach.Onlooker(lab, hosts), "lab": lab}
    test(**{name: given[name] for name in test.__code__.co_varnames[:test.__code__.co_argcount]})


@pytest.mark.drill
def test_what_containers_reach(own):
    test_egress.test_a_network_is_denied_and_lasts(own[1])


@pytest.mark.drill
def test_masquerade_off_and_by_another_address(own):
    _lab, hosts = own
    ways.on_all(hosts, outwards.make)
    assert "its engine drops the replies" in warned(play(hosts, [test_masquerade.OFF], check=True), hosts[0])
    ways.on_all(hosts, outwards.allow_replies)
    with outwards.routes_back(hosts):
        test_masquerade.test_off_shows_the_container_and_lasts(hosts)


@pytest.mark.drill
def test_everything_is_cut_and_back(own):
    lab, hosts = own
    test_lockdown.test_everything_is_cut_and_comes_back(lab, hosts)


@pytest.mark.drill
def test_opened_ports_where_they_mean_something(own):
    lab, hosts = own
    if backend(hosts[0]) == "nftables":
        pytest.skip("container_port refuses: test_what_means_nothing_there_is_refused_or_said")
    workloads.run(hosts[0], "nginx", "bridge")
    play(hosts, [test_container_port.task()])
    look = reach.Onlooker(lab, hosts)
    assert look.serves("allowed", reach.v4(test_container_port.PORT))
    play(hosts, [test_container_port.CLOSED])
    assert look.turns_away("allowed", reach.v4(test_container_port.PORT))


@pytest.mark.drill
def test_forward_policy_where_it_means_something(own):
    lab, hosts = own
    if backend(hosts[0]) == "nftables":
        pytest.skip("forward_policy refuses: test_what_means_nothing_there_is_refused_or_said")
    play(hosts, [DROP])
    assert ways.differences(lab, hosts, expected.as_docker_leaves_it) == []
    outwards.restart_engine(hosts[0])
    assert toggled.policy(hosts[0]) == "DROP"


@pytest.mark.drill
def test_back_to_the_policy_before(own):
    lab, hosts = own
    boot.protect(hosts)
    before = boot.owned(hosts[0]).partition("== files")[0]
    play(hosts, [policies.task(boot.allowing(8081))])
    assert boot.owned(hosts[0]).partition("== files")[0] != before
    playbook(hosts, "drawbridge.docker.rollback")
    assert boot.owned(hosts[0]).partition("== files")[0] == before
    look = reach.Onlooker(lab, hosts)
    assert look.serves("allowed", reach.v4(8080)) and look.turns_away("allowed", reach.v4(8081))
