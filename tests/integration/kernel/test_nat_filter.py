# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""DOCKER-FILTER: where it is hooked, and what of a client's packets it lets be DNATed or reach docker-proxy."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.nat_filter import (
    NatFilter,
    compile_nat_filter,
    no_nat_filter,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.entries import WITH_PORTS, parse_entries

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.policies import HOST

# Published with and without DNAT (docker-proxy), published after the run, and a service of the host.
DNATED, PROXIED, NEW, SERVICE, INSIDE = PORTS = (53, 54, 55, 56, 57)
FACTS = HostFacts(
    published=[Published(family, None, port, "udp") for family in (4, 6) for port in (DNATED, PROXIED)],
    bridges=[], closed_bridges={4: [], 6: []}, subnets=[], swarm=False,
)
DOCKERS_JUMP = "-m addrtype --dst-type LOCAL -j DOCKER"


def nat_filter(default="deny", allow=(), unpublished="leave", of=HOST, interfaces=()):
    entries = parse_entries([dict(entry, protocol="udp") for entry in allow], "allow", WITH_PORTS)
    return compile_nat_filter(NatFilter(default == "deny", entries, unpublished == "deny", tuple(interfaces)), of)


def test_the_hook_stands_ahead_of_dockers_jump(host):
    host.docker()
    host.converge(nat_filter())
    assert host.targets("PREROUTING", "nat") == ["DOCKER-FILTER", "DOCKER"]
    assert host.targets("INPUT") == ["DB-INPUT-PROXY"]
    assert not host.converge(nat_filter()).plan.is_change


@pytest.mark.parametrize("jump", [DOCKERS_JUMP, "-m addrtype --dst-type LOCAL -j DOCKER-INGRESS"])
def test_a_jump_that_an_engine_puts_above_later_is_passed_again(host, jump):
    host.docker()
    host.converge(nat_filter())
    host.restore("*nat\n:DOCKER-INGRESS - [0:0]\n-I PREROUTING 1 %s\nCOMMIT\n" % jump)
    assert host.converge(nat_filter()).plan.is_change
    assert host.targets("PREROUTING", "nat")[:2] == ["DOCKER-FILTER", jump.split(" ")[-1]]
    assert not host.converge(nat_filter()).plan.is_change


def test_lines_of_others_may_stand_above(host):
    host.docker()
    host.converge(nat_filter())
    host.iptables("-t nat -I PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22")
    before = host.everything()
    assert not host.converge(nat_filter()).plan.is_change
    assert host.everything() == before


def test_before_the_engines_first_start(host):
    host.converge(nat_filter())
    host.docker()
    assert host.targets("PREROUTING", "nat") == ["DOCKER-FILTER", "DOCKER"]
    assert not host.converge(nat_filter()).plan.is_change


def test_removed_it_leaves_nothing(host):
    host.docker()
    # The tables themselves and the built-in chains' counters are all that may stay.
    host.converge(nat_filter())
    host.converge(no_nat_filter())
    before = host.everything()
    host.converge(nat_filter(default="allow", allow=[{"port": 80, "sources": ["10.0.0.0/8"]}]))
    host.converge(no_nat_filter())
    assert host.everything() == before and "DB" not in "".join(before) and "DOCKER-FILTER" not in "".join(before)
    assert not host.converge(no_nat_filter()).plan.is_change


@pytest.fixture(name="published")
def with_a_redirect_for_a_container(host, client):
    """A host on which one port is redirected, as Docker DNATs it, from the host's own addresses."""
    for family in (4, 6):
        host.restore("*nat\n:DOCKER - [0:0]\n-A PREROUTING %s\n-A DOCKER -p udp -m udp --dport %d -j REDIRECT --to-ports %d\n"
                     "-A DOCKER -p udp -m udp --dport %d -j REDIRECT --to-ports %d\nCOMMIT\n"
                     % (DOCKERS_JUMP, DNATED, INSIDE, NEW, INSIDE), family)
    return host


def _arrived(client, who, port, way="unicast"):
    """Families in which a datagram came through."""
    passed = client.deliver(PORTS)
    return [family for family in (4, 6) if wire.datagram(who, family, way, port) in passed]


def _reached(client):
    """(who, port) of all that came through to the host's first address, the same in both families."""
    passed = client.deliver(PORTS)
    found = [{(who, port) for who in wire.SOURCES for port in PORTS if wire.datagram(who, family, "unicast", port) in passed}
             for family in (4, 6)]
    assert found[0] == found[1]
    return found[0]


def everybody(*ports):
    return {(who, port) for who in wire.SOURCES for port in ports}


ALLOW = [{"port": port, "sources": list(wire.SOURCES["allowed"].values())} for port in (DNATED, PROXIED)]


def test_without_it_everybody_reaches_everything(published, client):
    assert _reached(client) == everybody(*PORTS)


def test_denied_by_default(published, client):
    published.converge(nat_filter(allow=ALLOW, of=FACTS))
    assert _reached(client) == everybody(NEW, SERVICE, INSIDE) | {("allowed", DNATED), ("allowed", PROXIED)}


def test_allowed_by_default_but_for_what_has_an_entry(published, client):
    published.converge(nat_filter("allow", allow=ALLOW[:1], of=FACTS))
    assert _reached(client) == everybody(PROXIED, NEW, SERVICE, INSIDE) | {("allowed", DNATED)}


def test_what_is_not_published_is_kept_from_dnat_only_when_asked(published, client):
    """A DNAT that is skipped leads to the host's own port of that number."""
    def dnated_to_inside(unpublished):
        published.converge(nat_filter(allow=ALLOW, unpublished=unpublished, of=FACTS))
        published.iptables("-Z")
        published.iptables("-t nat -Z")
        client.deliver([NEW])
        saved = published.save(counters=True)
        line = next(line for line in saved.splitlines() if "--dport %d -j REDIRECT" % NEW in line)
        return not line.startswith("[0:0]")

    assert dnated_to_inside("leave")
    assert not dnated_to_inside("deny")


def test_named_interfaces_only(published, client):
    published.converge(nat_filter(of=FACTS, interfaces=["elsewhere+"]))
    assert _reached(client) == everybody(*PORTS)
    published.converge(nat_filter(of=FACTS, interfaces=["ho+"]))
    assert _reached(client) == everybody(NEW, SERVICE, INSIDE)
