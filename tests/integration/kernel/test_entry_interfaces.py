# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Entries that name interfaces: real packets on each way in, from outside and by a VPN's interface, and open connections that end."""
import contextlib
import socket
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.entry_interfaces import check_entry_interfaces
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import of_plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import end, find

from tests.integration.kernel.support import forge_stage, wire
from tests.integration.kernel.support.behind_bridge import BRIDGE, FAMILIES, INNER, KIND, NETWORK, container, listener, wired
from tests.integration.kernel.support.forge_cases import CLIENT
from tests.integration.kernel.support.forge_rules import DNATED, PROXIED, TRUSTED
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import Program
from tests.integration.kernel.support.watching import until

VPN = "wg0"
# The VPN's host, a member, a guest; behind the bridge the gateway and a container.
BEYOND = {"gateway": {4: "10.8.0.1", 6: "fd00:8::1"}, "member": {4: "10.8.0.2", 6: "fd00:8::2"}, "guest": {4: "10.8.0.3", 6: "fd00:8::3"}}
INSIDE = list(NETWORK.values())
# What docker-proxy serves, what is DNATed to the container, a service of the host; the container's own port.
PROXY, LED, SERVICE, OWN = 53, 8080, 55, 80
FACTS = HostFacts(
    [Published(family, None, port, "tcp") for family in FAMILIES for port in (PROXY, LED)], [BRIDGE], {4: [BRIDGE], 6: [BRIDGE]}, INSIDE, False, routed=INSIDE,
)
ROUTED = FACTS._replace(closed_bridges={4: [], 6: []})
WAYS = {"proxy": PROXY, "dnat": LED, "service": SERVICE, "own address": OWN}


class Around:
    """Whoever is around the host. paths: of their namespaces."""

    def __init__(self, outside, vpn, inside):
        self.inside = inside
        self.senders = {
            "outside": (outside, wire.SOURCES["allowed"]), "member": (vpn, BEYOND["member"]), "guest": (vpn, BEYOND["guest"]),
        }

    def dial(self, who, family, address, port):
        """A connection that begins, and may never be made."""
        path, addresses = self.senders[who]
        with entered(path):
            near = socket.socket(KIND[family])
        near.setblocking(False)
        near.bind((addresses[family], 0))
        near.connect_ex((address, port))
        return near

    def reached(self, ways=tuple(WAYS)):
        """Who comes in by which way, in which family: all of them knock at once."""
        with contextlib.ExitStack() as stack:
            for family in FAMILIES:
                for port in (PROXY, SERVICE):
                    stack.enter_context(listener(family, port))
                with entered(self.inside):
                    stack.enter_context(listener(family, OWN))
            knocking = {}
            for way in ways:
                for who in self.senders:
                    for family in FAMILIES:
                        address = (INNER if way == "own address" else wire.HOST)[family]
                        knocking[way, who, family] = stack.enter_context(self.dial(who, family, address, WAYS[way]))
            found = wire.connected(knocking)
            return {(way, who) for way, who, _family in found if {(way, who, each) for each in FAMILIES} <= found}, len(found) // len(FAMILIES)


@pytest.fixture(name="around")
def everybody_around(client):
    """The outside, a VPN, and a container on a network of the engine's."""
    with standing_around(client) as found:
        yield found


@contextlib.contextmanager
def standing_around(client):
    """The same, around the host at the other end of the client's wire."""
    with container(client) as inside, wire.behind() as pid:
        vpn = wired(VPN, BEYOND["gateway"], pid, BEYOND["member"], BEYOND["guest"])
        with entered(vpn):
            Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 0", encoding="ascii")
            until(lambda: all(wire.ping(family, INNER[family]) for family in FAMILIES), "the VPN")
        yield Around(client.path, vpn, inside)


def led(host):
    """Docker's DNAT."""
    for family in PROGRAMS:
        to = "%s:%d" % (INNER[family] if family == 4 else "[%s]" % INNER[family], OWN)
        host.iptables("-t nat -A PREROUTING -d %s -p tcp --dport %d -j DNAT --to-destination %s" % (wire.HOST[family], LED, to), family)


def apply(host, facts=FACTS, **policy):
    return host.converge(compile_policy(parse_policy(policy), facts))


def let_in(*who, ways=tuple(WAYS)):
    """What ``reached`` finds where exactly these come in, in both families."""
    return {(way, name) for way in ways for name in who}, len(ways) * len(who)


def about(**who):
    """A policy that lets these in on every way."""
    return {
        "published_ports": {"allow": [{"port": port, **who} for port in (PROXY, LED)], "routed": [{"port": OWN, **who}]},
        "host_services": {"default": "deny", "allow": [{"port": SERVICE, **who}]},
    }


EVERYBODY = ("outside", "member", "guest")
MEMBER = list(BEYOND["member"].values())


def test_only_who_comes_by_the_vpn(host, around):
    led(host)
    assert around.reached() == let_in(*EVERYBODY)
    first = apply(host, ROUTED, **about(interfaces=["tailscale0", "wg+"]))
    assert around.reached() == let_in("member", "guest")
    policy = parse_policy(about(interfaces=[VPN]))
    told = {str(line) for line in of_plan(first.plan, Ipset(host.system), [], policy).after}
    assert {"port %d/tcp: anybody by tailscale0, anybody by wg+" % port for port in (PROXY, LED)} <= told
    assert "service %d/tcp: anybody by tailscale0, anybody by wg+" % SERVICE in told
    # The same by zones, and a second time: nothing to do.
    zones = {"vpn": {"interfaces": ["wg+"]}, "other": {"interfaces": ["tailscale0"]}, "both": {"interfaces": ["wg+", "tailscale0"]}}
    assert not apply(host, ROUTED, **about(zones=["both"]), zones=zones).is_change
    assert apply(host, ROUTED, **about(zones=["vpn", "other"]), zones=zones).is_change
    assert around.reached() == let_in("member", "guest")
    # Both have to hold.
    apply(host, ROUTED, **about(interfaces=[VPN], sources=[*MEMBER, *wire.SOURCES["allowed"].values()]))
    assert around.reached() == let_in("member")
    apply(host, ROUTED, **about(interfaces=["tailscale0"]))
    assert around.reached() == let_in()
    host.converge(no_policy())
    assert around.reached() == let_in(*EVERYBODY)
    assert "DB" not in "".join(host.save(family) for family in PROGRAMS) + host.sh("ipset", "list", "-n")


@pytest.mark.parametrize("guarded, outside", [(True, {"external_interfaces": ["host", "wg+"]}), (False, {})], ids=["known, named", "later, all"])
def test_entries_add_up_and_limit_where_everything_else_is_open(host, around, guarded, outside):
    """Ports that the guard does not know are judged behind DOCKER-USER."""
    led(host)
    facts = FACTS if guarded else FACTS._replace(published=[Published(family, None, PROXY, "tcp") for family in FAMILIES])
    entries = [{"port": LED, "interfaces": [VPN], "sources": MEMBER}, {"port": LED, "interfaces": ["host"]}, {"port": PROXY, "interfaces": [VPN]}]
    for family in PROGRAMS:
        # As Docker does.
        host.iptables("-N DOCKER-USER", family)
        host.iptables("-A FORWARD -j DOCKER-USER", family)
    apply(host, facts, published_ports={"default": "allow", "direct": "allow", "allow": entries},
          host_services={"allow": [{"port": SERVICE, "interfaces": [VPN], "sources": MEMBER}]}, **outside)
    named = {("dnat", "outside"), ("dnat", "member"), ("proxy", "member"), ("proxy", "guest"), ("service", "member")}
    assert around.reached() == (named | let_in(*EVERYBODY, ways=["own address"])[0], 8)
    # A denied source is denied by every interface.
    apply(host, facts, published_ports={"default": "allow", "direct": "allow", "allow": entries, "deny": MEMBER}, **outside)
    assert around.reached(["dnat", "proxy"]) == ({("dnat", "outside"), ("proxy", "guest")}, 2)


def test_it_holds_after_a_boot(nft_host, around, tmp_path):
    program = Program(tmp_path, nft_host)
    led(nft_host)
    apply(nft_host, ROUTED, **about(interfaces=[VPN]))
    program.save()
    nft_host.converge(no_policy())
    assert around.reached() == let_in(*EVERYBODY)
    program.run()
    assert around.reached() == let_in("member", "guest")


def test_open_connections_that_no_entry_lets_in_any_more_end(host, around):
    apply(host, published_ports={"allow": [{"port": PROXY, "sources": ["any"]}]})
    with contextlib.ExitStack() as stack:
        talks = {}
        for family in FAMILIES:
            server = stack.enter_context(listener(family, PROXY))
            for who in ("outside", "member"):
                near = stack.enter_context(around.dial(who, family, wire.HOST[family], PROXY))
                talks[who, family] = near, stack.enter_context(server.accept()[0])
        plan = apply(host, published_ports={"allow": [{"port": PROXY, "interfaces": [VPN]}]}).plan
        found = find(host.system, Ipset(host.system), plan)
        assert sorted(flow.source for flow in found.flows) == sorted(wire.SOURCES["allowed"].values()) and found.warnings == []
        assert {key for key, ends in talks.items() if wire.arrives(*ends)} == {("member", 4), ("member", 6)}
        assert end(host.system, found) == []
        assert all(wire.is_reset(near) for (who, _family), (near, _far) in talks.items() if who == "outside")
        assert {key for key, ends in talks.items() if wire.arrives(*ends)} == {("member", 4), ("member", 6)}


def test_a_bridge_of_the_engine_s_is_refused(nft_host, around):
    with pytest.raises(DrawbridgeError, match="a bridge of Docker's"):
        check_entry_interfaces(nft_host.system, parse_policy(about(interfaces=["br-+"])), FACTS)
    warning, = check_entry_interfaces(nft_host.system, parse_policy(about(interfaces=["wg+", "tailscale0"])), FACTS)
    assert "there is no tailscale0 on this host now" in warning


# Through the whole task, with a policy's tests: these are proved by the plan.

ENTRIES = [{"port": port, "interfaces": [forge_stage.WAN]} for port in (DNATED, PROXIED)]


def proved(cases, name, expected):
    """A policy whose entries name an interface. expected: of who comes in by the outside's."""
    entries = [dict(entry, interfaces=[name]) for entry in ENTRIES]
    tests = [{"from": CLIENT, "interface": forge_stage.WAN, "to": port, "expect": expected} for port in (DNATED, PROXIED, TRUSTED)]
    policy = {"published_ports": {"allow": entries}, "host_services": {"default": "deny", "allow": [{"port": TRUSTED, "interfaces": [name]}]}, "tests": tests}
    return cases.keep(policy)


def test_a_policy_s_tests_know_the_interface(stage, cases):
    result = proved(cases, forge_stage.WAN, "allow")
    assert result.values["changed"] and result.values["tests"]["passed"] == 3 and not proved(cases, forge_stage.WAN, "allow").values["changed"]
    with pytest.raises(DrawbridgeError):
        proved(cases, "wg9", "allow")
    result = proved(cases, "wg9", "deny")
    assert result.values["tests"]["passed"] == 3 and any("there is no wg9 on this host now" in warning for warning in result.warnings)
