# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""IP forwarding and FORWARD's policy on each engine: what administrators do by hand, what Docker makes of it, and the modules."""
import json

import pytest

from tests.integration.lab.support import firewall, outwards, toggled
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Lab

V4 = "net/ipv4/ip_forward"
OFF = {"drawbridge.docker.ip_forward": {"ipv4": False}}
ON = {"drawbridge.docker.ip_forward": {"ipv4": True}}
ABSENT = {"drawbridge.docker.ip_forward": {"state": "absent"}}
DROP = {"drawbridge.docker.forward_policy": {"ipv4": "DROP"}}
ACCEPT = {"drawbridge.docker.forward_policy": {"ipv4": "accept"}}
MAKES_NETWORKS_FORWARD = ("forky",)


@pytest.fixture(name="forwarding")
def hosts_that_keep_their_settings(outermost):
    """The hosts; single interfaces' settings are put back too."""
    yield outermost
    on_all(outermost, lambda host: host.run(["sh", "-c", "rm -f /etc/sysctl.d/*drawbridge*"]))
    for name in ("net/ipv4/conf/eth0/forwarding", "net/ipv6/conf/eth0/forwarding"):
        on_all(outermost, lambda host, name=name: toggled.set_by_hand(host, name, "1"))


def warned(run, host):
    return " ".join(run.last(host.name).get("warnings", []))


@pytest.mark.drill
def test_by_hand_docker_turns_it_on_again(forwarding):
    hosts = forwarding
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)
    on_all(hosts, lambda host: toggled.set_by_hand(host, V4, "0"))
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, False)
    toggled.new_networks(hosts, "after")
    again = [host for host in hosts if toggled.sysctl(host, V4) == "1"]
    assert [host.name for host in again] == [host.name for host in hosts if host.name in MAKES_NETWORKS_FORWARD]
    on_all(hosts, outwards.restart_engine)
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)


@pytest.mark.drill
def test_ip_forward_off_lasts_and_comes_back(forwarding):
    hosts = forwarding
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)
    predicted = play(hosts, [OFF], check=True)
    assert {toggled.sysctl(host, V4) for host in hosts} == {"1"}
    done = play(hosts, [OFF])
    for host in hosts:
        result = done.last(host.name)
        assert result["changed"] and result["restart_required"]
        assert result["diff"] == predicted.last(host.name)["diff"]
        assert "published over IPv4 are not reached" in warned(done, host) and "restarted" in warned(done, host)
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, False)
    on_all(hosts, outwards.restart_engine)
    toggled.new_networks(hosts, "first")
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, False)
    on_all(hosts, outwards.restart_engine)
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, False)
    client = Lab.load().clients["allowed"]
    published4, published6 = (toggled.reaches(client, lambda host, name=name: getattr(host.spec, name), 8080)
                              for name in ("v4", "v6"))
    assert not toggled.all_are(hosts, published4, False)
    assert not toggled.all_are(hosts, published6, True), "docker-proxy goes on"
    again = play(hosts, [OFF])
    assert [again.last(host.name)["changed"] or again.last(host.name)["restart_required"] for host in hosts] == [False] * len(hosts)
    on_all(hosts, lambda host: host.reboot())
    toggled.new_networks(hosts, "second")
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, False)
    assert set(play(hosts, [OFF]).changed().values()) == {False}

    assert set(play(hosts, [ON]).changed().values()) == {True}
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)
    on_all(hosts, outwards.restart_engine)
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)
    on_all(hosts, lambda host: host.reboot())
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)
    assert set(play(hosts, [ON]).changed().values()) == {False}

    assert set(play(hosts, [ABSENT]).changed().values()) == {True}
    for host in hosts:
        assert json.loads(host.run(["cat", "/etc/docker/daemon.json"]).stdout) == {}
        assert host.run(["sh", "-c", "ls /etc/sysctl.d"]).stdout.count("drawbridge") == 0
    assert set(play(hosts, [ABSENT]).changed().values()) == {False}


def test_what_is_demanded_and_what_is_ignored(forwarding):
    hosts = forwarding
    before = on_all(hosts, firewall.dump)
    required = {"drawbridge.docker.ip_forward": {"ipv4": False, "daemon_config": "require"}}
    failed = play(hosts, [required], fails=True).failed()
    assert all("does not say ip-forward: false" in failed[host.name] for host in hosts)
    assert {toggled.sysctl(host, V4) for host in hosts} == {"1"} and on_all(hosts, firewall.dump) == before
    ignored = play(hosts, [{"drawbridge.docker.ip_forward": {"ipv4": False, "daemon_config": "ignore"}}])
    assert all("Docker turns IP forwarding on again" in warned(ignored, host) for host in hosts)
    on_all(hosts, outwards.restart_engine)
    assert {toggled.sysctl(host, V4) for host in hosts} == {"1"}


def test_for_one_interface(forwarding):
    hosts = forwarding
    client = Lab.load().clients["allowed"]
    vm_server = toggled.reaches(client, lambda host: host.spec.vm, 8000)
    assert not toggled.all_are(hosts, vm_server, True)
    one = {"drawbridge.docker.ip_forward": {"ipv4": False, "interfaces": ["eth0"]}}
    assert set(play(hosts, [one]).changed().values()) == {True}
    assert not toggled.all_are(hosts, vm_server, False)
    assert {toggled.sysctl(host, "net/ipv4/conf/vmbr0/forwarding") for host in hosts} == {"1"}
    on_all(hosts, outwards.restart_engine)
    toggled.new_networks(hosts, "another")
    assert not toggled.all_are(hosts, vm_server, False)
    on_all(hosts, lambda host: host.reboot())
    assert not toggled.all_are(hosts, vm_server, False)
    assert set(play(hosts, [one]).changed().values()) == {False}
    # Turned on for the host, the kernel turns it on for every interface: what is kept for one is said again.
    on_all(hosts, lambda host: toggled.set_by_hand(host, V4, "0"))
    assert set(play(hosts, [ON]).changed().values()) == {True}
    assert not toggled.all_are(hosts, vm_server, False)
    assert {toggled.sysctl(host, V4) for host in hosts} == {"1"}


@pytest.mark.drill
def test_policy_of_forward(forwarding):
    hosts = forwarding
    client = Lab.load().clients["allowed"]
    # Forwarding that is not Docker's, and a container that publishes nothing, as far as rules of others let them.
    for host in hosts:
        firewall.by_hand(host, "iptables -D FORWARD -i vmbr0 -j ACCEPT", "iptables -D FORWARD -o vmbr0 -j ACCEPT")
    on_all(hosts, lambda host: host.run(["systemctl", "disable", "lab-vm-accept"]))
    try:
        vm_server = toggled.reaches(client, lambda host: host.spec.vm, 8000)
        unpublished = toggled.reaches(client, lambda host: host.containers()["peer"].v4, 80)
        # Docker closes the containers' own addresses by itself from 28 on.
        opened = [host for host in hosts if host.name not in MAKES_NETWORKS_FORWARD]
        # As on a host that forwarded before Docker came: open.
        for host in hosts:
            firewall.by_hand(host, "iptables -P FORWARD ACCEPT")
        states(hosts, opened, vm_server, unpublished, True)
        for task, is_open in ((DROP, False), (ACCEPT, True)):
            done = play(hosts, [task])
            assert set(done.changed().values()) == {True}
            assert set(play(hosts, [task]).changed().values()) == {False}
            if task is DROP:
                assert all("vmbr0" in warned(done, host) for host in hosts)
            states(hosts, opened, vm_server, unpublished, is_open)
            # Docker flips forwarding, and the policy with it, when it finds it off at its start.
            on_all(hosts, lambda host: toggled.set_by_hand(host, V4, "0"))
            on_all(hosts, outwards.restart_engine)
            states(hosts, opened, vm_server, unpublished, is_open)
        on_all(hosts, lambda host: host.reboot())
        states(hosts, opened, vm_server, unpublished, True)
        play(hosts, [DROP])
        # A host that forwards from boot on: Docker would leave the policy at ACCEPT.
        play(hosts, [ON])
        on_all(hosts, lambda host: host.reboot())
        states(hosts, opened, vm_server, unpublished, False)
        assert not toggled.all_are(hosts, toggled.container_reaches_outside, True), "Docker's rules accept that"
    finally:
        on_all(hosts, lambda host: host.run(["systemctl", "enable", "--now", "lab-vm-accept"]))


def states(hosts, opened, vm_server, unpublished, is_open):
    """Closed where the policy is DROP; open where it is ACCEPT and no rule of Docker's says otherwise."""
    assert not toggled.all_are(hosts, lambda host: toggled.policy(host) == "ACCEPT", is_open)
    assert not toggled.all_are(hosts, vm_server, is_open)
    assert not toggled.all_are(hosts, toggled.vm_reaches_outside, is_open)
    assert not toggled.all_are(opened, unpublished, is_open)
    assert not toggled.all_are(hosts, toggled.container_reaches_outside, True)
