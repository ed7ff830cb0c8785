# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""FORWARD's policy and forwarding per interface on a kernel, in a namespace of the test's own."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import forwarding
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.backend import Backends
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.boot import sysctl, sysctl_at_boot, unit
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings import forward_policy, ip_forward
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.forwarding import Forwarding
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import chain_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter

V4 = "net/ipv4/ip_forward"


@pytest.fixture(name="units")
def a_folder_for_units(tmp_path, monkeypatch):
    """systemd as a folder and a list of what it was told."""
    told = []
    folder = tmp_path / "system"
    folder.mkdir()
    monkeypatch.setattr(unit, "FOLDER", str(folder))
    monkeypatch.setattr(unit, "has_systemd", lambda system: True)
    monkeypatch.setattr(unit, "_systemctl", lambda system, *words: told.append(words))
    return folder, told


def change(host, wanted, kept=None):
    netfilter = Netfilter(host.system, host.variant)
    found = forward_policy.compare(netfilter, wanted, wanted if kept is None else kept)
    forward_policy.apply(netfilter, found)
    return found


def forward(host, family=4):
    return host.iptables("-S FORWARD", family).splitlines()


def test_rules_stay_where_the_policy_changes(host, units):
    host.iptables("-N X")
    host.iptables("-A X -j RETURN")
    host.iptables("-A FORWARD -s 192.0.2.1 -j X")
    for policy in ("DROP", "ACCEPT", "DROP"):
        found = change(host, {4: policy})
        assert found.after == {4: policy}
        assert forward(host) == ["-P FORWARD " + policy, "-A FORWARD -s 192.0.2.1/32 -j X"]
        assert forward(host, 6) == ["-P FORWARD ACCEPT"]
        assert not change(host, {4: policy}).changed
    assert host.iptables("-S X").splitlines() == ["-N X", "-A X -j RETURN"]


def test_units_say_what_the_kernel_has(host, units):
    folder, told = units
    change(host, {4: "DROP", 6: "ACCEPT"})
    drop, accept = (folder / (forward_policy.UNIT % name) for name in ("drop", "accept"))
    assert forward_policy.at_boot(host.system) == {4: "DROP", 6: "ACCEPT"}
    assert "Before=network-pre.target docker.service" in drop.read_text() and "PartOf=docker.service" in accept.read_text()
    assert ("reenable", drop.name) in told
    for line in drop.read_text().splitlines() + accept.read_text().splitlines():
        if line.startswith("ExecStart="):
            host.sh(*line.partition("=")[2].split())
    change(host, {6: "DROP"}, {4: "DROP", 6: "DROP"})
    assert not accept.exists() and forward_policy.at_boot(host.system) == {4: "DROP", 6: "DROP"}
    change(host, {}, {})
    assert os.listdir(str(folder)) == [] and forward(host)[0] == "-P FORWARD DROP"


def test_the_kernel_refuses_no_policy_that_is_ours(host):
    netfilter = Netfilter(host.system, host.variant)
    for policy in chain_policy.POLICIES:
        chain_policy.set_policies(netfilter, {4: policy, 6: policy})
    with pytest.raises(DrawbridgeError):
        chain_policy.set_policies(netfilter, {4: "REJECT"})
    assert forward(host)[0] == "-P FORWARD DROP"


def test_both_families_or_none(host, monkeypatch):
    netfilter = Netfilter(host.system, host.variant)
    write = netfilter.transport.restore

    def only_ipv4(family, text):
        if family == 6:
            raise DrawbridgeError("no")
        write(family, text)

    monkeypatch.setattr(netfilter.transport, "restore", only_ipv4)
    with pytest.raises(DrawbridgeError, match="no; nothing was changed"):
        chain_policy.set_policies(netfilter, {4: "DROP", 6: "DROP"})
    assert forward(host)[0] == forward(host, 6)[0] == "-P FORWARD ACCEPT"


@pytest.fixture(name="place")
def a_host_with_interfaces(namespace, tmp_path, monkeypatch):
    """A host without Docker, with two interfaces, one of them named to trouble."""
    monkeypatch.setattr(forwarding, "has_engine", lambda system: False)
    monkeypatch.setattr(sysctl, "LATER", ())
    for argv in (["ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0.100"],):
        assert os.spawnvp(os.P_WAIT, argv[0], argv) == 0
    from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

    return ip_forward.Host(System(), "set", False, str(tmp_path / "99-zz.conf"))


def value(place, name):
    return sysctl.value_now(place.system, name)


def test_per_interface_and_for_the_host(place):
    sysctl.set_now(V4, "1")
    wanted = [Forwarding({4: False}, ("b0.100",))]
    done = ip_forward.keep(place, wanted)
    assert done.changed and value(place, "net/ipv4/conf/b0.100/forwarding") == "0" and value(place, "net/ipv4/conf/a0/forwarding") == "1"
    assert not ip_forward.keep(place, wanted).changed
    # Another value for the host is an order to all: what is kept for one is said again.
    ip_forward.keep(place, [Forwarding({4: False})])
    assert value(place, "net/ipv4/conf/a0/forwarding") == "0"
    done = ip_forward.keep(place, [Forwarding({4: True})])
    assert value(place, "net/ipv4/conf/a0/forwarding") == "1" and value(place, "net/ipv4/conf/b0.100/forwarding") == "0"
    assert not ip_forward.keep(place, [Forwarding({4: True})]).changed
    assert "net/ipv4/conf/b0.100/forwarding" not in done.after


def test_off_for_the_host_is_off_for_interfaces_that_somebody_turned_on(place):
    """The kernel asks the interface that a packet comes in by, and it alone."""
    for setting in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
        sysctl.set_now(setting, "0")
    stray = ["net/%s/conf/%s/forwarding" % where for where in (("ipv4", "a0"), ("ipv4", "default"), ("ipv6", "a0"))]
    for setting in stray:
        sysctl.set_now(setting, "1")
    wanted = [Forwarding({4: False, 6: False})]
    predicted = ip_forward.keep(place._replace(check_mode=True), wanted)
    done = ip_forward.keep(place, wanted)
    assert {name: done.before[name] for name in stray} == dict.fromkeys(stray, "1")
    assert predicted.after == done.after and {value(place, name) for name in stray} == {"0"}
    assert not ip_forward.keep(place, wanted).changed
    # What is wanted of one interface is that interface's.
    sysctl.set_now("net/ipv4/conf/a0/forwarding", "1")
    one = [*wanted, Forwarding({4: True}, ("a0",))]
    ip_forward.keep(place, one)
    assert value(place, "net/ipv4/conf/a0/forwarding") == "1" and not ip_forward.keep(place, one).changed


def test_a_file_that_turns_an_interface_on_at_boot_is_named(place):
    """The kernel takes 0 for the host as an order only where the host had 1: what an earlier file said of one interface stays."""
    folder = os.path.dirname(place.boot_file)
    with open(os.path.join(folder, "50-lan.conf"), "w", encoding="ascii") as stream:
        stream.write("net.ipv4.conf.a0.forwarding = 1\nnet.ipv6.conf.a0.forwarding = 1\nnet/ipv4/conf/b0.100/forwarding = 0\n")
    named = "50-lan.conf: net/ipv4/conf/a0/forwarding = 1"
    warned = [text for text in ip_forward.keep(place, [Forwarding({4: False})]).warnings if "50-lan.conf" in text]
    assert len(warned) == 1 and named in warned[0]
    for wanted in ([Forwarding({4: True})], [Forwarding({4: False}), Forwarding({4: True}, ("a0",))], [Forwarding({4: False}, ("b0.100",))]):
        assert not any(named in text for text in ip_forward.keep(place, wanted).warnings)


def test_a_task_and_a_policy_do_not_fight_over_an_interface(place):
    """One owner's file turns the host off, the other's one interface on."""
    task = place._replace(boot_file=os.path.join(os.path.dirname(place.boot_file), os.path.basename(ip_forward.BOOT_FILE)))
    sysctl.set_now(V4, "0")
    ip_forward.keep(task, [Forwarding({4: True}, ("a0",))])
    assert not ip_forward.keep(place, [Forwarding({4: False})]).after and value(place, "net/ipv4/conf/a0/forwarding") == "1"


def test_ipv6_of_all_and_default(place):
    ip_forward.keep(place, [Forwarding({6: True})])
    assert value(place, "net/ipv6/conf/default/forwarding") == value(place, "net/ipv6/conf/a0/forwarding") == "1"
    os.spawnlp(os.P_WAIT, "ip", "ip", "link", "add", "later", "type", "bridge")
    assert value(place, "net/ipv6/conf/later/forwarding") == "1"


def test_check_mode_writes_nothing(place):
    sysctl.set_now(V4, "1")
    assert ip_forward.keep(place._replace(check_mode=True), [Forwarding({4: False})]).changed
    assert value(place, V4) == "1" and not os.path.exists(place.boot_file)


def test_an_interface_that_is_not_there_yet_waits_in_the_file(place):
    done = ip_forward.keep(place, [Forwarding({4: False}, ("wg0",))])
    assert "net/ipv4/conf/wg0/forwarding" in sysctl.read_boot(place.system, place.boot_file)
    assert any("when the interface comes up" in text for text in done.warnings)
    assert not ip_forward.keep(place, [Forwarding({4: False}, ("wg0",))]).changed


def test_the_file_is_what_sysctl_takes(place):
    sysctl.set_now(V4, "1")
    ip_forward.keep(place, [Forwarding({4: False, 6: True}, ("b0.100",))])
    sysctl.set_now("net/ipv4/conf/b0.100/forwarding", "1")
    assert os.spawnlp(os.P_WAIT, "sysctl", "sysctl", "-q", "-p", place.boot_file) == 0
    assert value(place, "net/ipv4/conf/b0.100/forwarding") == "0" and value(place, "net/ipv6/conf/b0.100/forwarding") == "1"


class Engine:
    """Has a host's engine told as one with the nftables backend, and its unit's own flags left alone."""

    def __init__(self, monkeypatch, running, coming, demands=True):
        for module in (ip_forward, forward_policy, forwarding):
            monkeypatch.setattr(module, "backends", lambda system, note="": Backends(running, coming, demands))


def words(done):
    return " | ".join(done.warnings)


@pytest.mark.parametrize("running, coming", [("nftables", "nftables"), ("iptables", "nftables"), ("nftables", "iptables")])
def test_off_beside_the_nftables_backend_stops_every_container(place, monkeypatch, running, coming):
    Engine(monkeypatch, running, coming)
    sysctl.set_now(V4, "1")
    assert "no container starts while IPv4 forwarding is off" in words(ip_forward.keep(place, [Forwarding({4: False})]))
    assert "no container starts" not in words(ip_forward.keep(place, [Forwarding({4: True})]))


def test_on_says_nothing_of_what_only_the_iptables_backend_does(place, monkeypatch):
    sysctl.set_now(V4, "0")
    says = "Docker sets the policy of FORWARD to DROP only when"
    assert says in words(ip_forward.keep(place._replace(check_mode=True), [Forwarding({4: True})]))
    Engine(monkeypatch, "nftables", "nftables")
    assert says not in words(ip_forward.keep(place, [Forwarding({4: True})]))


@pytest.mark.parametrize("check", [True, False])
def test_who_alone_turned_forwarding_on_says_what_leaving_means(place, monkeypatch, check):
    """An engine with the nftables backend does not start on a host that does not forward."""
    monkeypatch.setattr(ip_forward, "value_at_boot", lambda system, name, ours, ignored: sysctl_at_boot.value_at_boot(
        system, name, ours, ignored, [os.path.dirname(place.boot_file)]))
    says = "nothing turns IPv4 forwarding on at boot any more"
    ip_forward.keep(place, [Forwarding({4: True, 6: True})])
    place = place._replace(check_mode=check)
    assert says not in words(ip_forward.leave(place._replace(check_mode=True), [4, 6], []))
    Engine(monkeypatch, "nftables", "nftables")
    assert says not in words(ip_forward.leave(place._replace(check_mode=True), [6], []))
    with open(os.path.join(os.path.dirname(place.boot_file), "50-else.conf"), "w", encoding="ascii") as stream:
        stream.write("net.ipv4.conf.all.forwarding = 1\n")
    assert says not in words(ip_forward.leave(place._replace(check_mode=True), [4, 6], []))
    os.unlink(stream.name)
    assert says in words(ip_forward.leave(place, [4, 6], []))
    # Said by the run that brings it about.
    assert (says in words(ip_forward.leave(place, [4, 6], []))) == check


def test_drop_is_refused_before_anything_is_written(host, units, monkeypatch):
    for running, coming in (("nftables", "nftables"), ("iptables", "nftables"), ("nftables", "iptables"), (None, "nftables")):
        Engine(monkeypatch, running, coming)
        with pytest.raises(DrawbridgeError, match="cut all containers off"):
            change(host, {4: "DROP"})
        assert forward(host)[0] == "-P FORWARD ACCEPT" and os.listdir(str(units[0])) == []
    assert not change(host, {4: "ACCEPT"}).after
