# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The worst that forged sources did to real engines, before and with the lines that ask for them: from the LAN, and from containers."""
import secrets

import pytest

from tests.integration.lab.support import firewall, following, policies, ways
from tests.integration.lab.support.expected import CLOSES_DIRECT
from tests.integration.lab.support.forging import FIRST_PORT, Forgery, got_in
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import wait_for
from tests.lab import layout
from tests.lab.layout import CLIENTS, OUTSIDE

pytestmark = pytest.mark.attack
SHARED = 9999
_OF_PORTS = ["nft", "list", "table", "bridge", "drawbridge-sources"]
DENIED = CLIENTS["denied"]
# Services of the host and ports that containers publish, over IPv6 as they are dialled.
DIALLED = (8080, 8083, 9000, 22)


# What containers may not: reach the host or the outside; and of each other, anything but one port.
ALONE = {"default": "deny", "host": "deny"}
APART = {"peers": [{"port": SHARED}]}


def from_the_lan(host, start):
    """What the denied client tries on one host. start: the first port of his own that is free."""
    spec, found = host.spec, host.containers()
    four = [("udp", found["udp"].v4, 5300), ("tcp", found["web"].v4, 80)]
    six = [("tcp", spec.v6, port) for port in DIALLED]
    if host.name not in CLOSES_DIRECT:
        six.append(("tcp", found["six"].v6, 80))
    # Where the engine masquerades a container, its flow is the host's from then on.
    tries = [(DENIED.v4, spec.v4, spec.v4, *way) for way in four] + [(DENIED.v6, spec.v6, way[1], *way) for way in six]
    return [
        Forgery("%s: %s port %d of %s" % (host.name, protocol, port, claims), protocol, claims, port, own, start + number, target, port, via)
        for number, (own, via, target, protocol, claims, port) in enumerate(tries)
    ]


def to_the_host(host):
    """What a container tries of the host's services."""
    own, target, gateway = host.containers()["six"].v6, host.spec.v6, host.spec.net6.replace("::/64", "::1")
    return [Forgery("%s: port %d" % (host.name, port), "tcp", target, port, own, FIRST_PORT + number, target, port, gateway)
            for number, port in enumerate((9000, 22))]


def to_a_neighbour(host):
    """What a container tries of its neighbour, by the only port that it could be sent to itself."""
    own, target = (host.containers()[name].v4 for name in ("peer", "peer2"))
    return [Forgery("%s: port 80" % host.name, "tcp", target, 80, own, SHARED, target, 80, host.containers()["peer"].gateway)]


def outwards(host, word):
    """To the server outside, which notes what it gets: its answer need not find the way back."""
    found = host.containers()["six"]
    ends = [(OUTSIDE.v4, found.v4, found.gateway), (OUTSIDE.v6, found.v6, host.spec.net6.replace("::/64", "::1"))]
    return [Forgery("%s-%s-%d" % (host.name, word, number), "udp", server, layout.OUTSIDE_SERVER_UDP, own, FIRST_PORT + 10 + number, server,
                    layout.OUTSIDE_SERVER_UDP, via) for number, (server, own, via) in enumerate(ends)]


@pytest.fixture(name="forwarding")
def hosts_that_forward(manageable):
    """They forward whatever nobody denies, and check no way back."""
    ways.on_all(manageable, lambda host: firewall.by_hand(host, "iptables -P FORWARD ACCEPT", "ip6tables -P FORWARD ACCEPT"))
    ways.on_all(manageable, lambda host: host.run(["sh", "-c", _UNCHECKED]))
    return manageable


_UNCHECKED = "sysctl -qw net.ipv6.conf.all.forwarding=1; for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$each; done"


def apply(hosts, egress=None):
    """Everything closed from outside, and these ways out of containers."""
    more = {} if egress is None else {"egress": egress}
    play(hosts, [policies.POLICY], host_vars=policies.for_hosts(hosts, lambda spec: dict(policies.closed_services(spec), **more)))


def nobody_asks(hosts):
    """The same rules, without the lines that ask for sources; and nothing known of any flow."""
    ways.on_all(hosts, lambda host: firewall.by_hand(host, *("%s -t mangle -F DB-SOURCE" % program for program in firewall.FAMILIES)))
    forget(hosts)


def forget(hosts):
    ways.on_all(hosts, lambda host: host.run(["conntrack", "-F"]))


def test_from_the_lan(lab, forwarding, tell):
    hosts = forwarding
    apply(hosts)
    attacks = [attack for number, host in enumerate(hosts) for attack in from_the_lan(host, FIRST_PORT + number * 20)]
    asked = got_in(lab.clients["denied"].run, attacks)
    nobody_asks(hosts)
    unasked = got_in(lab.clients["denied"].run, attacks)
    tell("from the LAN to %s: %d tried, %d got in; without the lines, %d" % (", ".join(_names(hosts)), len(attacks), len(asked), len(unasked)))
    assert asked == set()
    assert unasked == {attack.name for attack in attacks}


def _names(hosts):
    return [host.name for host in hosts]


def tried(hosts, origin, tries):
    """What got in of what a container tries, on all hosts, as nobody knows of any flow; and all that it tries."""
    forget(hosts)
    found = ways.on_all(hosts, lambda host: got_in(host.containers()[origin].run, tries(host)))
    return set().union(*found.values()), {attack.name for host in hosts for attack in tries(host)}


def test_from_containers_to_the_host(forwarding, tell):
    hosts = forwarding
    apply(hosts, ALONE)
    asked, names = tried(hosts, "six", to_the_host)
    nobody_asks(hosts)
    unasked, _names_again = tried(hosts, "six", to_the_host)
    tell("from containers to the host: %d tried, %d got in; without the lines, %d" % (len(names), len(asked), len(unasked)))
    assert asked == set()
    assert unasked == names


def test_from_containers_to_neighbours(forwarding, tell):
    """Neighbours are told apart at their ports of the bridge, by the event service."""
    hosts = forwarding
    apply(hosts, APART)
    unasked, names = tried(hosts, "peer", to_a_neighbour)
    play(hosts, [following.service()])
    for host in hosts:
        wait_for(lambda host=host: host.run(_OF_PORTS, check=False).returncode == 0, "the service knows the ports")
    asked, _names_again = tried(hosts, "peer", to_a_neighbour)
    tell("from containers to neighbours: %d tried, %d got in; without the service, %d" % (len(names), len(asked), len(unasked)))
    assert asked == set()
    assert unasked == names


def test_from_containers_to_the_outside(forwarding, tell):
    hosts = forwarding
    apply(hosts, ALONE)

    def arrived():
        """What the server has noted, by name."""
        word = secrets.token_hex(3)
        forget(hosts)
        ways.on_all(hosts, lambda host: got_in(host.containers()["six"].run, outwards(host, word)))
        noted = (layout.STATE / "outside.log").read_text(encoding="utf-8")
        names = [attack.name for host in hosts for attack in outwards(host, word)]
        return {name.replace(word, "") for name in names if "probe-" + name in noted}, {name.replace(word, "") for name in names}

    asked, _all = arrived()
    nobody_asks(hosts)
    unasked, names = arrived()
    tell("from containers to the outside: %d tried, %d arrived; without the lines, %d" % (len(names), len(asked), len(unasked)))
    assert asked == set()
    assert unasked == names
