# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What container_port ends when it closes a port, and what it refuses to open."""
import re

import pytest

from tests.integration.lab.support import workloads
from tests.integration.lab.support.downloads import count, downloads
from tests.integration.lab.support.firewall import written
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, wait_for
from tests.integration.lab.support.ways import dumps, on_all
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

ALLOWED, DENIED = CLIENTS["allowed"], CLIENTS["denied"]
# The host's port and the container's: another, and the same, where conntrack could make a flow anew from a packet of the container.
PLACES = {"count": (7700, 80), "count-same": (7777, 7777)}


def task(**arguments):
    return {"drawbridge.docker.container_port": {"port": 8990, "container_port": 80, "sources": ["any"], **arguments}}


def closed(port, **arguments):
    return {"drawbridge.docker.container_port": {"port": port, "state": "absent", **arguments}}


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    return Onlooker(lab, outermost)


def refused(look, *tasks):
    """The messages of the last task, which has to fail and to change nothing."""
    before = dumps(look.hosts)
    failed = play(look.hosts, list(tasks), fails=True).failed()
    assert set(failed) == look.everywhere
    assert dumps(look.hosts) == before
    return set(failed.values())


def moved(look, state):
    """The tasks for all servers and protocols."""
    return [task(name=name, port=port, container_port=inner, protocol=protocol, state=state)
            for name, (port, inner) in PLACES.items() for protocol in ("tcp", "udp")]


def test_open_connections_end_with_the_port(look):
    """The servers send all the time, asked or not, and would be heard of by their clients if only the rules went."""
    for name, (_port, inner) in PLACES.items():
        on_all(look.hosts, lambda host, name=name, inner=inner: count(host, name, inner))
    before = dumps(look.hosts)
    play(look.hosts, moved(look, "present"))
    places = ["%s,%s,%d" % (protocol, host.spec.v4, port)
              for host in look.hosts for port, _inner in PLACES.values() for protocol in ("tcp", "udp")]
    with downloads(look.lab.clients["denied"], places) as taken:
        taken.go_on(100)
        play(look.hosts, moved(look, "absent"))
        assert dumps(look.hosts) == before
        wait_for(lambda: all(one.ended for place, one in taken.now().items() if place.startswith("tcp")), "TCP ends")
        # What a UDP server still sends is its own: nothing that the client sends to the host's port comes to it.
        assert on_all(look.hosts, led_to_containers) == {host.name: [] for host in look.hosts}


def led_to_containers(host):
    """The flows that conntrack has between the denied client and a container, at one of the ports."""
    inside = [host.containers()[name].v4 for name in PLACES]
    dialled = r"src=%s dst=%s sport=\d+ dport=(?:%s) " % (DENIED.v4, host.spec.v4, "|".join(str(port) for port, _inner in PLACES.values()))
    return [
        line for line in host.run(["conntrack", "-L"]).stdout.splitlines()
        if re.search(dialled, line) and any("=%s " % address in line for address in inside) and " CLOSE " not in line
    ]


@pytest.mark.drill
def test_the_container_s_own_published_and_other_ports_stay(look):
    """Only who came in through the closed port is cut off."""
    for host in look.hosts:
        count(host, "count", 80)
    play(look.hosts, [task(name="count"), task(name="count", port=8991)])
    stays = ["tcp,%s,8991" % host.spec.v4 for host in look.hosts]
    with downloads(look.lab.clients["allowed"], stays) as kept:
        kept.go_on(100)
        play(look.hosts, [closed(8990)])
        kept.go_on(200)
        assert not any(one.ended or one.missing for one in kept.now().values())


def test_a_client_that_is_taken_off_the_list_is_cut_off(look):
    for host in look.hosts:
        count(host, "count", 80)
    places = ["tcp,%s,8990" % host.spec.v4 for host in look.hosts]
    play(look.hosts, [task(name="count", sources=[ALLOWED.v4, DENIED.v4])])
    with downloads(look.lab.clients["allowed"], places) as kept, downloads(look.lab.clients["denied"], places) as revoked:
        kept.go_on(100)
        revoked.go_on(100)
        play(look.hosts, [task(name="count", sources=[ALLOWED.v4])])
        kept.go_on(100)
        stopped = revoked.now()
        kept.go_on(200)
        assert {place: one.count for place, one in revoked.now().items()} == {place: one.count for place, one in stopped.items()}
        assert not any(one.missing for one in kept.now().values())


def test_ports_that_somebody_has(look):
    """Who has it is named; on another address, or for another protocol, it can be opened."""
    container = {"name": "web"}
    assert refused(look, task(port=8080, **container)) == {
        "port: port 8080/tcp cannot be opened: container 'web' publishes it (choose another port, or free this one first)"}
    assert all("container 'udp' publishes it" in text for text in refused(look, task(port=5300, protocol="udp", **container)))
    assert all("listens there" in text and "(process " in text for text in refused(look, task(port=9000, **container)))
    for host in look.hosts:
        # one publishes 8082 on the second address, a service of the host has it on the first.
        for address, who in ((host.spec.v4_second, "container 'one' publishes it"), (host.spec.v4, "(process ")):
            (message,) = play([host], [task(port=8082, address=address, **container)], fails=True).failed().values()
            assert who in message and "port 8082/tcp of %s cannot be opened" % address in message
    # Published on the loopback only.
    opened = [task(port=8090, **container), task(port=5300, **container)]
    play(look.hosts, opened)
    for port in (8090, 5300):
        assert look.serves("allowed", v4(port))
    assert all("a task opened it for other containers" in text for text in refused(look, task(port=8090, name="peer")))
    bound = [play([host], [task(port=8090, address=host.spec.v4, **container)], fails=True).failed()[host.name] for host in look.hosts]
    assert all("it is opened already and leads to" in text and "DB-PUBLISH-tcp-8090" in text for text in bound)


@pytest.mark.drill
def test_containers_that_no_port_can_lead_to(look):
    def start(host):
        for name, options in (("hosted", ["--network", "host"]), ("alone", ["--network", "none"]), ("joined", ["--network", "container:web"])):
            host.run(["docker", "run", "--detach", "--name", name, *options, IMAGE, "answer", name, "tcp,127.0.0.1,8999"])
        host.run(["docker", "create", "--name", "still", IMAGE, "true"])
        host.run(["docker", "network", "create", "--internal", "inner"])
        workloads.run(host, "shut", "inner")

    on_all(look.hosts, start)
    said = {
        "hosted": "container 'hosted' is on the host's network: what it serves is the host's own",
        "alone": "container 'alone' has no network",
        "still": "no container runs that matches: 'still' is created",
        "nobody": "no container matches",
        "shut": "container 'shut' is on the internal network 'inner', where it has no way back to who is not on it",
    }
    for name, message in said.items():
        assert all(text.startswith(message) for text in refused(look, task(name=name)))
    label = "com.example.lab"
    on_all(look.hosts, lambda host: [host.run(["docker", "run", "--detach", "--label", label, IMAGE, "answer", "x"]) for _number in range(2)])
    assert all(text.startswith("2 containers match, and a port leads to one: ") for text in refused(look, {
        "drawbridge.docker.container_port": {"label": [label], "port": 8990, "container_port": 80, "sources": ["any"]}}))
    assert not any(play(look.hosts, [task(name="nobody", on_missing="ignore")]).changed().values())
    # One that shares another's network is found by where that is.
    play(look.hosts, [task(name="joined", port=8995)])
    assert look.serves("denied", v4(8995))
    # The host answers for it, so that it has a way back.
    play(look.hosts, [task(name="shut", masquerade=True)])
    assert look.serves("denied", v4(8990))


HOSTILE = "'\"`$(touch /tmp/owned);\n-A INPUT -j ACCEPT\n../../%s" + "x" * 4000


def test_labels_of_somebody_hostile(look):
    def start(host):
        host.run(["docker", "run", "--detach", "--name", "evil", "--label", "com.example=" + HOSTILE, IMAGE,
                  "answer", "evil", "tcp,0.0.0.0,80"])

    on_all(look.hosts, start)
    before = {name: written(text) for name, text in dumps(look.hosts).items()}
    chosen = {"port": 8990, "container_port": 80, "sources": ["any"], "label": ["com.example=" + HOSTILE]}
    play(look.hosts, [{"drawbridge.docker.container_port": chosen}])
    assert look.serves("denied", v4(8990))
    for host in look.hosts:
        added = written(dumps([host])[host.name]) - before[host.name]
        assert all("8990" in line and "owned" not in line for line in added)
        assert host.run(["ls", "/tmp/owned"], check=False).returncode != 0
    play(look.hosts, [closed(8990)])
    assert {name: written(text) for name, text in dumps(look.hosts).items()} == before
