# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook quarantine on real engines: a container is cut off on every way, stays so when it restarts, and is let go without a trace."""
import pytest

from tests.integration.lab.support.background import talk
from tests.integration.lab.support.following import service
from tests.integration.lab.support.playbook import play, playbook
from tests.integration.lab.support.reach import wait_for
from tests.integration.lab.support.ways import dumps, on_all
from tests.integration.lab.support.workloads import publish
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE, OUTSIDE_SERVER_TCP

PLAYBOOK = "drawbridge.docker.quarantine"
NAME, PORT = "victim", 8970
CUT = {"drawbridge_container": NAME, "drawbridge_reason": "INC-4711"}
AGAIN, LIFTED = {"name": NAME, "reason": "INC-4711"}, {"name": NAME, "state": "absent"}
TABLE = ["nft", "list", "set", "bridge", "drawbridge-quarantine", "ports"]


@pytest.fixture(name="hosts_with_one")
def hosts_with_one_to_cut_off(outermost):
    """The hosts with the oldest and the newest engine, each with a container that publishes a port, on a network with neighbours."""
    on_all(outermost, lambda host: publish(host, NAME, PORT))
    yield outermost
    on_all(outermost, lambda host: host.run(["docker", "rm", "--force", NAME]))


def ways(lab, host):
    """Which ways are open: outside by DNAT and by docker-proxy, the host, a neighbour there and back, and the way out.

    docker-proxy itself takes connections all the same: what counts is the container's answer.
    """
    running = host.containers()
    victim, neighbour = running[NAME], running["web"]
    outside = lab.clients["allowed"].probe([Probe("tcp", host.spec.v4, PORT), Probe("tcp", host.spec.v6, PORT)])
    own = victim.probe([Probe("tcp", neighbour.v4, 80), Probe("tcp", victim.gateway, 22), Probe("tcp", OUTSIDE.v4, OUTSIDE_SERVER_TCP)])
    return {
        "DNAT": outside[0].open, "docker-proxy": outside[1].server == NAME,
        "host": host.probe([Probe("tcp", victim.v4, 80)])[0].open, "neighbour": neighbour.probe([Probe("tcp", victim.v4, 80)])[0].open,
        "to neighbour": own[0].open, "to host": own[1].open, "outside": own[2].open,
    }


def still_works(host):
    """Whether docker exec does, and the container's own loopback."""
    ask = "import socket; print(socket.create_connection(('127.0.0.1', 80), 5).recv(99).decode())"
    return host.run(["docker", "exec", NAME, "python3", "-IS", "-c", ask]).stdout.startswith(NAME)


def opened(lab, hosts):
    """The ways that are open, by host."""
    return on_all(hosts, lambda host: sorted(way for way, is_open in ways(lab, host).items() if is_open))


def is_cut_off(host):
    """Whether the service has found the port of a container that started anew."""
    found = host.containers().get(NAME)
    return found is not None and "DB-QUARANTINE" in found.run(["iptables-save"], check=False).stdout and "veth" in host.run(TABLE, check=False).stdout


def test_a_container_is_cut_off_stays_so_and_is_let_go(lab, hosts_with_one):
    hosts = hosts_with_one
    play(hosts, [service()])
    before, rules = opened(lab, hosts), dumps(hosts)
    assert all(len(found) == 7 for found in before.values()), before
    places = ["%s,%d" % (address, PORT) for host in hosts for address in (host.spec.v4, host.spec.v6)]
    with talk(lab.clients["allowed"], places) as talking:
        done = playbook(hosts, PLAYBOOK, extra=CUT)
        assert talking.answered("still there?") == set()
    for host in hosts:
        last = done.last(host.name)
        assert last["holds"] == "over_restarts" and last["quarantine"]["reason"] == "INC-4711" and not last.get("warnings")
        assert last["containers"][0]["cut_off_by"] == ["namespace", "ports"]
    assert opened(lab, hosts) == dict.fromkeys(before, []) and all(on_all(hosts, still_works).values())
    on_all(hosts, lambda host: host.run(["docker", "restart", "--time", "0", NAME]))
    for host in hosts:
        wait_for(lambda host=host: is_cut_off(host), "%s: cut off again" % host.name)
    assert opened(lab, hosts) == dict.fromkeys(before, [])
    tasks = [{"drawbridge.docker.quarantine": arguments} for arguments in (AGAIN, LIFTED)]
    done = play(hosts, [{"drawbridge.docker.docker_firewall_info": {}}, *tasks])
    assert [[result["changed"] for result in done.of(host.name)] for host in hosts] == [[False, False, True]] * len(hosts)
    for host in hosts:
        (known,) = done.of(host.name)[0]["quarantines"]
        assert (known["selector"], known["reason"]) == ({"name": NAME}, "INC-4711")
    assert opened(lab, hosts) == before and dumps(hosts) == rules
    for host in hosts:
        assert host.run(["sh", "-c", "ls /var/lib/drawbridge/quarantines; nft list tables bridge"], check=False).stdout == ""
