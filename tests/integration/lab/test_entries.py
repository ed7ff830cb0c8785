# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Entries that name a container, end at a time, or limit connections: real connections, on each engine."""
import time

import pytest

from tests.integration.lab.support import firewall, policies
from tests.integration.lab.support.following import UNIT, service
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4, v6, wait_for
from tests.integration.lab.support.ways import on_all
from tests.lab.api import Probe
from tests.lab.workload import IMAGE

SHOP = {"container": "shop", "container_port": 80, "sources": policies.ALLOWED}
BOTH = (v4, v6)


@pytest.fixture(name="look")
def onlooker(lab, manageable):
    return Onlooker(lab, manageable)


def policy(*entries):
    return lambda spec: dict(policies.closed_services(spec), published_ports={"default": "deny", "allow": list(entries)})


def apply(look, wanted, *first):
    return play(look.hosts, [*first, policies.POLICY], host_vars=policies.for_hosts(look.hosts, wanted))


def run(host, name, port):
    """A container; the engine chooses its port of the host where none is given."""
    host.run(["docker", "run", "--detach", "--stop-signal=KILL", "--name", name, "--publish", port, IMAGE, "answer", name, "tcp,0.0.0.0,80"])


def remove(host, *names):
    host.run(["docker", "rm", "--force", *names])


def port_of(host, name):
    return int(host.run(["docker", "port", name, "80"]).stdout.split()[0].rpartition(":")[2])


def at(way, ports):
    """The port that each host has."""
    return lambda host: way(ports[host.name])(host)


def test_whichever_port_the_container_has(look):
    """The engine chooses it, and chooses another one."""
    def shops_are(open_to_allowed, ports):
        for way in BOTH:
            if open_to_allowed:
                assert look.serves("allowed", at(way, ports))
            else:
                wait_for(lambda way=way: look.turns_away("allowed", at(way, ports)), "nobody is let in")
            assert look.turns_away("denied", at(way, ports))

    wanted = policy(SHOP)
    apply(look, wanted, service())
    on_all(look.hosts, lambda host: run(host, "shop", "80"))
    before = on_all(look.hosts, lambda host: port_of(host, "shop"))
    shops_are(True, before)
    assert not any(apply(look, wanted).changed().values())
    # Another one gets the port of the host; the shop gets another.
    on_all(look.hosts, lambda host: (remove(host, "shop"), run(host, "squatter", "%d:80" % before[host.name]), run(host, "shop", "80")))
    after = on_all(look.hosts, lambda host: port_of(host, "shop"))
    shops_are(True, after)
    shops_are(False, before)
    # Without the service nobody knows.
    on_all(look.hosts, lambda host: host.run(["systemctl", "stop", UNIT]))
    shops_are(False, after)
    on_all(look.hosts, lambda host: host.run(["systemctl", "start", UNIT]))
    shops_are(True, after)
    on_all(look.hosts, lambda host: host.run(["systemctl", "kill", "--signal=KILL", UNIT]))
    shops_are(True, after)
    apply(look, policy())
    shops_are(False, after)
    assert not any("-nmh-" in text for text in on_all(look.hosts, firewall.dump).values())


def test_a_limit_counts_both_ways_in_together(look):
    """8080 is DNATed in IPv4, and docker-proxy's in IPv6."""
    wanted = policy({"port": 8080, "sources": ["any"], "limit": {"rate": "4/hour"}})
    apply(look, wanted)
    assert not any(apply(look, wanted).changed().values())
    for address in ("v4", "v6"):
        for host in look.hosts:
            probes = [Probe("tcp", getattr(host.spec, address), 8080, timeout=5) for _time in range(7)]
            assert sum(result.open for result in look.lab.clients["allowed"].probe(probes)) == 4, (host.name, address)
    assert look.serves("denied", v4(8080)) and look.turns_away("denied", v6(8080)), "a source of its own in IPv4, and the same /64"
    apply(look, policy())
    assert not any("hashlimit" in text for text in on_all(look.hosts, firewall.dump).values())


def test_an_entry_ends_by_itself(look):
    end = time.time() + 40
    wanted = policy({"port": 8080, "sources": policies.ALLOWED, "until": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))})
    apply(look, wanted)
    assert not any(apply(look, wanted).changed().values())
    assert time.time() < end and all(look.serves("allowed", way(8080)) for way in BOTH) and look.turns_away("denied", v4(8080))
    for way in BOTH:
        wait_for(lambda way=way: look.turns_away("allowed", way(8080)), "the entry ends", 90)
    # What is left of it goes.
    assert all(apply(look, wanted).changed().values())
    assert not any(apply(look, wanted).changed().values())
    assert not any("-until-" in text for text in on_all(look.hosts, firewall.dump).values())
