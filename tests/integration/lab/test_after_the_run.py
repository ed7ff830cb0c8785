# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What comes after the play ran, without another one: containers, networks, a restart of the engine."""
import pytest

from tests.integration.lab.support import expected, policies, ways, workloads
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE, OUTSIDE_SERVER_TCP

LATE, LATE_ALLOWED, LATE_NET6 = 8200, 8201, 8202


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    """Who is served on which way."""
    return Onlooker(lab, outermost)


def apply(look, policy):
    """Apply a policy that knows of one port that nothing publishes yet."""
    def with_late_port(spec):
        data = policy(spec)
        data["published_ports"]["allow"].append({"port": LATE_ALLOWED, "sources": ["@friends"]})
        return data

    wanted = policies.for_hosts(look.hosts, with_late_port)
    return play(look.hosts, [policies.POLICY], host_vars=wanted)


def test_ports_published_later(look):
    apply(look, policies.closed_services)
    on_all(look.hosts, lambda host: workloads.publish(host, "late", LATE))
    on_all(look.hosts, lambda host: workloads.publish(host, "late-allowed", LATE_ALLOWED))
    for way in (v4(LATE_ALLOWED), v6(LATE_ALLOWED)):
        assert look.serves("allowed", way)
        assert look.turns_away("denied", way)
    # v4 is DNATed; v6 is served by docker-proxy, which the denied host services close.
    for way in (v4(LATE), v6(LATE)):
        assert look.turns_away("denied", way)
        assert look.turns_away("allowed", way)


def test_ports_published_later_while_host_services_are_allowed(look):
    apply(look, policies.one_client)
    on_all(look.hosts, lambda host: workloads.publish(host, "late", LATE))
    for way in (v4(LATE), v6(LATE)):
        assert look.turns_away("denied", way)
    assert all(apply(look, policies.one_client).changed().values())
    for way in (v4(LATE), v6(LATE)):
        assert look.turns_away("denied", way)


def egress(host, name):
    container = host.containers()[name]
    return container.probe([Probe("tcp", OUTSIDE.v4, OUTSIDE_SERVER_TCP, timeout=3)])[0].open


def test_a_network_made_later_keeps_its_egress(look):
    apply(look, policies.closed_services)

    def later(host):
        workloads.network(host, "late-net", "--ipv6", "--subnet", "fd00:db8:99::/64")
        workloads.publish(host, "late-six", LATE_NET6, "late-net")
        workloads.run(host, "late-plain", "late-net")

    on_all(look.hosts, later)
    assert on_all(look.hosts, lambda host: egress(host, "late-plain")) == dict.fromkeys(look.everywhere, True)
    for way in (v4(LATE_NET6), v6(LATE_NET6)):
        assert look.turns_away("denied", way)
    # The way to the container's own address is closed by the name of its bridge, and once a run knows it; egress goes on.
    for _run in range(2):
        direct = [Probe("tcp", address, 80, mark=host.spec.number) for host in look.hosts
                  for address in (host.containers()["late-six"].v4, host.containers()["late-six"].v6)]
        assert not any(result.open for result in look.lab.clients["denied"].probe(direct))
        apply(look, policies.closed_services)
    assert on_all(look.hosts, lambda host: egress(host, "late-plain")) == dict.fromkeys(look.everywhere, True)


def test_the_rules_hold_over_a_restart_of_the_engine_and_new_networks(lab, look):
    apply(look, policies.one_client)
    on_all(look.hosts, lambda host: host.run(["systemctl", "restart", "docker"]))
    on_all(look.hosts, lambda host: host.wait_ready())
    assert ways.differences(lab, look.hosts, expected.one_client_allowed) == []
    on_all(look.hosts, lambda host: workloads.network(host, "late-net"))
    assert ways.differences(lab, look.hosts, expected.one_client_allowed) == []
