# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Limits of entries: real connections on each way in, of one source and of several, in both families. Nothing comes back within an hour."""
import collections
import contextlib
import functools
import itertools
import re
import select
import socket
import struct
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import of_plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import find
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import late_ports

from tests.integration.kernel.support import engine_cgroup, forge_stage, wire
from tests.integration.kernel.support.engine_cgroup import made_in
from tests.integration.kernel.support.forge_cases import CLIENT
from tests.integration.kernel.support.forge_rules import DNATED, PROXIED, TRUSTED
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered, missing
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import Program
from tests.integration.kernel.test_entry_interfaces import FACTS, FAMILIES, INNER, LED, OWN, PROXY, ROUTED, SERVICE, WAYS, apply, led, standing_around

OUTSIDE = list(wire.SOURCES["allowed"].values())
EVERYBODY = ("outside", "member", "guest")
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(name="around")
def everybody_around(client):
    with standing_around(client) as found:
        yield found


class Clients:
    """Clients' connections, which stay open until they are reset."""

    def __init__(self, around, stack, unit=None):
        """unit: the folder of the cgroup that docker-proxy is in."""
        self.around, self.stack = around, stack
        self.open = collections.defaultdict(list)
        for family in FAMILIES:
            stack.enter_context(_listener(family, SERVICE))
            stack.enter_context(_listener(family, PROXY) if unit is None else made_in(unit, functools.partial(_listener, family, PROXY)))
            with entered(around.inside):
                stack.enter_context(_listener(family, OWN))

    def knock(self, ways, times, who=("outside",)):
        """Everybody dials each way so often, all at once → how many connections were made, by family, client and way."""
        knocking = {}
        for way, name, family, _time in itertools.product(ways, who, FAMILIES, range(times)):
            address = (INNER if way == "own address" else wire.HOST)[family]
            near = self.stack.enter_context(self.around.dial(name, family, address, WAYS[way]))
            knocking[near] = family, name, way
        made = collections.Counter()
        while True:
            ready = select.select([], list(knocking), [], wire.PATIENCE)[1]
            if not ready:
                break
            for near in ready:
                key = knocking.pop(near)
                assert near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                made[key] += 1
                self.open[key].append(near)
        for near in knocking:
            near.close()
        return made

    def both(self, way, times):
        """The same for one way and one client: IPv4 and IPv6."""
        made = self.knock([way], times)
        return [made[family, "outside", way] for family in FAMILIES]

    def reset(self, *key):
        """End one of these connections."""
        near = self.open[key].pop()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        near.close()


def _listener(family, port):
    return socket.create_server(("", port), family=socket.AF_INET if family == 4 else socket.AF_INET6, dualstack_ipv6=False)


@pytest.fixture(name="clients")
def clients_of(around):
    with contextlib.ExitStack() as stack:
        yield Clients(around, stack)


def anybody(port, **limit):
    return {"port": port, "sources": ["any"], "limit": limit}


def denied(host, start):
    """What the chains of limits dropped, in both families."""
    return sum(int(count) for family in PROGRAMS for count in re.findall(r"^\[(\d+):\d+\] -A %s\S+ -j DROP$" % start, host.save(family, counters=True), re.M))


def test_one_count_for_both_ways_of_each_source(host, clients):
    led(host)
    policy = {
        "published_ports": {"allow": [anybody("%d-%d" % (PROXY, LED), rate="4/hour")], "routed": [anybody(OWN, rate="1/hour", burst=2)]},
        "host_services": {"default": "deny", "allow": [anybody(SERVICE, rate="1/hour", burst=5, connections=3)]},
    }
    facts = ROUTED
    first = apply(host, facts, **policy)
    made = clients.knock(["dnat", "proxy"], 3, EVERYBODY)
    by_client = collections.Counter()
    for (family, name, _way), count in made.items():
        by_client[family, name] += count
    assert {name: by_client[4, name] for name in EVERYBODY} == dict.fromkeys(EVERYBODY, 4)
    # The VPN's two are of one network.
    assert by_client[6, "outside"] == 4 == by_client[6, "member"] + by_client[6, "guest"]
    assert denied(host, "DB-GUARD-L-") >= 3 * 6 * 2 - 3 * 4 - 2 * 4
    assert not apply(host, facts, **policy).is_change
    made = clients.knock(["own address", "service"], 4)
    assert [made[family, "outside", way] for way in ("own address", "service") for family in FAMILIES] == [2, 2, 3, 3]
    told = {str(line) for line in of_plan(first.plan, Ipset(host.system), [], parse_policy(policy)).after}
    assert "port %d-%d/tcp: anybody (limit: 4/hour, burst 4)" % (PROXY, LED) in told
    assert "service %d/tcp: anybody (limit: 1/hour, burst 5, 3 connections)" % SERVICE in told
    host.converge(no_policy())
    assert set(clients.knock(["dnat", "own address"], 3).values()) == {3}
    assert "DB" not in "".join(host.save(family) for family in PROGRAMS) + host.sh("ipset", "list", "-n")


def test_so_many_at_once(host, clients):
    led(host)
    before = clients.both("proxy", 2)
    apply(host, published_ports={"allow": [anybody("%d-%d" % (PROXY, LED), connections=2)]})
    plan = apply(host, published_ports={"allow": [anybody("%d-%d" % (PROXY, LED), connections=1)]}).plan
    # Those that were open go on.
    assert before == [2, 2] and find(host.system, Ipset(host.system), plan).flows == []
    made = clients.knock(["proxy", "dnat"], 2)
    assert [sum(made[family, "outside", way] for way in ("proxy", "dnat")) for family in FAMILIES] == [1, 1]
    for family in FAMILIES:
        clients.reset(family, "outside", "proxy" if made[family, "outside", "proxy"] else "dnat")
    assert clients.both("dnat", 3) == [1, 1]


def test_the_most_generous_entry_decides(host, clients):
    """Ports that the guard does not know are counted behind DOCKER-USER. Each variant of iptables has one of the two."""
    led(host)
    facts = FACTS if host.variant == "legacy" else FACTS._replace(published=[Published(family, None, PROXY, "tcp") for family in FAMILIES])
    for family in PROGRAMS:
        # As Docker does.
        host.iptables("-N DOCKER-USER", family)
        host.iptables("-A FORWARD -j DOCKER-USER", family)
    slow, fast = anybody(LED, rate="1/hour"), {"port": LED, "sources": OUTSIDE, "limit": {"rate": "3/hour"}}

    def allow(*entries, **more):
        return apply(host, facts, published_ports={"allow": list(entries), **more})

    allow(slow, fast)
    assert clients.both("dnat", 4) == [3, 3]
    # Other sources keep what was counted, and a source that nobody limits gets in.
    allow(slow, dict(fast, sources=[*OUTSIDE, "198.51.100.1"]), {"port": LED, "sources": ["198.51.100.2"], "limit": {"rate": "4/hour"}})
    assert clients.both("dnat", 1) == [0, 0]
    allow(slow, fast, {"port": LED, "sources": OUTSIDE})
    assert clients.both("dnat", 3) == [3, 3]
    allow(slow, fast, {"port": LED, "sources": OUTSIDE}, deny=OUTSIDE)
    assert clients.both("dnat", 1) == [0, 0]


@pytest.mark.skipif(bool(missing("nft")) or engine_cgroup.mount() is None, reason="needs nft and cgroups of version 2")
def test_ports_that_are_published_later_have_one_count_as_well(host, around):
    with engine_cgroup.cgroup() as unit, contextlib.ExitStack() as stack:
        clients = Clients(around, stack, unit)
        led(host)
        for family in PROGRAMS:
            # As Docker does.
            host.iptables("-N DOCKER-USER", family)
            host.iptables("-A FORWARD -j DOCKER-USER", family)
        facts = FACTS._replace(published=[], engine_cgroup=engine_cgroup.path_of(unit))
        plan = apply(host, facts, published_ports={"allow": [anybody("%d-%d" % (PROXY, LED), rate="4/hour")]}).plan
        late_ports.settle(host.system, plan, False)
        made = clients.knock(["dnat", "proxy"], 3)
        assert [sum(made[family, "outside", way] for way in ("dnat", "proxy")) for family in FAMILIES] == [4, 4]
        assert all(made[family, "outside", way] for family in FAMILIES for way in ("dnat", "proxy"))


def test_packets_of_one_connection_count_once(nft_host, client):
    """Nobody answers these: connection tracking calls each of them new."""
    port = 5353
    facts = FACTS._replace(published=[Published(family, None, port, "udp") for family in FAMILIES])
    apply(nft_host, facts, published_ports={"allow": [dict(anybody(port, rate="1/hour"), protocol="udp")]})
    with contextlib.ExitStack() as stack:
        ears = {family: stack.enter_context(wire.listener(family, port)) for family in FAMILIES}
        with entered(client.path):
            senders = {family: [stack.enter_context(socket.socket(ear.family, socket.SOCK_DGRAM)) for _each in range(2)] for family, ear in ears.items()}
        for family, (one, other) in senders.items():
            for near in (one, other):
                near.bind((wire.SOURCES["allowed"][family], 0))
            for sender, text in ((one, b"first"), (one, b"second"), (other, b"denied"), (one, b"third")):
                sender.sendto(text, (wire.HOST[family], port))
            ears[family].settimeout(5)
            assert [ears[family].recv(100) for _each in range(3)] == [b"first", b"second", b"third"]


@pytest.mark.drill
def test_forged_sources_fill_the_count_of_one_limit_and_no_other(nft_host, client):
    """What they send is dropped behind the guard, so that connection tracking does not fill up as well."""
    flooded, other = ports = (5353, 5354)
    facts = FACTS._replace(published=[Published(4, None, port, "udp") for port in ports])
    apply(nft_host, facts, published_ports={"allow": [dict(anybody(port, rate="5/hour"), protocol="udp") for port in ports]})
    nft_host.iptables("-I INPUT -s 10.0.0.0/8 -j DROP")
    (known, new), to = (wire.SOURCES[who][4] for who in ("allowed", "denied")), wire.HOST[4]
    with contextlib.ExitStack() as stack:
        ears = {port: stack.enter_context(wire.listener(4, port)) for port in ports}
        with entered(client.path):
            senders = {who: [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _each in ports] for who in (known, new)}
            forger = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
        for who, (one, second) in senders.items():
            one.bind((who, 0))
            second.bind((who, 0))
        senders[known][0].sendto(b"before", (to, flooded))
        for number in range(80000):
            source = struct.pack("!I", (10 << 24) + number)
            header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP, 0, source, socket.inet_aton(to))
            forger.sendto(header + struct.pack("!HHHH", 40000, flooded, 8, 0), (to, 0))
        counts = sorted(len(path.read_text(encoding="ascii").splitlines()) for path in Path("/proc/thread-self/net/ipt_hashlimit").iterdir())
        assert counts[-1] == 65536
        for sender, text, port in (
            (senders[new][0], b"new", flooded), (senders[new][0], b"elsewhere", other), (senders[known][0], b"open", flooded),
            (senders[known][1], b"known", flooded),
        ):  # fmt: skip
            sender.sendto(text, (to, port))
        for port, texts in ((flooded, [b"before", b"open", b"known"]), (other, [b"elsewhere"])):
            ears[port].settimeout(5)
            assert [ears[port].recv(100) for _each in texts] == texts


def test_observed_and_after_a_boot(nft_host, clients, tmp_path):
    program = Program(tmp_path, nft_host)
    led(nft_host)
    entry = anybody(LED, rate="2/hour")
    apply(nft_host, published_ports={"mode": "observe", "allow": [entry]})
    assert clients.both("dnat", 3) == [3, 3]
    # What was counted while it observed, counts.
    apply(nft_host, published_ports={"allow": [dict(entry, limit={"rate": "3/hour"})]})
    program.save()
    nft_host.converge(no_policy())
    program.run()
    assert clients.both("dnat", 4) == [3, 3]


# Through the whole task, with a policy's tests: these are proved by the plan.

def limited(cases, expected):
    limit = {"limit": {"rate": "5/minute", "connections": 9, "per": {"ipv4": 24, "ipv6": 0}}, "sources": ["any"]}
    tests = [{"from": CLIENT, "interface": forge_stage.WAN, "to": port, "expect": expected} for port in (DNATED, PROXIED, TRUSTED)]
    ports = {"allow": [{"port": port, **limit} for port in (DNATED, PROXIED)]}
    return cases.keep({"published_ports": ports, "host_services": {"default": "deny", "allow": [{"port": TRUSTED, **limit}]}, "tests": tests})


def test_a_policy_s_tests_take_limits_for_not_reached(stage, cases):
    result = limited(cases, "allow")
    assert result.values["changed"] and result.values["tests"]["passed"] == 3 and not limited(cases, "allow").values["changed"]
    with pytest.raises(DrawbridgeError):
        limited(cases, "deny")
