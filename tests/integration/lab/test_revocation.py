# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Long downloads of two clients, one of which loses its permission: its flows end at once, the other's lose nothing."""
import time

import pytest

from tests.integration.lab.support import policies, ways
from tests.integration.lab.support.downloads import downloads, serve
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import wait_for
from tests.integration.lab.support.ways import on_all

# Published port, container port, network: the same port and another; DNAT in IPv4, and in IPv6 where the network and the engine have that.
SERVERS = {"count": (8301, 80, "bridge"), "count-same": (8302, 8302, "bridge"), "count-six": (8303, 80, "net6"),
           "count-six-same": (8304, 8304, "net6")}
AFTER = 1.0


def policy(sources):
    entries = [{"port": port, "protocol": protocol, "sources": sources}
               for port, _inner, _network in SERVERS.values() for protocol in ("tcp", "udp")]
    return {"published_ports": {"default": "deny", "allow": entries}}


def apply(hosts, sources, **options):
    return play(hosts, [policies.task(policy(sources), **options)])


def places(host):
    return ["%s,%s,%d" % (protocol, address, port) for port, _inner, _network in SERVERS.values()
            for address in (host.spec.v4, host.spec.v6) for protocol in ("tcp", "udp")]


@pytest.fixture(name="counting")
def counting_hosts(manageable):
    """Hosts with servers that count, open to both clients."""
    for name, place in SERVERS.items():
        on_all(manageable, lambda host, name=name, place=place: serve(host, name, *place))
    apply(manageable, policies.ALLOWED + policies.DENIED)
    return manageable


def held(host, client):
    """Connections of a client that processes of the host have open."""
    words = "( dst %s or dst [%s] ) and ( %s )" % (client.spec.v4, client.spec.v6, " or ".join("sport = :%d" % server[0] for server in SERVERS.values()))
    return host.run(["ss", "-H", "-n", "-t", "state", "connected", words]).stdout


def open_in(container):
    """Connections that a container has from its gateway, which is docker-proxy."""
    return container.run(["ss", "-H", "-n", "-t", "state", "established", "( sport = :8302 and dst %s )" % container.gateway]).stdout.splitlines()


def a_second_later(revoked, moment):
    """What a client has had a second after a change: what was on its way is there."""
    wait_for(lambda: time.monotonic() > moment + AFTER, "a second")
    return revoked.now()


@pytest.mark.parametrize("way", [ways.PLAIN, pytest.param(ways.SKIPPED, marks=pytest.mark.drill)])
def test_the_revoked_client_s_downloads_end_and_the_other_s_lose_nothing(lab, counting, tell, way):
    everywhere = [place for host in counting for place in places(host)]
    with ways.rules_of_others(counting, ways.commands_of(way)):
        with downloads(lab.clients["allowed"], everywhere) as kept, downloads(lab.clients["denied"], everywhere) as revoked:
            kept.go_on(100)
            revoked.go_on(100)
            run = apply(counting, policies.ALLOWED)
            done = time.monotonic()
            kept.go_on(100)
            at_a_second = a_second_later(revoked, done)
            kept.go_on(300)
            ended, went_on = revoked.now(), kept.now()
            for host in counting:
                assert held(host, lab.clients["denied"]) == "" != held(host, lab.clients["allowed"])
                # Nor does the container hold what docker-proxy held for the revoked client: IPv6's, and with DNAT skipped IPv4's.
                container = host.containers()["count-same"]
                assert len(open_in(container)) == (2 if way == ways.SKIPPED else 1)
    late = {place: one for place, one in ended.items() if one.count != at_a_second[place].count}
    tell("%s: %d flows of the revoked client: last byte %.2f s before the play was over, %d went on; %d flows of the other: %d numbers, %d missing"
         % (way or "DNAT and docker-proxy", len(ended), done - max(one.last for one in ended.values()), len(late), len(went_on),
            sum(one.count for one in went_on.values()), sum(one.missing for one in went_on.values())))
    assert late == {}
    assert not any(one.missing or one.ended for one in went_on.values())
    for host in counting:
        assert run.last(host.name)["connections_closed"] == len(places(host))
        assert not run.last(host.name).get("warnings")


def test_kept_flows_go_on_until_a_run_that_ends_them(lab, counting):
    everywhere = [place for host in counting for place in places(host)]
    with downloads(lab.clients["denied"], everywhere) as revoked:
        revoked.go_on(50)
        run = apply(counting, policies.ALLOWED, revoke="keep")
        assert all("connections_closed" not in run.last(host.name) for host in counting)
        revoked.go_on(100)
        # New ones are judged.
        with pytest.raises(AssertionError), downloads(lab.clients["denied"], everywhere[:1]):
            pass
        run = apply(counting, policies.ALLOWED)
        assert [run.last(host.name)["connections_closed"] for host in counting] == [len(places(host)) for host in counting]
        before = a_second_later(revoked, time.monotonic())
        with downloads(lab.clients["allowed"], everywhere) as kept:
            kept.go_on(200)
        assert {place: one.count for place, one in revoked.now().items() if one.count != before[place].count} == {}


def test_a_client_that_is_allowed_again_gets_its_answers_again(lab, counting):
    host = counting[0]
    # DNATed: docker-proxy forgets a client whose answer it cannot send, and hears from it anew.
    mine = [place for place in places(host) if place.startswith("udp,%s," % host.spec.v4)]
    with downloads(lab.clients["denied"], mine) as revoked:
        revoked.go_on(50)
        apply([host], policies.ALLOWED)
        assert "drawbridge-cut" in host.run(["nft", "list", "tables"]).stdout
        apply([host], policies.ALLOWED + policies.DENIED)
        revoked.go_on(50)
    assert "drawbridge-cut" not in host.run(["nft", "list", "tables"]).stdout


@pytest.mark.drill
def test_check_mode_counts_and_cuts_nothing(lab, counting):
    with downloads(lab.clients["denied"], places(counting[0])) as revoked:
        revoked.go_on(50)
        run = play(counting[:1], [policies.task(policy(policies.ALLOWED))], check=True)
        assert run.last(counting[0].name)["connections_closed"] == len(places(counting[0]))
        revoked.go_on(50)


@pytest.mark.drill
def test_without_the_means_it_says_so(lab, counting):
    host = counting[0]
    with downloads(lab.clients["denied"], places(host)) as revoked:
        revoked.go_on(50)
        host.run(["sh", "-c", "for p in ss nft; do mv $(command -v $p) /root/$p.away; done"])
        try:
            run = apply([host], policies.ALLOWED)
        finally:
            host.run(["sh", "-c", "mv /root/ss.away /usr/bin/ss; mv /root/nft.away /usr/sbin/nft"])
    words = str(run.last(host.name)["warnings"])
    assert "ss is not installed" in words and "nft is not installed" in words
    assert run.last(host.name)["connections_closed"] == len(places(host))
