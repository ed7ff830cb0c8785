# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Seed 001's experiment: a container that publishes nothing, opened while it runs and closed again, by real connections."""
import pytest

from tests.integration.lab.support import firewall, policies, workloads
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import TIMEOUT, Onlooker, answers, v4, v6, wait_for
from tests.integration.lab.support.ways import dumps, on_all
from tests.lab.api import Probe
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

PORT = 8990
ALLOWED, DENIED = CLIENTS["allowed"], CLIENTS["denied"]


def task(**arguments):
    given = {"name": "nginx", "port": PORT, "container_port": 80, "sources": ["any"], **arguments}
    return {"drawbridge.docker.container_port": given}


CLOSED = {"drawbridge.docker.container_port": {"port": PORT, "state": "absent"}}


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    """Hosts on which nginx runs on Docker's own bridge, and six2 with both families on net6; neither publishes anything."""
    def start(host):
        workloads.run(host, "nginx", "bridge")
        host.run(["docker", "run", "--detach", "--name", "six2", "--network", "net6", IMAGE, "answer", "six2", "tcp,0.0.0.0,80", "tcp,::,80"])
        for name, address in (("nginx", host.containers()["nginx"].v4), ("six2", host.containers()["six2"].v6)):
            wait_for(lambda: host.probe([Probe("tcp", address, 80)])[0].server == name, name)

    on_all(outermost, start)
    return Onlooker(lab, outermost)


def seen_by(source, *addresses, port=PORT):
    """From a host or a container: the server and the address that it saw, None where nobody answers."""
    results = source.probe([Probe("tcp", address, port, timeout=TIMEOUT) for address in addresses])
    return [(result.server, result.peer) if result.open else None for result in results]


def from_within(host, address, port=PORT):
    """From the host, and from containers: nginx itself, one on the same bridge, one on another."""
    inside = host.containers()
    sources = {"host": host, "itself": inside["nginx"], "same": inside["web"], "other": inside["peer"]}
    return {name: seen_by(source, address, port=port)[0] for name, source in sources.items()}


def test_a_container_is_opened_and_closed(look):
    before = dumps(look.hosts)
    assert look.turns_away("denied", v4(PORT))
    for host in look.hosts:
        assert set(from_within(host, host.spec.v4).values()) == {None}
    predicted = play(look.hosts, [task()], check=True)
    assert dumps(look.hosts) == before
    done = play(look.hosts, [task()])
    for host in look.hosts:
        assert predicted.last(host.name)["diff"] == done.last(host.name)["diff"]
        (container,) = done.last(host.name)["containers"]
        assert (container["name"], [end["ip_version"] for end in container["endpoints"]]) == ("nginx", ["ipv4"])
    assert predicted.changed() == done.changed() == dict.fromkeys(look.everywhere, True)
    assert "port 8990/tcp is not opened for IPv6: container 'nginx' has no such address" in " ".join(done.output.split())
    for who in ("allowed", "denied", "outside"):
        assert look.peers(who, v4(PORT)) == {CLIENTS[who].v4}
    for host in look.hosts:
        bridge = host.containers()["nginx"].gateway
        seen = from_within(host, host.spec.v4)
        # Docker masquerades what leaves a network of its own, the other container's too.
        assert seen == {"host": ("nginx", host.spec.v4), "itself": ("nginx", bridge), "same": ("nginx", bridge), "other": ("nginx", bridge)}
        assert seen_by(host, "127.0.0.1") == [None]
    assert not any(play(look.hosts, [task()]).changed().values())
    taken = play(look.hosts, [CLOSED])
    assert taken.changed() == dict.fromkeys(look.everywhere, True)
    assert dumps(look.hosts) == before
    assert look.turns_away("denied", v4(PORT))
    for host in look.hosts:
        assert set(from_within(host, host.spec.v4).values()) == {None}
    assert not any(play(look.hosts, [CLOSED]).changed().values())


def test_the_container_sees_the_host_when_told_so(look):
    play(look.hosts, [task(masquerade=True)])
    assert look.serves("allowed", v4(PORT))
    for host in look.hosts:
        bridge = host.containers()["nginx"].gateway
        (outside,) = answers(look.lab.clients["allowed"], [host], v4(PORT)).values()
        assert (outside.server, outside.peer) == ("nginx", bridge)
        assert set(from_within(host, host.spec.v4).values()) == {("nginx", bridge)}
    play(look.hosts, [task()])
    assert look.peers("allowed", v4(PORT)) == {ALLOWED.v4}


def by_family(host):
    """Rules and chains of each family. Not empty tables, which iptables of nftables makes when it looks."""
    return [firewall.written(firewall.plain(host.run([program]).stdout)) for program in ("iptables-save", "ip6tables-save")]


def test_both_families(look):
    before = on_all(look.hosts, by_family)
    play(look.hosts, [task(name="six2")])
    assert not any(play(look.hosts, [task(name="six2")]).changed().values())
    assert look.peers("denied", v4(PORT)) == {DENIED.v4}
    assert look.peers("denied", v6(PORT)) == {DENIED.v6}
    for host in look.hosts:
        # It is opened for both addresses of the host, and to who is on the container's own network.
        assert seen_by(host, host.spec.v6, host.spec.v6_second) == [("six2", host.spec.v6), ("six2", host.spec.v6_second)]
        ((server, peer),) = seen_by(host.containers()["six"], host.spec.v6)
        assert (server, peer) == ("six2", "fd00:db8:%d::1" % host.spec.number)
    play(look.hosts, [task(name="six2", ip_version="ipv4")])
    assert look.serves("denied", v4(PORT))
    assert look.turns_away("denied", v6(PORT))
    play(look.hosts, [CLOSED])
    assert on_all(look.hosts, by_family) == before


@pytest.mark.drill
def test_one_address_of_the_host(look):
    """Another container, or a service of the host, may have the port on another address."""
    for host in look.hosts:
        play([host], [task(port=8070, address=host.spec.v4), task(port=8070, name="peer", address=host.spec.v4_second)])
    found = {host.name: seen_by(look.lab.clients["allowed"], host.spec.v4, host.spec.v4_second, port=8070) for host in look.hosts}
    assert found == dict.fromkeys(look.everywhere, [("nginx", ALLOWED.v4), ("peer", ALLOWED.v4)])
    for host in look.hosts:
        play([host], [{"drawbridge.docker.container_port": {"port": 8070, "address": host.spec.v4, "state": "absent"}}])
    found = {host.name: seen_by(look.lab.clients["allowed"], host.spec.v4, host.spec.v4_second, port=8070) for host in look.hosts}
    assert found == dict.fromkeys(look.everywhere, [None, ("peer", ALLOWED.v4)])


@pytest.mark.drill
def test_udp(look):
    on_all(look.hosts, lambda host: host.run(["docker", "run", "--detach", "--name", "dns", IMAGE, "answer", "dns", "udp,0.0.0.0,53"]))
    play(look.hosts, [task(name="dns", protocol="udp", port=5390, container_port=53)])
    assert look.peers("allowed", v4(5390, "udp")) == {ALLOWED.v4}
    play(look.hosts, [{"drawbridge.docker.container_port": {"port": 5390, "protocol": "udp", "state": "absent"}}])
    assert look.turns_away("allowed", v4(5390, "udp"))


def test_sources(look):
    """Who is not on the list is turned away, containers among them; the host always may."""
    sets = {"drawbridge.docker.address_set": {"name": "friends", "entries": [ALLOWED.v4]}}
    many = ["198.51.100.%d" % number for number in range(1, 9)]
    for sources in ([ALLOWED.v4], ["@friends"], [ALLOWED.v4, *many]):
        play(look.hosts, [sets, task(sources=sources)])
        assert look.serves("allowed", v4(PORT))
        assert look.turns_away("denied", v4(PORT))
        for host in look.hosts:
            assert from_within(host, host.spec.v4) == {
                "host": ("nginx", host.spec.v4), "itself": None, "same": None, "other": None}
        assert not any(play(look.hosts, [sets, task(sources=sources)]).changed().values())
    play(look.hosts, [task(sources=[ALLOWED.v4, "172.17.0.0/16"])])
    for host in look.hosts:
        assert from_within(host, host.spec.v4)["same"] == ("nginx", host.containers()["nginx"].gateway)


def test_a_policy_that_denies_does_not_close_it(look):
    """Neither the guard, nor what the policy says about DNATed traffic, nor DOCKER-FILTER, whichever came first."""
    strict = {"drawbridge.docker.nat_filter_chain": {"unpublished": "deny", "allow": [{"port": 8080, "sources": ["any"]}]}}
    open_both = [task(), task(name="six2", port=PORT + 1)]
    for order in ([policies.POLICY, strict, *open_both], [*open_both, policies.POLICY, strict]):
        play(look.hosts, order, host_vars=policies.for_hosts(look.hosts, policies.closed_services))
        # IPv6 is hooked where the engine keeps no chain; a run puts that right.
        play(look.hosts, open_both)
        for way in (v4(PORT), v4(PORT + 1), v6(PORT + 1)):
            assert look.serves("denied", way)
        assert look.serves("allowed", v4(8080))
        assert look.turns_away("denied", v4(8080))
        tasks = [{"drawbridge.docker.container_port": {"port": port, "state": "absent"}} for port in (PORT, PORT + 1)]
        play(look.hosts, [*tasks, {"drawbridge.docker.host_policy": {"state": "absent"}}, {"drawbridge.docker.nat_filter_chain": {"state": "absent"}}])


@pytest.mark.drill
def test_no_way_past_what_a_container_may_reach(look):
    play(look.hosts, [task(), {"drawbridge.docker.container_egress": {"networks": {"backend": {"default": "deny"}}}}])
    assert look.serves("denied", v4(PORT))
    for host in look.hosts:
        seen = from_within(host, host.spec.v4)
        assert seen["other"] is None and seen["same"][0] == "nginx"


def test_it_follows_the_container_when_it_is_run_again(look):
    play(look.hosts, [task()])
    assert look.serves("denied", v4(PORT))
    old = {host.name: host.containers()["nginx"].v4 for host in look.hosts}

    def move(host):
        host.run(["docker", "stop", "--time", "0", "nginx"])
        workloads.run(host, "squatter", "bridge")
        host.run(["docker", "start", "nginx"])

    on_all(look.hosts, move)
    for host in look.hosts:
        assert host.containers()["squatter"].v4 == old[host.name] != host.containers()["nginx"].v4
    assert play(look.hosts, [task()]).changed() == dict.fromkeys(look.everywhere, True)
    found = answers(look.lab.clients["denied"], look.hosts, v4(PORT))
    assert {result.server for result in found.values()} == {"nginx"}
    # One that stopped leaves its address to others: the port may not lead there.
    on_all(look.hosts, lambda host: host.run(["docker", "stop", "--time", "0", "nginx"]))
    failed = play(look.hosts, [task()], fails=True).failed()
    assert set(failed.values()) == {
        "no container runs that matches: 'nginx' is exited (on_missing: ignore makes that no error)"}
    before = play(look.hosts, [task(on_missing="ignore")])
    assert before.changed() == dict.fromkeys(look.everywhere, True)
    assert not any("DB-" in text for text in dumps(look.hosts).values())
