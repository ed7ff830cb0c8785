# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sources that get nothing, ahead of every entry: real packets on each way in, and open connections that end."""
import contextlib
import socket
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import end, find, keeping

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.behind_bridge import BRIDGE, INNER, NETWORK
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import Program

PUBLISHED, BOUND, SERVICE = PORTS = (53, 54, 55)
FACTS = HostFacts(
    [Published(family, address, port, protocol) for family in (4, 6) for protocol in ("tcp", "udp")
     for port, address in ((PUBLISHED, None), (BOUND, wire.HOST[family]))],
    [], {4: [], 6: []}, [], False,
)
ABUSERS = list(wire.SOURCES["denied"].values())
BAD = {"deny": ABUSERS}
OPEN_TO_ALL = [{"port": port, "protocol": "udp", "sources": ["any"]} for port in (PUBLISHED, BOUND)]
EVERYTHING = wire.sent("allowed", *PORTS) | wire.sent("denied", *PORTS)
AT_BOUND = wire.unicast("denied", BOUND)


def apply(host, facts=FACTS, change=lambda wanted: wanted, **policy):
    return host.converge(change(compile_policy(parse_policy(policy), facts)))


@pytest.mark.parametrize("published, interfaces", [({"default": "allow", "direct": "allow"}, {}), ({"allow": OPEN_TO_ALL}, {"external_interfaces": ["ho+"]})],
                         ids=["open", "entries"])
def test_published_ports_let_everybody_in_but_those(host, client, published, interfaces):
    apply(host, published_ports={**published, **BAD}, **interfaces)
    # On other addresses the number of the bound port is a service of the host.
    assert client.deliver(PORTS) == EVERYTHING - wire.sent("denied", PUBLISHED) - AT_BOUND
    assert not apply(host, published_ports={**published, **BAD}, **interfaces).is_change
    apply(host, published_ports=published, **interfaces)
    assert client.deliver(PORTS) == EVERYTHING


@pytest.mark.parametrize("services, interfaces", [
    ({}, {"external_interfaces": ["host"]}),
    ({"default": "deny", "allow": [{"port": "%d-%d" % (PUBLISHED, SERVICE), "protocol": "udp", "sources": ["any"]}]}, {}),
], ids=["open", "entries"])
def test_services_let_everybody_in_but_those(host, client, services, interfaces):
    apply(host, host_services={**services, **BAD}, **interfaces)
    # Published ports are the other section's.
    assert client.deliver(PORTS) == EVERYTHING - wire.sent("denied", SERVICE, BOUND) | AT_BOUND
    apply(host, host_services={**services, **BAD}, published_ports={"default": "allow", **BAD}, **interfaces)
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS)


def test_interfaces_that_are_not_outside_and_bridges_are_spared(nft_host, client):
    both = {"published_ports": {"default": "allow", **BAD}, "host_services": BAD}
    apply(nft_host, external_interfaces=["eth9"], **both)
    assert client.deliver(PORTS) == EVERYTHING
    apply(nft_host, FACTS._replace(bridges=["host"], closed_bridges={4: ["host"], 6: ["host"]}), **both)
    assert client.deliver(PORTS) == EVERYTHING


def test_what_observes_denies_nobody(nft_host, client):
    apply(nft_host, published_ports={"mode": "observe", "default": "allow", **BAD}, host_services={"mode": "observe", **BAD})
    assert client.deliver(PORTS) == EVERYTHING
    saved = "".join(nft_host.save(family) for family in PROGRAMS)
    assert saved.count('"DB-GUARD-DENIED:O "') == saved.count('"DB-INPUT-DENIED:O "') == 2
    # An entry that enforces does so for denied sources too.
    one = dict(OPEN_TO_ALL[0], sources=list(wire.SOURCES["allowed"].values()), mode="enforce")
    apply(nft_host, published_ports={"mode": "observe", "allow": [one], **BAD})
    assert client.deliver(PORTS) == EVERYTHING - wire.sent("denied", PUBLISHED)


def test_a_set_that_others_fill(nft_host, client):
    """What fail2ban and others do: entries come and go, and no rule is touched."""
    nft_host.address_set("abusers", [], mode="add")
    policy = {"published_ports": {"allow": OPEN_TO_ALL, "deny": ["@abusers"]}, "host_services": {"deny": ["@abusers"]}}
    apply(nft_host, **policy)
    assert client.deliver(PORTS) == EVERYTHING
    for family, address in wire.SOURCES["denied"].items():
        nft_host.sh("ipset", "add", "DB-abusers-%d" % family, address)
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS)
    assert not apply(nft_host, **policy).is_change and not nft_host.address_set("abusers", [], mode="add").is_change
    for family, address in wire.SOURCES["denied"].items():
        nft_host.sh("ipset", "del", "DB-abusers-%d" % family, address)
    assert client.deliver(PORTS) == EVERYTHING


def test_it_holds_after_a_boot(nft_host, client, tmp_path):
    program = Program(tmp_path, nft_host)
    apply(nft_host, published_ports={"allow": OPEN_TO_ALL, **BAD}, host_services=BAD)
    program.save()
    nft_host.converge(no_policy())
    assert client.deliver(PORTS) == EVERYTHING
    program.run()
    assert client.deliver(PORTS) == wire.sent("allowed", *PORTS)


# Open connections.

class Talk:
    """An open TCP connection of a client's, both ends at hand."""

    def __init__(self, stack, client, family, who, port):
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        listener = stack.enter_context(socket.socket(kind))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((wire.HOST[family], port))
        listener.listen()
        with entered(client.path):
            self.near = stack.enter_context(socket.socket(kind))
        self.near.bind((wire.SOURCES[who][family], 0))
        self.near.settimeout(5)
        self.near.connect((wire.HOST[family], port))
        self.far = stack.enter_context(listener.accept()[0])
        listener.close()

    def arrives(self):
        """Whether what the client sends does."""
        return wire.arrives(self.near, self.far)


@contextlib.contextmanager
def talks(client):
    """Connections of each client in each family to a published port and to a service."""
    with contextlib.ExitStack() as stack:
        yield {(who, family, port): Talk(stack, client, family, who, port) for who in wire.SOURCES for family in (4, 6) for port in (PUBLISHED, SERVICE)}


@pytest.mark.parametrize("interfaces", [{}, {"external_interfaces": ["host"]}], ids=["all", "named"])
def test_open_connections_of_denied_sources_end(host, client, tell, interfaces):
    apply(host, published_ports={"default": "allow"}, **interfaces)
    with talks(client) as open_ones:
        plan = apply(host, published_ports={"default": "allow", **BAD}, host_services=BAD, **interfaces).plan
        found = find(host.system, Ipset(host.system), plan)
        assert sorted((flow.source, flow.port) for flow in found.flows) == sorted((source, port) for source in ABUSERS for port in (PUBLISHED, SERVICE))
        assert found.warnings == [] and found.answers == []
        assert {key for key, talk in open_ones.items() if talk.arrives()} == {key for key in open_ones if key[0] == "allowed"}
        assert end(host.system, found) == []
        # The host's end is gone: the client is told.
        gone = [key for key, talk in open_ones.items() if key[0] == "denied" and wire.is_reset(talk.near)]
        tell("connections that were closed", gone)
        assert len(gone) == 4 and all(talk.arrives() for key, talk in open_ones.items() if key[0] == "allowed")


def test_an_open_connection_ends_when_its_source_comes_into_the_set(nft_host, client):
    nft_host.address_set("abusers", [])
    apply(nft_host, published_ports={"default": "allow", "deny": ["@abusers"]}, host_services={"deny": ["@abusers"]})
    with talks(client) as open_ones:
        assert all(talk.arrives() for talk in open_ones.values())
        nft_host.address_set("abusers", ABUSERS)
        assert {key for key, talk in open_ones.items() if talk.arrives()} == {key for key in open_ones if key[0] == "allowed"}


def test_kept_connections_go_on(nft_host, client):
    apply(nft_host, published_ports={"default": "allow"})
    with talks(client) as open_ones:
        apply(nft_host, change=keeping, published_ports={"default": "allow", **BAD}, host_services=BAD)
        assert all(talk.arrives() for talk in open_ones.values())


def pings(addresses):
    """Families in which the host gets answers."""
    Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0", encoding="ascii")
    return [family for family, address in addresses.items() if wire.ping(family, address)]


def test_the_host_itself_still_gets_answers_from_them(nft_host, client):
    apply(nft_host, published_ports=BAD, host_services={"default": "deny", **BAD})
    assert pings(wire.SOURCES["denied"]) == [4, 6]


# Through the host, to what an engine makes.

SERVED, DIALLED = 80, 8080
INSIDE = list(NETWORK.values())


def reach(client, inner, addresses, port):
    """Who connects to the container, by family."""
    found = set()
    for family, address in addresses.items():
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        with entered(inner):
            listener = socket.create_server(("", SERVED), family=kind, dualstack_ipv6=False)
        with listener:
            for who in wire.SOURCES:
                with entered(client.path), socket.socket(kind) as knocking:
                    knocking.settimeout(wire.PATIENCE)
                    knocking.bind((wire.SOURCES[who][family], 0))
                    with contextlib.suppress(OSError):
                        knocking.connect((address, port))
                        found.add((who, family))
    return found


THEY = {("allowed", 4), ("allowed", 6)}
ALL = THEY | {("denied", 4), ("denied", 6)}
KNOWN = HostFacts(
    [Published(family, None, DIALLED, "tcp") for family in (4, 6)], [BRIDGE], {4: [BRIDGE], 6: [BRIDGE]}, INSIDE, False, routed=INSIDE,
)
NOBODY_KNOWN = HostFacts([], [], {4: [], 6: []}, [], False)


@pytest.mark.parametrize("facts, interfaces", [(KNOWN, {"external_interfaces": ["host"]}), (NOBODY_KNOWN, {})], ids=["known", "made later"])
def test_the_container_by_dnat_and_at_its_own_address(host, client, inner, facts, interfaces):
    for family, address in INNER.items():
        to = "%s:%d" % (address if family == 4 else "[%s]" % address, SERVED)
        host.iptables("-t nat -A PREROUTING -d %s -p tcp --dport %d -j DNAT --to-destination %s" % (wire.HOST[family], DIALLED, to), family)
    published = {"default": "allow", "direct": "allow"}
    apply(host, facts, published_ports=published, **interfaces)
    assert reach(client, inner, wire.HOST, DIALLED) == reach(client, inner, INNER, SERVED) == ALL
    apply(host, facts, published_ports={**published, **BAD}, **interfaces)
    assert reach(client, inner, wire.HOST, DIALLED) == reach(client, inner, INNER, SERVED) == THEY
    if facts is KNOWN:
        # The guard drops what somebody accepts ahead of DOCKER-USER.
        for family in PROGRAMS:
            host.iptables("-I FORWARD -j ACCEPT", family)
        assert reach(client, inner, wire.HOST, DIALLED) == reach(client, inner, INNER, SERVED) == THEY
        for family in PROGRAMS:
            host.iptables("-D FORWARD -j ACCEPT", family)
    # Entries that name everybody, and containers on a network that is meant to be reached.
    anybody = {"allow": [{"port": DIALLED, "sources": ["any"]}], "routed": [{"port": SERVED, "sources": ["any"]}]}
    apply(host, facts, published_ports={**anybody, **BAD}, **interfaces)
    assert reach(client, inner, wire.HOST, DIALLED) == THEY


def test_routed_networks(host, client, inner):
    anybody = {"routed": [{"port": SERVED, "sources": ["any"]}]}
    facts = KNOWN._replace(closed_bridges={4: [], 6: []})
    apply(host, facts, published_ports=anybody)
    assert reach(client, inner, INNER, SERVED) == ALL
    apply(host, facts, published_ports={**anybody, **BAD})
    assert reach(client, inner, INNER, SERVED) == THEY
