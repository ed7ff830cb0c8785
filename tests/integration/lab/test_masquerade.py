# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Masquerading off, on and by another address, told by the address that a server outside sees."""
import pytest

from tests.integration.lab.support import firewall, outwards, ways, workloads
from tests.integration.lab.support.playbook import play
from tests.lab.api import Probe

OFF = {"drawbridge.docker.masquerade": {"networks": {outwards.NETWORK: False}}}
ABSENT = {"drawbridge.docker.masquerade": {"state": "absent"}}
SECOND = {"drawbridge.docker.masquerade": {"networks": {outwards.NETWORK: ["{{ second4 }}", "{{ second6 }}"]}}}


@pytest.fixture(name="travelling")
def hosts_with_containers(manageable):
    """The hosts, each with a network and containers of its own, and the way back to them."""
    ways.on_all(manageable, outwards.allow_replies)
    ways.on_all(manageable, outwards.make)
    with outwards.routes_back(manageable):
        yield manageable


def inside(host):
    """What a container reaches of its network and of the host, and as whom."""
    found = host.containers()
    traveller, neighbour = found[outwards.NAME], found[outwards.NEIGHBOUR]
    probes = [Probe("tcp", neighbour.v4, 80), Probe("tcp", neighbour.v6, 80), Probe("tcp", traveller.gateway, 9000),
              Probe("tcp", host.spec.v4, 9000), Probe("tcp", host.spec.v4, 8080)]
    return [(result.state, result.text) for result in traveller.probe(probes)]


def test_off_shows_the_container_and_lasts(travelling):
    hosts = travelling
    outside = outwards.hosts_own(hosts)
    assert outwards.all_see(hosts, outside) == outside
    within = ways.on_all(hosts, inside)
    before = ways.dumps(hosts)
    predicted = play(hosts, [OFF], check=True)
    assert ways.dumps(hosts) == before
    done = play(hosts, [OFF])
    for host in hosts:
        assert done.last(host.name)["diff"] == predicted.last(host.name)["diff"]
    assert set(done.changed().values()) == {True}
    own, own6 = outwards.own(hosts), outwards.own(hosts, "v6")
    assert outwards.all_see(hosts, own) == own and outwards.all_see(hosts, own6, "v6") == own6
    assert ways.on_all(hosts, inside) == within
    assert set(play(hosts, [OFF]).changed().values()) == {False}
    ways.on_all(hosts, lambda host: workloads.network(host, "later"))
    assert outwards.all_see(hosts, own) == own
    ways.on_all(hosts, outwards.restart_engine)
    own = outwards.own(hosts)
    assert outwards.all_see(hosts, own) == own
    assert set(play(hosts, [OFF]).changed().values()) == {False}
    assert set(play(hosts, [ABSENT]).changed().values()) == {True}
    assert outwards.all_see(hosts, outside) == outside
    assert set(play(hosts, [ABSENT]).changed().values()) == {False}


def test_without_a_route_back_off_cuts_containers_off(manageable):
    hosts = manageable
    ways.on_all(hosts, outwards.make)
    outside = outwards.hosts_own(hosts)
    assert outwards.all_see(hosts, outside) == outside
    play(hosts, [OFF])
    assert outwards.all_see(hosts, outwards.nobody(hosts)) == outwards.nobody(hosts)
    play(hosts, [ABSENT])
    assert outwards.all_see(hosts, outside) == outside


@pytest.mark.drill
def test_by_hand_and_without_nft(travelling):
    a_deleted_rule_is_back_with_the_engine(travelling[0])
    without_nft_a_chain_does_it_until_docker_stands_above(travelling[0])


def a_deleted_rule_is_back_with_the_engine(host):
    firewall.by_hand(host, "iptables -t nat -D POSTROUTING -s %s ! -o %s -j MASQUERADE"
                     % (outwards.subnets(host)["-4"], bridge(host)))
    own = outwards.own([host])
    assert outwards.all_see([host], own) == own
    outwards.restart_engine(host)
    outside = outwards.hosts_own([host])
    assert outwards.all_see([host], outside) == outside


def bridge(host):
    return "br-" + host.run(["docker", "network", "inspect", "--format", "{{.Id}}", outwards.NETWORK]).stdout[:12]


@pytest.mark.drill
def test_addresses_parts_and_networks_made_anew(travelling):
    a_given_address_in_both_families(travelling)
    narrowest_first(travelling)
    a_network_made_anew_is_followed(travelling)


def a_given_address_in_both_families(hosts):
    variables = {host.name: {"second4": host.spec.v4_second, "second6": host.spec.v6_second} for host in hosts}
    play(hosts, [SECOND], host_vars=variables)
    for family in ("v4", "v6"):
        second = outwards.hosts_own(hosts, family + "_second")
        assert outwards.all_see(hosts, second, family) == second
    assert set(play(hosts, [SECOND], host_vars=variables).changed().values()) == {False}


def narrowest_first(hosts):
    inner = {host.name: {"part": outwards.own([host])[host.name] + "/32"} for host in hosts}
    play(hosts, [{"drawbridge.docker.masquerade": {"all": False, "subnets": {"10.98.0.0/16": True}}}])
    outside = outwards.hosts_own(hosts)
    assert outwards.all_see(hosts, outside) == outside
    task = {"drawbridge.docker.masquerade": {"all": True, "subnets": "{{ {part: false} }}"}}
    play(hosts, [task], host_vars=inner)
    own = outwards.own(hosts)
    assert outwards.all_see(hosts, own) == own
    assert outwards.all_see(hosts, outside, name=outwards.NEIGHBOUR) == outside


def a_network_made_anew_is_followed(hosts):
    play(hosts, [OFF])
    ways.on_all(hosts, outwards.unmake)
    gone = play(hosts, [OFF])
    for host in hosts:
        assert "no such Docker bridge network" in gone.output
        assert "drawbridge-masquerade" not in host.run(["nft", "list", "tables"]).stdout
    ways.on_all(hosts, outwards.make)
    assert set(play(hosts, [OFF]).changed().values()) == {True}
    own = outwards.own(hosts)
    assert outwards.all_see(hosts, own) == own


def test_off_on_engines_that_drop_replies_is_a_warning(manageable):
    """From 28 on the container's own address is seen outside, and Docker's raw table keeps the answers from it."""
    hosts = [host for host in manageable if int(host.engine_version().split(".")[0]) >= 28]
    for host in hosts:
        outwards.make(host)
        with outwards.routes_back([host]):
            assert outwards.arriving(host) == host.spec.v4
            done = play([host], [OFF])
            assert "allow-direct-routing" in done.output
            assert outwards.arriving(host) == outwards.own([host])[host.name]
            assert outwards.all_see([host], outwards.nobody([host])) == outwards.nobody([host])
            outwards.allow_replies(host)
            own = outwards.own([host])
            assert outwards.all_see([host], own) == own
            assert "allow-direct-routing" not in play([host], [OFF]).output


def without_nft_a_chain_does_it_until_docker_stands_above(host):
    path = host.run(["sh", "-c", "command -v nft"]).stdout.strip()
    host.run(["mv", path, path + ".away"])
    try:
        done = play([host], [OFF])
        assert done.last(host.name)["persistent"] is False
        own = outwards.own([host])
        assert outwards.all_see([host], own) == own
        assert set(play([host], [OFF]).changed().values()) == {False}
        workloads.network(host, "later")
        assert firewall.rules(host, "POSTROUTING", "nat")[0].endswith("-j MASQUERADE")
        assert set(play([host], [OFF]).changed().values()) == {True}
        assert "DB-POST" in firewall.rules(host, "POSTROUTING", "nat")[0]
        assert outwards.all_see([host], own) == own
    finally:
        host.run(["mv", path + ".away", path])
    play([host], [OFF])
    assert "DB-POST" not in host.run(["iptables-save"]).stdout
    assert outwards.all_see([host], own) == own
