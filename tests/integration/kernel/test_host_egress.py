# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the host itself may send: real packets to servers that may be reached and to others, open connections that end, and what has to go on."""
import contextlib
import os
import socket

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.answering_interface import answered_by
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import AcceptedSocket, Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight import lockout
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import of_plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import end, find, keeping

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import Program

ALLOWED, DENIED = (wire.SOURCES[who] for who in ("allowed", "denied"))
WEB, MAIL, NAMES, OTHER = PORTS = (80, 25, 53, 8081)
KIND = {4: socket.AF_INET, 6: socket.AF_INET6}
FACTS = HostFacts([], [], {4: [], 6: []}, [], False)
NOT_THEM = {"deny": [{"destination": list(DENIED.values())}, {"port": MAIL}]}
CLOSED = {"default": "deny", "allow": [{"destination": list(ALLOWED.values()), "port": WEB}]}


def apply(host, egress, facts=FACTS, change=lambda wanted: wanted, **more):
    policy = {**more, **({} if egress is None else {"host_egress": egress})}
    return host.converge(change(compile_policy(parse_policy(policy), facts)))


@contextlib.contextmanager
def served(path, kinds=(socket.SOCK_STREAM, socket.SOCK_DGRAM)):
    """Servers behind the wire, on each port, by both protocols."""
    with contextlib.ExitStack() as stack:
        found = {}
        with entered(path):
            for family, number in KIND.items():
                for port in PORTS:
                    for kind in kinds:
                        found[family, kind, port] = stack.enter_context(_server(number, kind, port))
        yield found


def _server(number, kind, port):
    server = socket.socket(number, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if number == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind(("", port))
    if kind == socket.SOCK_STREAM:
        server.listen()
    return server


def dialled(ends=None):
    """Who is reached by TCP at which port, from the namespace that this thread is in: all are dialled at once."""
    with contextlib.ExitStack() as stack:
        dialling = {}
        for who, addresses in (ends or wire.SOURCES).items():
            for family, address in addresses.items():
                for port in PORTS:
                    one = dialling[who, family, port] = stack.enter_context(socket.socket(KIND[family]))
                    one.setblocking(False)
                    one.connect_ex((address, port))
        return wire.connected(dialling)


def to(who, *ports):
    return {(who, family, port) for family in KIND for port in ports}


EVERYTHING = to("allowed", *PORTS) | to("denied", *PORTS)


def asked(servers, who, port):
    """Families in which a datagram arrives."""
    arrived = set()
    for family, address in wire.SOURCES[who].items():
        with socket.socket(KIND[family], socket.SOCK_DGRAM) as sender, contextlib.suppress(PermissionError):
            sender.sendto(b"x", (address, port))
            servers[family, socket.SOCK_DGRAM, port].settimeout(0.3)
            with contextlib.suppress(OSError):
                arrived.update([family] if servers[family, socket.SOCK_DGRAM, port].recv(10) else [])
    return arrived


def test_deny_lists_before_and_after(host, client, tell):
    for family in PROGRAMS:
        # The tables that a policy has rules in are there before.
        for rule in ("-t mangle %s OUTPUT -j ACCEPT", "%s OUTPUT -j ACCEPT"):
            for does in ("-A", "-D"):
                host.iptables(rule % does, family)
    clean = host.everything()
    with served(client.path) as servers:
        assert dialled() == EVERYTHING
        assert apply(host, NOT_THEM).is_change
        reached = dialled()
        assert reached == to("allowed", WEB, NAMES, OTHER)
        assert asked(servers, "denied", NAMES) == set() and asked(servers, "allowed", MAIL) == {4, 6}
        tell("reached, of %d" % len(EVERYTHING), len(reached))
        assert not apply(host, NOT_THEM).is_change
        # Others' rules do not get by.
        for family in PROGRAMS:
            host.iptables("-I OUTPUT -j ACCEPT", family)
        apply(host, NOT_THEM)
        assert dialled() == to("allowed", WEB, NAMES, OTHER)
        for family in PROGRAMS:
            host.iptables("-D OUTPUT -j ACCEPT", family)
        assert host.converge(no_policy()).is_change
        assert dialled() == EVERYTHING
    assert host.everything() == clean


def test_closed_but_for_what_is_allowed(host, client):
    with served(client.path) as servers:
        apply(host, CLOSED)
        # Names go on being asked for; servers that are named narrow that.
        assert dialled() == to("allowed", WEB, NAMES) | to("denied", NAMES)
        assert asked(servers, "denied", NAMES) == {4, 6} and asked(servers, "allowed", OTHER) == set()
        apply(host, {**CLOSED, "dns": list(ALLOWED.values()), "deny": [{"destination": list(DENIED.values())}]})
        assert dialled() == to("allowed", WEB, NAMES)
        apply(host, {**CLOSED, "dns": False})
        assert dialled() == to("allowed", WEB)
        assert not apply(host, {**CLOSED, "dns": False}).is_change


def test_what_has_to_go_on(host, client):
    """With everything denied: replies, the loopback, the host's own addresses, and neighbours, whom IPv6 asks for by ICMP."""
    apply(host, {"default": "deny", "deny": [{"destination": "any"}], "dns": False})
    with contextlib.ExitStack() as stack:
        assert client.answered_pings() == [4, 6]
        for family, number in KIND.items():
            listener = stack.enter_context(socket.create_server(("", WEB), family=number, dualstack_ipv6=False))
            listener.settimeout(5)
            for address in (wire.HOST[family], {4: "127.0.0.1", 6: "::1"}[family]):
                stack.enter_context(socket.create_connection((address, WEB), 2))
                stack.enter_context(listener.accept()[0])
            with entered(client.path):
                near = stack.enter_context(socket.create_connection((wire.HOST[family], WEB), 2))
            far = stack.enter_context(listener.accept()[0])
            far.send(b"reply")
            near.settimeout(2)
            assert near.recv(10) == b"reply"
    assert dialled() == set()


def test_what_others_turn_back_needs_an_entry(host, client):
    """A transparent proxy of the host: the first route of what it takes was not the loopback's."""
    there = {("allowed", family, OTHER) for family in KIND}
    for family in PROGRAMS:
        host.iptables("-t nat -A OUTPUT -p tcp --dport %d -j REDIRECT --to-ports %d" % (OTHER, WEB), family)
    with contextlib.ExitStack() as stack:
        for number in KIND.values():
            stack.enter_context(socket.create_server(("", WEB), family=number, dualstack_ipv6=False))
        assert dialled({"allowed": ALLOWED}) == there
        apply(host, {"default": "deny", "dns": False})
        assert dialled({"allowed": ALLOWED}) == set()
        apply(host, {"default": "deny", "dns": False, "allow": [{"destination": ["127.0.0.1", "::1"], "port": WEB}]})
        assert dialled({"allowed": ALLOWED}) == there


@pytest.mark.parametrize("name, facts, is_open", [
    ("docker7", FACTS._replace(bridges=["docker7"], closed_bridges={4: ["docker7"], 6: ["docker7"]}), True), ("br-0123456789ab", FACTS, True),
    ("eth7", FACTS, False), ("br-lan", FACTS._replace(foreign_bridges=["br-lan"]), False),
], ids=["known", "made later", "no bridge", "of others"])
def test_the_hosts_way_to_containers(nft_host, client, name, facts, is_open):
    """The wire itself as a bridge of Docker's."""
    for words in (("set", "host", "down"), ("set", "host", "name", name), ("set", name, "up")):
        wire.ip("link", *words)
    # They went with the link.
    for way in ("unicast", "second address"):
        wire.ip("address", "add", wire.DESTINATIONS[way][6] + "/64", "nodad", "dev", name)
    client.until_it_carries()
    apply(nft_host, {"default": "deny", "deny": [{"destination": list(DENIED.values())}], "dns": False}, facts)
    with served(client.path, [socket.SOCK_STREAM]):
        assert dialled() == (EVERYTHING if is_open else set())


class Talk:
    """An open TCP connection of the host's own."""

    def __init__(self, stack, servers, family, who, port):
        self.near = stack.enter_context(socket.create_connection((wire.SOURCES[who][family], port), 2))
        self.far = stack.enter_context(servers[family, socket.SOCK_STREAM, port].accept()[0])
        self.far.settimeout(0.3)

    def arrives(self):
        """Whether what the host sends does."""
        try:
            self.near.send(b"y")
            return bool(self.far.recv(100))
        except OSError:
            return False


@contextlib.contextmanager
def talks(client):
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(served(client.path, [socket.SOCK_STREAM]))
        yield {(who, family, port): Talk(stack, servers, family, who, port) for who in wire.SOURCES for family in KIND for port in (WEB, MAIL)}


@contextlib.contextmanager
def asked_by_the_denied(client):
    """A connection that the denied one has with the host: both ends."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("", 22)))
        with entered(client.path):
            asking = stack.enter_context(socket.create_connection((wire.HOST[4], 22), 2, (DENIED[4], 0)))
        yield asking, stack.enter_context(listener.accept()[0])


def test_open_connections_end_and_those_of_others_go_on(host, client, tell):
    apply(host, {"deny": [{"destination": "203.0.113.1"}]}, host_services={"default": "allow"})
    with talks(client) as open_ones, asked_by_the_denied(client) as (asking, taken):
        plan = apply(host, NOT_THEM).plan
        found = find(host.system, Ipset(host.system), plan)
        gone = {key for key in open_ones if key[0] == "denied" or key[2] == MAIL}
        assert sorted((flow.destination, flow.port) for flow in found.sent) == sorted((wire.SOURCES[who][family], port) for who, family, port in gone)
        assert (found.flows, found.warnings, found.total) == ([], [], len(gone))
        assert {key for key, talk in open_ones.items() if talk.arrives()} == set(open_ones) - gone
        assert end(host.system, found) == []
        reset = {key for key, talk in open_ones.items() if _is_reset(talk.near, key in gone)}
        tell("connections that were closed, of %d" % len(open_ones), len(reset))
        assert reset == gone
        # What the denied one asked of the host is answered, on a connection from before.
        taken.send(b"go on")
        asking.settimeout(2)
        assert asking.recv(10) == b"go on"


def _is_reset(near, waits):
    near.settimeout(5 if waits else 0.1)
    try:
        return near.recv(100) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_kept_connections_go_on(nft_host, client):
    apply(nft_host, {"deny": [{"destination": "203.0.113.1"}]})
    with talks(client) as open_ones:
        apply(nft_host, NOT_THEM, change=keeping)
        assert all(talk.arrives() for talk in open_ones.values())
        assert dialled() == to("allowed", WEB, NAMES, OTHER)


def test_a_set_that_others_fill(nft_host, client):
    nft_host.address_set("bad", [], mode="add")
    apply(nft_host, {"deny": [{"destination": "@bad", "port": WEB}]})
    with served(client.path, [socket.SOCK_STREAM]):
        assert dialled() == EVERYTHING
        for family, address in DENIED.items():
            nft_host.sh("ipset", "add", "DB-bad-%d" % family, address)
        assert dialled() == EVERYTHING - to("denied", WEB)


def test_what_observes_denies_nothing(nft_host, client):
    apply(nft_host, {**NOT_THEM, "mode": "observe"})
    with served(client.path, [socket.SOCK_STREAM]):
        assert dialled() == EVERYTHING
    assert all(nft_host.save(family).count('"DB-OUTPUT-DENIED:O "') == 1 for family in PROGRAMS)


def test_it_holds_after_a_boot(host, client, tmp_path):
    program = Program(tmp_path, host)
    apply(host, NOT_THEM)
    program.save()
    host.converge(no_policy())
    with served(client.path, [socket.SOCK_STREAM]):
        assert dialled() == EVERYTHING
        program.run()
        assert dialled() == to("allowed", WEB, NAMES, OTHER)
    assert not apply(host, NOT_THEM).is_change


def test_the_change_in_words(nft_host, client):
    policy = parse_policy({"host_egress": {**CLOSED, "deny": NOT_THEM["deny"]}})
    plan = nft_host.converge(compile_policy(policy, unknown_host(swarm=False))).plan
    words = of_plan(plan, Ipset(nft_host.system), [], policy)
    assert [str(line) for line in words.before][-1] == "from the host itself: everything"
    assert [str(line) for line in words.after][-1] == (
        "from the host itself: not 192.0.2.3, not 25/tcp, 80/tcp at 192.0.2.2, 53/udp, 53/tcp, not 2001:db8::3, 80/tcp at 2001:db8::2, nothing else")


# The way in of the task itself.

def refusal(monkeypatch, accepted, egress, host, facts=FACTS):
    """What a task is told that came by this connection: the error, or warnings."""
    monkeypatch.setattr(lockout, "controlling_socket", lambda _system: accepted)
    policy = parse_policy({"host_egress": egress})
    try:
        return lockout.refuse_lockout(host.system, Ipset(host.system), compile_policy(policy, facts), policy, facts)
    except DrawbridgeError as error:
        return error


@contextlib.contextmanager
def connected(client, family):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("", 22), family=KIND[family], dualstack_ipv6=False))
        with entered(client.path):
            stack.enter_context(socket.create_connection((wire.HOST[family], 22), 2, (DENIED[family], 0)))
        taken, peer = listener.accept()
        stack.enter_context(taken)
        yield taken, AcceptedSocket(Connection(wire.HOST[family], 22, peer[0]), peer[1], os.getpid(), taken.fileno())


@pytest.mark.parametrize("family", KIND)
def test_the_connection_that_brings_it(nft_host, client, monkeypatch, family):
    """One that connection tracking does not know is not answered once it begins to look: refused. One that it knows is."""
    with connected(client, family) as (taken, accepted):
        said = refusal(monkeypatch, accepted, NOT_THEM, nft_host)
        assert said.path == "policy.host_egress" and DENIED[family] in str(said) and "connection tracking does not know" in str(said)
        assert refusal(monkeypatch, accepted, {"deny": [{"port": MAIL}]}, nft_host) == []
        # Tracked from now on; and it is the host that speaks first.
        apply(nft_host, {"deny": [{"port": MAIL}]})
        taken.send(b"late")
        assert isinstance(refusal(monkeypatch, accepted, NOT_THEM, nft_host), DrawbridgeError)
        assert refusal(monkeypatch, accepted, {**NOT_THEM, "mode": "observe"}, nft_host) == []
    with connected(client, family) as (taken, accepted):
        assert refusal(monkeypatch, accepted, NOT_THEM, nft_host) == []
        assert refusal(monkeypatch, accepted, {"default": "deny"}, nft_host) == []


def of_the_link(interface):
    """The address that an interface of this thread's namespace has on its link."""
    with open("/proc/thread-self/net/if_inet6", encoding="ascii") as table:
        raw = next(fields[0] for fields in map(str.split, table) if fields[5] == interface and fields[0].startswith("fe80"))
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(raw))


def test_a_connection_of_the_link_that_brings_it(nft_host, client, monkeypatch):
    """Routes to such an address lead to the link that came up first: here a bridge of Docker's, by which the host may send."""
    bridges = ["docker7", "docker8"]
    wire.ip("link", "add", bridges[0], "type", "veth", "peer", "name", bridges[1])
    for words in (("docker7", "up"), ("docker8", "up"), ("host", "down"), ("host", "up")):
        wire.ip("link", "set", *words)
    for way in ("unicast", "second address"):
        wire.ip("address", "add", wire.DESTINATIONS[way][6] + "/64", "nodad", "dev", "host")
    client.until_it_carries()
    mine = of_the_link("host")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=False))
        with entered(client.path):
            theirs = of_the_link("client")
            near = stack.enter_context(socket.socket(socket.AF_INET6))
            near.settimeout(2)
            near.connect((mine, 22, 0, socket.if_nametoindex("client")))
        taken, peer = listener.accept()
        stack.enter_context(taken)
        accepted = AcceptedSocket(Connection(mine, 22, theirs), peer[1], os.getpid(), taken.fileno())
        assert answered_by(nft_host.system, theirs).interface in bridges
        said = refusal(monkeypatch, accepted, {"default": "deny"}, nft_host, FACTS._replace(bridges=bridges))
        assert isinstance(said, DrawbridgeError) and theirs in str(said)
