# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Other policies, on hosts that need different lines of them: denied sources, named interfaces, routed networks, one container, what the host sends."""
from __future__ import annotations

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import number

from tests.unit.support.mutation import hosts
from tests.unit.support.mutation.hosts import OFFICE, Case, Policy, Test, Texts
from tests.unit.support.mutation.promises import BRIDGED, RELATED, Promise, promise

# Some of the office, and containers: what these send is none of the sections' affair.
SETS = {**OFFICE, "bad": ["203.0.113.66", "2001:db8:7::66", "172.17.0.0/16", "fd00:17::/64", "fd00:22::/64"]}
BAD = {4: "203.0.113.66", 6: "2001:db8:7::66"}
SERVICES = {"default": "deny", "deny": ["@bad"], "allow": [{"port": 22, "sources": ["any"]}, {"protocol": "icmp", "sources": ["any"]}]}
ALLOWED = [{"port": 8080, "sources": ["@office"]}]
DENIED: Policy = {"address_sets": SETS, "published_ports": {"default": "allow", "direct": "allow", "deny": ["@bad"], "allow": ALLOWED},
                  "host_services": SERVICES}
# Only services of the host are denied to them.
SERVICES_ALONE: Policy = {"address_sets": SETS, "published_ports": {"default": "allow", "allow": ALLOWED}, "host_services": SERVICES}
# Neither a way past published ports, nor any of the host's services.
DENIED_ALONE: Policy = {"address_sets": SETS, "published_ports": {"deny": ["@bad"], "allow": ALLOWED}}
OTHERS: list[object] = [8082, 9000, "9000/udp", "192.0.2.7:53/udp", "[2001:db8:1::7]:53/udp", "3868/sctp"]
PLACES = ("172.17.0.2:80", "172.18.0.2:80", "[fd00:22::2]:80", "172.30.0.2:80", "[fd00:30::2]:80", "172.32.0.2:80", "[fd00:32::2]:80", "172.31.0.2:80",
          "[fd00:31::2]:80")


def but_bad(to: object) -> list[Test]:
    """Everybody reaches it but those."""
    return [*({"from": BAD[family], "to": to, "expect": "deny", "ip_version": "ipv%d" % family} for family in BAD if family in families(to)),
            {"from": "any", "except": "@bad", "to": to, "expect": "allow"}]


def families(to: object) -> tuple[int, ...]:
    """Those that a test's destination may be of."""
    text = str(to)
    return (6,) if text.startswith("[") else (4,) if text.count(".") else (4, 6)


BOTH_WAYS: list[Test] = [
    *({"container": name, "to": to, "expect": "allow"} for name, to in (
        ("web", "203.0.113.66:443"), ("db", "[2001:db8:7::66]:443"), ("web", "192.0.2.10:8082"), ("db", "[2001:db8::10]:8082"), ("web", "172.30.0.2:80"),
        ("db", "[fd00:30::2]:80"), ("web", 3128), ("db", "[fd00:22::1]:3128"), ("web", "172.18.0.2:80"))),
    *({"from": "host", "to": to, "expect": "allow"} for to in ("203.0.113.66:443", "[2001:db8:7::66]:443")),
]
_OFFICE_ALONE = [test for to in ("192.0.2.10:8080", "[2001:db8::10]:8080") for test in (
    {"from": "@office", "except": "@bad", "to": to, "expect": "allow"}, {"from": "any", "except": "@office", "to": to, "expect": "deny"})]
DENIED_TESTS: list[Test] = [*_OFFICE_ALONE, *(test for to in (8080, *OTHERS, 22, "icmp", *PLACES) for test in but_bad(to)), *BOTH_WAYS]
SERVICES_TESTS: list[Test] = [*BOTH_WAYS, *but_bad(22), *but_bad("icmp"), *({"from": "any", "to": to, "expect": "allow"} for to in OTHERS)]
# Errors about flows that are open come from them, too.
ERRORS = [promise(BAD[family], to, "allow", RELATED, icmp_type=kind) for family, to, kind in ((4, "172.17.0.2", 3), (6, "fd00:22::2", 1))]
FROM_BAD = [item._replace(asked=item.asked._replace(source=number(BAD[item.asked.family])[0])) for item in hosts.essential()
            if item.asked.interface in ("", "eth0")]

ROUTED: Policy = {"published_ports": {"allow": [{"port": 8080, "sources": ["any"]}], "routed": [{"port": 80, "sources": ["any"]}]}}
ROUTED_TESTS: list[Test] = [
    *({"from": "any", "to": place % 80, "expect": "allow"} for place in ("172.22.0.2:%d", "[fd00:22::2]:%d")),
    *({"from": "any", "to": place % 81, "expect": "deny"} for place in ("172.22.0.2:%d", "[fd00:22::2]:%d")),
    *({"from": "any", "to": place, "expect": "deny"} for place in ("172.31.0.2:80", "[fd00:31::2]:80")),
    {"from": "any", "to": 8080, "expect": "allow"},
]
TO_ROUTED = [promise(source, to, "allow", RELATED, icmp_type=kind) for source, to, kind in (
    ("203.0.113.9", "172.22.0.2", 3), ("2001:db8:99::9", "fd00:22::2", 1))]

SENDING: Policy = {"host_egress": {
    "default": "deny", "dns": ["192.0.2.53", "2001:db8::53"], "deny": [{"destination": ["198.51.100.66", "2001:db8:5::66"]}],
    "allow": [{"destination": ["198.51.100.0/24", "2001:db8:5::/64"], "port": 443}],
}}
SENDING_TESTS: list[Test] = [
    *({"from": "host", "to": to, "expect": "allow"} for to in (
        "198.51.100.7:443", "[2001:db8:5::7]:443", "192.0.2.53:53", "192.0.2.53:53/udp", "[2001:db8::53]:53", "[2001:db8::53]:53/udp", "172.17.0.2:80",
        "[fd00:22::2]:80", "172.30.0.2:80", "[fd00:30::2]:80", "192.0.2.10:22", "[2001:db8::10]:22", "[fd00:17::9]:80")),
    *({"from": "host", "to": to, "expect": "deny"} for to in ("198.51.100.66:443", "[2001:db8:5::66]:443", "198.51.100.7:80", "[2001:db8:5::7]:80")),
    {"from": "any", "to": 22, "expect": "allow"},
]


def routed(texts: Texts) -> Texts:
    """The network back is routed."""
    sets = "".join("add DBP-routed-nets-%da %s\n" % item for item in ((4, "172.22.0.0/24"), (6, "fd00:22::/64")))
    closed = "\n".join(line for line in texts["ipset"].splitlines() if not ("DBP-closed-bridges" in line and line.endswith("br-back")))
    return {**hosts.bare(texts), "ipset": closed + "\n" + sets}


def sent() -> list[Promise]:
    """What a host sends by itself: errors, neighbour discovery, groups, DHCP."""
    found = [promise("192.0.2.10", "192.0.2.1:67/udp", "allow", source_port=68), promise("2001:db8::10", "[2001:db8::1]:547/udp", "allow", source_port=546),
             promise("192.0.2.10", "224.0.0.22", "allow", protocol="2"),
             *(promise("own:" + own, to, "allow", RELATED, protocol="tcp", port=40000) for own, to in (
                 ("192.0.2.10", "198.51.100.7"), ("2001:db8::10", "2001:db8:5::7")))]
    ends = {4: ("192.0.2.10", "192.0.2.1"), 6: ("2001:db8::10", "2001:db8::1")}
    for family, kinds in hosts.ERRORS.items():
        found += [promise(*ends[family], "allow", icmp_type=kind, state="invalid") for kind in kinds]
    return found + [promise(*ends[6], "allow", icmp_type=kind) for kind in hosts.NEIGHBOURS]


# One container is kept from some of the outside, of its neighbours, and of the host.
PLACE = {4: ("172.22.0.2", "172.22.0.1", "172.22.0.9"), 6: ("fd00:22::2", "fd00:22::1", "fd00:22::9")}
ALONE: Policy = {"egress": {"containers": [{
    "name": "db", "default": "allow", "deny": [{"destination": ["198.51.100.66", "2001:db8:5::66"]}], "host": [{"port": 3128}],
    "peers": [{"destination": [peer for _own, _gateway, peer in PLACE.values()], "port": 5432}],
}]}}
ALONE_TESTS: list[Test] = [
    *({"from": own, "to": "[%s]:%d" % (to, port) if ":" in to else "%s:%d" % (to, port), "expect": expect}
      for own, gateway, peer in PLACE.values() for to, port, expect in (
          (peer, 5432, "allow"), (peer, 80, "deny"), (gateway, 3128, "allow"), (gateway, 22, "deny"))),
    *({"container": "db", "to": to, "expect": expect} for expect, places in (
        ("allow", ("198.51.100.7:443", "[2001:db8:5::7]:443")), ("deny", ("198.51.100.66:443", "[2001:db8:5::66]:443"))) for to in places),
]


def alone() -> list[Promise]:
    """Errors and neighbour discovery to the host and among neighbours; groups are neighbours, too."""
    found = []
    for family, (own, gateway, peer) in PLACE.items():
        found += [promise(own, gateway, "allow", icmp_type=kind, state="invalid") for kind in hosts.ERRORS[family]]
        if family == 6:
            found += [promise(own, gateway, "allow", icmp_type=kind) for kind in hosts.NEIGHBOURS]
            found += [promise(own, peer, "allow", BRIDGED, interface="br-back", icmp_type=kind) for kind in hosts.NEIGHBOURS]
        found += [promise(own, to + ":5353/udp", "deny", BRIDGED, interface="br-back") for to in hosts.GROUPS[family]]
    return found


# Containers of networks that somebody else keeps are not judged.
LEFT_ALONE: Policy = {"unmanaged_interfaces": ["br-vm"], "published_ports": {"allow": [{"port": 8080, "sources": ["any"]}]}}
LEFT_TESTS: list[Test] = [{"from": "any", "to": to, "expect": "allow"} for to in ("172.33.0.2:80", "[fd00:33::2]:80", 8543)]
# Containers' own addresses are closed and nothing else.
OPEN_PORTS: Policy = {"published_ports": {"default": "allow"}}
OPEN_PORTS_TESTS: list[Test] = [{"from": "any", "to": to, "expect": "allow"} for to in (8080, 8082, "172.17.0.1:22", "[fd00:22::1]:22")]


def somebody_elses(texts: Texts) -> Texts:
    """A bridge that is none of Docker's, of virtual machines perhaps, to which somebody leads a port."""
    found = dict(hosts.bare(texts))
    for name, to in (("iptables", "172.33.0.2:80"), ("ip6tables", "[fd00:33::2]:80")):
        found[name] = hosts.with_lines(found[name], "nat", ["-A PREROUTING -p tcp -m tcp --dport 8543 -j DNAT --to-destination " + to], True)
    for address, length in (("172.33.0.1", 16), ("fd00:33::1", 64)):
        found.update(hosts.with_address({**texts, **found}, "br-vm", address, length))
    return found


def named(case: Case) -> Case:
    """The same, where the policy says which interfaces lead outside. Then other chains judge."""
    promises = [what for what in case.promises if what.asked.interface in ("", "eth0")]
    return case._replace(policy={**case.policy, "external_interfaces": ["eth0"]}, promises=[*promises, *ANSWERED])


# The engine, too, is answered from outside: images come so.
ANSWERED = [promise(own, to, "allow", state="reply") for own, to in (("192.0.2.10", "198.51.100.7:443"), ("2001:db8::10", "[2001:db8:5::7]:443"))]
# On these hosts each line of the usual policy is needed that asks for the outside.
_WITH_INTERFACES = ("bare", "later", "known", "unknown", "ahead", "dual", "turned", "elsewhere", "groups", "grown", "services are open", "open ports")
POLICIES: dict[str, Case] = {
    **{"denied sources, " + change.__name__: Case(DENIED, DENIED_TESTS, change, [*ERRORS, *FROM_BAD] if change is hosts.grown else [])
       for change in (hosts.grown, hosts.later, hosts.known, hosts.ahead)},
    "denied sources, open services": hosts.served(DENIED, DENIED_TESTS, hosts.unknown),
    "denied sources, led later": Case(DENIED_ALONE, DENIED_TESTS, hosts.later),
    "denied services": Case(SERVICES_ALONE, SERVICES_TESTS, hosts.known),
    **{"named interfaces, " + name: named(hosts.USUAL[name]) for name in _WITH_INTERFACES},
    "routed": Case(ROUTED, ROUTED_TESTS, routed, TO_ROUTED),
    **{"routed, " + change.__name__: Case(ROUTED, ROUTED_TESTS, change) for change in (hosts.later, hosts.unknown)},
    "one container": Case(ALONE, ALONE_TESTS, hosts.bare, alone()),
    "somebody else's bridge": Case(LEFT_ALONE, LEFT_TESTS, somebody_elses),
    **{"closed addresses, " + change.__name__: Case(OPEN_PORTS, OPEN_PORTS_TESTS, change) for change in (hosts.bare, hosts.later)},
    "what is denied is logged": Case({**hosts.POLICY, "log_denied": {"rate": "10/minute"}}, []),
    "what the host sends": Case(SENDING, SENDING_TESTS, hosts.bare, sent()),
}
