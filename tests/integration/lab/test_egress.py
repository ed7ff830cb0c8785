# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What containers reach: outside, on the host, and among themselves, by real connections on every engine."""
import pytest

from tests.integration.lab.support import outwards, reach, ways, workloads
from tests.integration.lab.support.playbook import play
from tests.lab import layout, probing
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE

TCP, UDP = layout.OUTSIDE_SERVER_TCP, layout.OUTSIDE_SERVER_UDP
SERVER = [OUTSIDE.v4, OUTSIDE.v6]
# Docker's own doing: bridges are isolated from each other, and only net6 has IPv6.
BEFORE = {
    "web": {"outside", "outside udp", "host", "same"}, "peer": {"outside", "outside udp", "host", "same"},
    "six": {"outside", "outside udp", "outside v6", "host"},
}


def egress(**said):
    return {"drawbridge.docker.container_egress": said}


ABSENT = egress(state="absent")


def reached(host, source):
    """What a container of the workload reaches."""
    found = host.containers()
    same = {"web": ("same", 8081), "peer": ("peer2", 80), "six": ("six", 1)}[source]
    probes = {
        "outside": Probe("tcp", OUTSIDE.v4, TCP), "outside udp": Probe("udp", OUTSIDE.v4, UDP),
        "outside v6": Probe("tcp", OUTSIDE.v6, TCP), "host": Probe("tcp", found[source].gateway, 9000),
        "same": Probe("tcp", found[same[0]].v4, same[1]),
        "other": Probe("tcp", found["peer" if source == "web" else "web"].v4, 80),
    }
    results = found[source].probe(list(probes.values()))
    return {name for name, result in zip(probes, results, strict=True) if result.open}


def everywhere(hosts, source):
    """What is reached on each host; the same on all, or the hosts by what they reach."""
    by_host = ways.on_all(hosts, lambda host: frozenset(reached(host, source)))
    return set(by_host.values()).pop() if len(set(by_host.values())) == 1 else by_host


def test_a_network_is_denied_and_lasts(outermost):
    hosts = outermost
    for source, before in BEFORE.items():
        assert everywhere(hosts, source) == before
    task = egress(networks={"backend": {"default": "deny"}, "net6": {"default": "deny", "host": "allow"}})
    dumps = ways.dumps(hosts)
    predicted = play(hosts, [task], check=True)
    assert ways.dumps(hosts) == dumps
    done = play(hosts, [task])
    for host in hosts:
        words, rules = predicted.last(host.name)["diff"]
        assert done.last(host.name)["diff"] == [words, rules] and "DB-EGT-n-backend" in rules["after"]
        assert words["before"].splitlines() == ["from all other containers: everything", "from all other containers to the host: everything"]
        assert words["after"].splitlines() == [
            "from network 'backend': nothing", "from network 'net6': nothing", "from all other containers: everything",
            "from network 'backend' to the host: nothing", "from network 'net6' to the host: everything",
            "from all other containers to the host: everything"]
    assert set(play(hosts, [task]).changed().values()) == {False}
    denied = {"web": BEFORE["web"], "peer": {"same"}, "six": {"host"}}
    for source, wanted in denied.items():
        assert everywhere(hosts, source) == wanted
    ways.on_all(hosts, lambda host: workloads.network(host, "later"))
    assert everywhere(hosts, "peer") == {"same"}
    ways.on_all(hosts, outwards.restart_engine)
    for source, wanted in denied.items():
        assert everywhere(hosts, source) == wanted
    play(hosts, [ABSENT])
    for source, before in BEFORE.items():
        assert everywhere(hosts, source) == before
    assert set(play(hosts, [ABSENT]).changed().values()) == {False}


@pytest.mark.drill
def test_exceptions_by_destination_port_protocol_and_set(manageable):
    hosts = manageable
    outside = {"destination": SERVER}
    for allow, wanted in (
        ([dict(outside, port=TCP)], {"outside", "same"}),
        ([dict(outside, port="8000-8001", protocol="udp")], {"outside udp", "same"}),
        ([{"destination": "203.0.113.0/24"}], {"outside", "outside udp", "same"}),
        ([{"destination": "192.0.2.0/24"}], {"same"}),
    ):
        play(hosts, [egress(networks={"backend": {"default": "deny", "allow": allow}})])
        assert everywhere(hosts, "peer") == wanted
    by_set = egress(default="deny", allow=[{"destination": "@far"}], host=[{"port": 9000}])
    play(hosts, [{"drawbridge.docker.address_set": {"name": "far", "entries": ["192.0.2.99"]}}, by_set])
    assert everywhere(hosts, "web") == {"same", "host"}
    changed = play(hosts, [{"drawbridge.docker.address_set": {"name": "far", "entries": SERVER}}, by_set])
    assert all(not changed.last(host.name)["changed"] for host in hosts)
    assert everywhere(hosts, "web") == {"same", "host", "outside", "outside udp"}
    assert everywhere(hosts, "six") == {"host", "outside", "outside udp", "outside v6"}
    play(hosts, [egress(deny=[{"destination": SERVER, "port": TCP}])])
    assert everywhere(hosts, "six") == {"host", "outside udp"}


def test_replies_pass_and_open_flows_are_cut(lab, manageable):
    hosts = manageable
    onlooker = reach.Onlooker(lab, hosts)
    flows = ways.on_all(hosts, kept_open)
    assert set(flows.values()) == {True}
    play(hosts, [egress(default="deny")])
    assert set(ways.on_all(hosts, kept_open).values()) == {False}
    for way in (reach.v4(8080), reach.v4(8083), reach.v6(8083), reach.v6(8080), reach.v4(8081)):
        assert onlooker.serves("allowed", way) and onlooker.serves("denied", way)


def kept_open(host):
    """Whether one and the same flow of datagrams, told by its source port, is still answered."""
    probe = Probe("udp", OUTSIDE.v4, UDP, source_port=40404)
    return host.containers()["web"].probe([probe])[0].open


@pytest.mark.drill
def test_single_containers(manageable):
    hosts = manageable
    play(hosts, [egress(containers=[{"name": "web", "default": "deny"}])])
    assert everywhere(hosts, "web") == {"same"}
    assert everywhere(hosts, "peer") == BEFORE["peer"]
    addresses = {host.name: {"address": host.containers()["peer"].v4} for host in hosts}
    by_address = [{"address": "{{ address }}", "default": "deny", "host": "allow"}, {"label": "none", "default": "deny"}]
    done = play(hosts, [egress(default="deny", peers="allow", containers=[*by_address, {"name": "web", "default": "allow"}])],
                host_vars=addresses)
    assert "no such container is running" in done.output
    assert everywhere(hosts, "peer") == {"same", "host"}
    assert everywhere(hosts, "web") == {"same", "outside", "outside udp", "host"}
    assert everywhere(hosts, "six") == set()


@pytest.mark.drill
def test_neighbours_where_the_kernel_shows_them(manageable):
    hosts = manageable
    peers = egress(networks={"bridge": {"peers": [{"port": 9}]}, "backend": {"peers": "deny"}})
    play(hosts, [peers])
    assert everywhere(hosts, "peer") == {"outside", "outside udp", "host"}
    assert everywhere(hosts, "web") == {"outside", "outside udp", "host"}
    play(hosts, [egress(networks={"bridge": {"peers": [{"port": 8081}]}})])
    assert everywhere(hosts, "web") == BEFORE["web"]
    host = hosts[0]
    setting = "net.bridge.bridge-nf-call-iptables"
    host.run(["sysctl", "-w", setting + "=0"])
    try:
        before = ways.dumps([host])
        refused = play([host], [peers], fails=True).failed()[host.name]
        assert setting + " is 0" in refused and "egress.networks.b" in refused
        assert ways.dumps([host]) == before
    finally:
        host.run(["sysctl", "-w", setting + "=1"])


def test_what_is_said_for_all_holds_for_a_network_made_later(manageable):
    hosts = manageable
    play(hosts, [egress(default="deny", host="allow")])
    ways.on_all(hosts, lambda host: workloads.network(host, "later"))
    ways.on_all(hosts, lambda host: workloads.run(host, "latecomer", "later"))

    def outside(host):
        return host.containers()["latecomer"].probe([Probe("tcp", OUTSIDE.v4, TCP)])[0].state

    assert set(ways.on_all(hosts, outside).values()) == {"silent"}
    assert set(ways.on_all(hosts, lambda host: host.vm_probe([Probe("tcp", OUTSIDE.v4, TCP)])[0].open).values()) == {True}
    play(hosts, [egress(default="deny", host="allow", networks={"later": {"default": "allow"}})])
    assert set(ways.on_all(hosts, outside).values()) == {"open"}


def test_a_denied_destination_is_denied_to_a_network_made_later(manageable):
    hosts = manageable
    play(hosts, [egress(deny=[{"destination": OUTSIDE.v4, "port": TCP}], host=[{"port": 1}])])
    ways.on_all(hosts, lambda host: workloads.network(host, "later"))
    ways.on_all(hosts, lambda host: workloads.run(host, "latecomer", "later"))

    def reached_by_the_latecomer(host):
        container = host.containers()["latecomer"]
        probes = [Probe("tcp", OUTSIDE.v4, TCP), Probe("udp", OUTSIDE.v4, UDP), Probe("tcp", container.gateway, 9000)]
        return tuple(result.open for result in container.probe(probes))

    assert set(ways.on_all(hosts, reached_by_the_latecomer).values()) == {(False, True, False)}


@pytest.mark.drill
def test_another_bridge_of_that_name_is_left_alone(manageable):
    """A LAN's bridge br-lan with a machine behind it forwards as before, though Docker's bridges are called br-, too."""
    host = manageable[0]
    host.run(["sh", "-ec", "ip netns add lan; ip link add br-lan type bridge; ip link add lan0 type veth peer name eth0 netns lan;"
              " ip link set lan0 master br-lan up; ip link set br-lan up; ip address add 10.77.0.1/24 dev br-lan;"
              " ip -n lan address add 10.77.0.2/24 dev eth0; ip -n lan link set eth0 up; ip -n lan route add default via 10.77.0.1;"
              " iptables -t nat -A POSTROUTING -s 10.77.0.0/24 ! -o br-lan -j MASQUERADE; iptables -A FORWARD -i br-lan -j ACCEPT;"
              " iptables -A FORWARD -o br-lan -j ACCEPT"])
    probe = Probe("tcp", OUTSIDE.v4, TCP)
    try:
        def lan():
            return probing.probe(lambda argv, input: host.run(["ip", "netns", "exec", "lan", *argv], input=input), [probe])[0].state
        assert lan() == "open"
        play([host], [egress(default="deny")])
        assert lan() == "open" and reached(host, "web") == {"same"}
    finally:
        host.run(["sh", "-c", "ip link delete br-lan; ip netns delete lan"])


@pytest.mark.parametrize("said, words", [
    ({"allow": [{"destination": "example.org"}], "default": "deny"}, "egress.allow[0].destination[0]"),
    ({"allow": [{"destination": "@nowhere"}], "default": "deny"}, "unknown address set"),
    ({"networks": {"backend": {"allow": [{"port": 70000}]}}}, "egress.networks.backend.allow[0].port"),
])
def test_bad_input_changes_nothing(manageable, said, words):
    host = manageable[0]
    before = ways.dumps([host])
    assert words in play([host], [egress(**said)], fails=True).failed()[host.name]
    assert ways.dumps([host]) == before
