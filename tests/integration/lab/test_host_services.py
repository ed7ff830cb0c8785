# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Services of the host denied by default: what a host cannot do without goes on."""
from contextlib import ExitStack, contextmanager

import pytest

from tests.integration.lab.support import expected, policies, senders, ways
from tests.integration.lab.support.background import on_host, ssh_session
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe
from tests.lab.layout import CLIENTS, OUTSIDE, ROUTER
from tests.lab.sh import in_netns, run

SMALL_MTU = "1300"


def apply(hosts):
    return play(hosts, [policies.POLICY], host_vars=policies.for_hosts(hosts, policies.closed_services))


@pytest.fixture(name="look")
def closed_hosts(lab, manageable):
    """All hosts under a policy that denies their services."""
    apply(manageable)
    return Onlooker(lab, manageable)


def test_who_reaches_what(lab, look):
    assert ways.differences(lab, look.hosts, expected.services_closed) == []
    # SSH from the controller goes on: this run goes over it.
    assert not any(apply(look.hosts).changed().values())


def test_closed_ports_are_reported_to_the_host(look):
    """Also where the host's own datagrams are not tracked, so that the error is related to nothing."""
    untracked = ["%s -t raw -I OUTPUT -p udp -m udp --dport 9 -j CT --notrack" % program
                 for program in ("iptables", "ip6tables")]
    with ways.rules_of_others(look.hosts, untracked):
        for address in (OUTSIDE.v4, OUTSIDE.v6):
            found = on_all(look.hosts, lambda host: host.probe([Probe("udp", address, 9, timeout=3)])[0].state)
            assert found == dict.fromkeys(look.everywhere, "refused")


@contextmanager
def narrow_way():
    """The router's way to the outside carries less than the LAN."""
    told = run(in_netns(ROUTER.netns, ["ip", "-o", "route", "get", OUTSIDE.v4])).stdout
    route = [OUTSIDE.v4 + "/32", "dev", told.split(" dev ")[1].split()[0]]
    run(in_netns(ROUTER.netns, ["ip", "route", "add", *route, "mtu", "lock", SMALL_MTU]))
    try:
        yield
    finally:
        run(in_netns(ROUTER.netns, ["ip", "route", "del", *route]))


def test_path_mtu_discovery(look):
    with narrow_way():
        on_all(look.hosts, lambda host: host.run(["python3", "-c", senders.LEARN_MTU, OUTSIDE.v4, SMALL_MTU]))
    on_all(look.hosts, lambda host: host.run(["ip", "route", "flush", "cache"]))


def test_ipv6_neighbour_discovery(look):
    on_all(look.hosts, lambda host: host.run(["ip", "-6", "neigh", "flush", "dev", "eth0"]))
    for name in ("allowed", "controller"):
        run(in_netns(CLIENTS[name].netns, ["sh", "-c", "ip -6 neigh flush all"]))
    assert look.serves("allowed", v6(8080))
    assert look.serves("controller", v6(22))
    host_to_client = Probe("tcp", CLIENTS["outside"].v6, 8000, timeout=3)
    assert all(on_all(look.hosts, lambda host: host.probe([host_to_client])[0].open).values())


def test_dhcp_client(look):
    with ExitStack() as stack:
        listeners = [stack.enter_context(on_host(host, ["python3", "-c", senders.LISTEN, "68"])) for host in look.hosts]
        assert [listener.stdout.readline() for listener in listeners] == ["ready\n"] * len(listeners)
        run(in_netns(CLIENTS["denied"].netns, ["python3", "-c", senders.OFFER, *(host.spec.v4 for host in look.hosts)]))
        told = [listener.stdout.read().split() for listener in listeners]
    assert told == [["offer", "end"]] * len(listeners)


def test_open_connections_go_on(lab, manageable):
    denied = lab.clients["denied"]
    with ExitStack() as stack:
        sessions = [stack.enter_context(ssh_session(denied, host)) for host in manageable]
        assert all(session.answers("before") for session in sessions)
        apply(manageable)
        assert all(session.answers("after") for session in sessions)
        look = Onlooker(lab, manageable)
        assert look.serves("controller", v4(22))
        assert look.turns_away("denied", v4(22))
        assert all(session.answers("still there") for session in sessions)
