# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy on hosts that need different lines of it, with the tests of the policy and what else is to hold there."""
from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.prove import Scene

from tests.unit.support.mutation.promises import BRIDGED, RELATED, Promise, promise
from tests.unit.support.proofs import LATER, SECOND, scene

Test = dict[str, Any]
Policy = dict[str, Any]
# A host's texts, or those of them that are others.
Texts = Mapping[str, str]
OFFICE = {"office": ["203.0.113.0/24", "2001:db8:7::/48"]}
PUBLISHED: list[Test] = [
    *({"port": port, "sources": ["@office"]} for port in (8080, 8082, 9000, 9443)), {"port": 9000, "protocol": "udp", "sources": ["@office"]},
    *({"port": 53, "protocol": "udp", "address": address, "sources": ["@office"]} for address in ("192.0.2.7", "2001:db8:1::7")),
    {"port": 3868, "protocol": "sctp", "sources": ["@office"]},
]
NETWORK = {"default": "deny", "allow": [{"destination": ["10.0.5.0/24", "2001:db8:6::/64"], "port": 5432}], "host": [{"port": 3128}]}
POLICY: Policy = {
    "address_sets": OFFICE, "published_ports": {"allow": PUBLISHED},
    "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["@office"]}, {"protocol": "icmp", "sources": ["any"]}]},
    "egress": {"deny": [{"destination": ["169.254.169.254", "2001:db8:9::254"]}], "host": [{"port": 3128}, {"port": 8080}], "networks": {"front": NETWORK}},
}
# Ports without an entry are open, services of the host are not.
OPEN: Policy = {**POLICY, "published_ports": {"default": "allow", "allow": [entry for entry in PUBLISHED if entry["port"] == 8080]}}


def only(port: object, **more: object) -> list[Test]:
    """The office reaches a port, and nobody else."""
    return [{"from": "@office", "to": port, "expect": "allow", **more}, {"from": "any", "except": "@office", "to": port, "expect": "deny", **more}]


def forged(source: str, interface: str, to: object = "icmp") -> Test:
    return {"from": source, "interface": interface, "to": to, "expect": "deny"}


TESTS: list[Test] = [
    *(test for port in (8080, 8082, 9000, "9000/udp", 9443, "192.0.2.7:53/udp", "[2001:db8:1::7]:53/udp", "3868/sctp", 22) for test in only(port)),
    *({"from": "any", "to": to, "expect": "deny"} for to in (
        8083, 9100, "172.17.0.2:80", "[fd00:22::2]:80", "172.30.0.2:80", "[fd00:30::2]:80", "172.31.0.2:80", "[fd00:31::2]:80")),
    {"from": "any", "to": "icmp", "expect": "allow"},
    *({"from": "host", "to": to, "expect": "allow"} for to in ("198.51.100.7:443", "[2001:db8:5::7]:443", "192.0.2.10:8080", "[2001:db8::10]:8080",
                                                               "192.0.2.10:9100", "[2001:db8::10]:9100", "172.18.0.2:80", "[fd00:22::2]:80")),
    # Containers, by name, and those of a network that was made later.
    *({"container": name, "to": to, "expect": "allow"} for name, to in (
        ("db", "10.0.5.9:5432"), ("db", "[2001:db8:5::9]:5432"), ("dns", 3128), ("db", 3128), ("web", 3128), ("web", "198.51.100.7:443"),
        ("dns", {"container": "db", "port": 80}), ("web", "192.0.2.10:8080"), ("db", "[2001:db8::10]:8080"), ("web", "172.30.0.2:80"),
        ("db", "[fd00:30::2]:80"),
    )),
    *({"container": name, "to": to, "expect": "deny"} for name, to in (
        ("dns", "198.51.100.7:443"), ("dns", 22), ("dns", 8080), ("web", 22), ("db", 22), ("web", "169.254.169.254:80"), ("dns", "169.254.169.254:80"),
        ("db", "[2001:db8:9::254]:80"),
    )),
    *({"from": source, "to": to, "expect": "deny"} for source, to in (
        ("172.30.0.2", "169.254.169.254:80"), ("fd00:30::2", "[2001:db8:9::254]:80"), ("172.30.0.2", "172.30.0.1:22"), ("fd00:30::2", "[fd00:30::1]:22"),
    )),
    {"from": "fd00:17::9", "to": "[fd00:22::2]:80", "expect": "allow"},
    # Sources that cannot be where they come from.
    *(forged(source, "eth0") for source in ("172.17.0.2", "fd00:22::2", "192.0.2.10", "2001:db8::10", "::")),
    *(forged(source, interface, 3128) for source in ("203.0.113.9", "2001:db8:7::9") for interface in ("docker0", LATER)),
]
# Of these, an open host promises only some.
OPEN_TESTS: list[Test] = [
    *only(8080), *({"from": "any", "to": to, "expect": "allow"} for to in (8082, "9000/udp", "192.0.2.7:53/udp", "[2001:db8:1::7]:53/udp", "3868/sctp")),
]


def foreign_drops(text: str) -> str:
    """A family's rules without those of others that stop anything."""
    kept = [line for line in text.splitlines() if line.startswith("-A DB-") or not re.search(r"-j (DROP|REJECT)\b", line)]
    return "".join(re.sub(r"^(:FORWARD) DROP", r"\1 ACCEPT", line) + "\n" for line in kept)


def with_lines(text: str, table: str, lines: list[str], first: bool = False) -> str:
    """The rules with some more in a table, ahead of the others or behind them."""
    before, star, rest = text.partition("*%s\n" % table)
    heads, commit, after = rest.partition("COMMIT\n")
    body = heads.splitlines(True)
    place = next(number for number, line in enumerate(body) if line.startswith("-A")) if first else len(body)
    return before + star + "".join([*body[:place], *(line + "\n" for line in lines), *body[place:]]) + commit + after


def led(family: int, port: int, to: str, protocol: str = "tcp") -> str:
    """Docker's rule that leads a port to a container. to: the end of its address, and its port."""
    address = {4: "172.18.0.%s", 6: "[fd00:22::%s]"}[family] % to
    return "-A DOCKER -p %s -m %s --dport %s -j DNAT --to-destination %s" % (protocol, protocol, port, address)


BOTH = {"iptables": 4, "ip6tables": 6}
LATE = {
    name: [led(family, port, "9:80") for port in (8080, 8082, 9000, 9443, 8083)]
    + [led(family, 9000, "9:90", "udp"), led(family, 3868, "4:3868", "sctp"), led(family, 53, "3:53", "udp")]
    for name, family in BOTH.items()
}
_PUBLISHED_SETS = {"tcp": (8080, 8082, 9000, 9443), "udp": (9000,)}


def without_dnat(text: str) -> str:
    return re.sub(r"^-A .*-j DNAT .*\n", "", text, flags=re.MULTILINE)


def later(texts: Texts) -> Texts:
    """Nothing was published when the policy came into force, and Docker's rules lead all of it to containers now."""
    rules = {name: with_lines(without_dnat(foreign_drops(texts[name])), "nat", LATE[name]) for name in BOTH}
    return {**rules, "ipset": re.sub(r"^add DBP-pub-.*\n", "", texts["ipset"], flags=re.MULTILINE)}


def proxied(texts: Texts) -> Texts:
    """docker-proxy serves all of it."""
    return {name: without_dnat(foreign_drops(texts[name])) for name in BOTH}


def known(texts: Texts) -> Texts:
    """docker-proxy serves all of it, and it was known when the policy came into force."""
    entries = ["add DBP-pub-%s-%da %d\n" % (protocol, family, port) for protocol, ports in _PUBLISHED_SETS.items() for port in ports for family in (4, 6)]
    return {**proxied(texts), "ipset": texts["ipset"] + "".join(entries)}


def unknown(texts: Texts) -> Texts:
    """docker-proxy serves all of it since later."""
    return {**proxied(texts), "ipset": later(texts)["ipset"]}


def ahead(texts: Texts) -> Texts:
    """Somebody accepts whatever is forwarded, before Docker's rules and ours."""
    return {name: with_lines(foreign_drops(texts[name]), "filter", ["-A FORWARD -j ACCEPT"], True) for name in BOTH}


def bare(texts: Texts) -> Texts:
    """Docker's rules stop nothing, as those of old engines."""
    return {name: foreign_drops(texts[name]) for name in BOTH}


def dual(texts: Texts) -> Texts:
    """The network front has IPv6, too."""
    sets = "add DBP-same-network-6a fd00:18::/64,%s\nadd DBP-container-nets-6a fd00:18::/64\n" % SECOND
    return {**bare(texts), **with_address(texts, SECOND, "fd00:18::1", 64), "ipset": texts["ipset"] + sets}


def turned(texts: Texts) -> Texts:
    """Somebody's own rules lead other ports to those that docker-proxy serves. The guard judges the port that was dialled."""
    rules = known(texts)
    return {**rules, **{name: with_lines(rules[name], "nat", TURNED[name], True) for name in BOTH}, **with_groups(texts)}


def elsewhere(texts: Texts) -> Texts:
    """The host has addresses in a routing table of its own, by a mark: neither addrtype nor Docker's rules find them."""
    found = dict(known(texts))
    for name, family in BOTH.items():
        place = ELSEWHERE[family]
        marks = ["-A %s -d %s -j MARK --set-xmark 0x1/0x1" % (chain, place) for chain in ("PREROUTING", "OUTPUT")]
        found[name] = with_lines(found[name], "mangle", marks, True)
        key, rules = {4: ("routes", "rules"), 6: ("routes6", "rules6")}[family]
        found[key] = json.dumps([*json.loads(texts[key]), {"type": "local", "dst": place, "dev": "lo", "table": "100", "flags": []}])
        found[rules] = json.dumps([{"priority": 0, "src": "all", "table": "local"}, {"priority": 9, "src": "all", "fwmark": "0x1", "table": "100"},
                                   {"priority": 32766, "src": "all", "table": "main"}])
    return found


def every_packet(texts: Texts) -> Texts:
    """The same, with the jump that hosts with a VRF have."""
    found = dict(elsewhere(texts))
    for name in BOTH:
        found[name] = found[name].replace("-m conntrack ! --ctstate ESTABLISHED -j DB-GUARD-INPUT", "-j DB-GUARD-INPUT")
    return found


def untracked(texts: Texts) -> Texts:
    """Nobody tracks what the host sends to itself."""
    return {name: "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -o lo -j CT --notrack\nCOMMIT\n" + re.sub(
        r"\*raw\n.*?COMMIT\n", "", foreign_drops(texts[name]), count=1, flags=re.DOTALL) for name in BOTH}


def grown(texts: Texts) -> Texts:
    """Since the policy came into force a swarm's bridge was made; and there are networks behind containers."""
    found = dict(bare(texts))
    for address, length in (("172.32.0.1", 16), ("fd00:32::1", 64)):
        found.update(with_address({**texts, **found}, "docker_gwbridge", address, length))
    for key, network, gateway, device in (("routes", "10.8.0.0/24", "172.18.0.9", SECOND), ("routes6", "fd00:88::/64", "fd00:22::9", "br-back")):
        found[key] = json.dumps([*json.loads({**texts, **found}[key]), {"dst": network, "gateway": gateway, "dev": device, "flags": []}])
    found["ipset"] = texts["ipset"] + "add DBP-behind-containers-4a 10.8.0.0/24\nadd DBP-behind-containers-6a fd00:88::/64\n"
    return found


def engine_listens(texts: Texts) -> Texts:
    """The engine has a port of its own."""
    sets = "".join("add DBP-engine-own-%da %s,tcp:2376\n" % item for item in ((4, "0.0.0.0/1"), (4, "128.0.0.0/1"), (6, "::/1"), (6, "8000::/1")))
    sockets = "".join('tcp LISTEN 0 4096 %s:2376 0.0.0.0:* users:(("dockerd",pid=2,fd=4))\n' % place for place in ("0.0.0.0", "[::]"))
    return {**unknown(texts), "ipset": unknown(texts)["ipset"] + sets, "sockets": texts["sockets"] + sockets}


def with_address(texts: Texts, device: str, address: str, length: int) -> dict[str, str]:
    """The links and routes of a host that has one more address, perhaps of a bridge that it did not have."""
    links, family = json.loads(texts["addresses"]), "inet6" if ":" in address else "inet"
    link = next((item for item in links if item["ifname"] == device), None)
    if link is None:
        link = {"ifname": device, "flags": ["UP"], "addr_info": [], "linkinfo": {"info_kind": "bridge"}}
        links.append(link)
    link["addr_info"].append({"family": family, "local": address, "prefixlen": length, "scope": "global"})
    key, network = ("routes6" if family == "inet6" else "routes"), str(ipaddress.ip_interface("%s/%d" % (address, length)).network)
    routes = [*json.loads(texts[key]), {"type": "local", "dst": address, "dev": device, "table": "local", "flags": []},
              {"dst": network, "dev": device, "flags": []}]
    return {"addresses": json.dumps(links), key: json.dumps(routes)}


def with_groups(texts: Texts) -> dict[str, str]:
    """The routes to groups of IPv6, as the kernel makes them for each link."""
    return {"routes6": json.dumps([*json.loads(texts["routes6"]), {"type": "multicast", "dst": "ff00::/8", "dev": "eth0", "table": "local", "flags": []}])}


def groups(texts: Texts) -> Texts:
    """What docker-proxy serves is asked for at groups as well."""
    return {**known(texts), **with_groups(texts)}


ELSEWHERE = {4: "192.0.2.77", 6: "2001:db8:77::7"}
# Other ports that lead to those which docker-proxy serves, to its own addresses and to a group.
_TURNED = ((8443, "tcp", "", {4: "192.0.2.10:9000", 6: "[2001:db8::10]:9000"}), (8443, "udp", "", {4: "192.0.2.10:9000", 6: "[2001:db8::10]:9000"}),
           (8453, "udp", "", {4: "192.0.2.7:53", 6: "[2001:db8:1::7]:53"}), (8455, "udp", "ff02::1", {6: "[ff02::1]:9000"}))
TURNED = {
    name: ["-A PREROUTING %s-p %s -m %s --dport %d -j DNAT --to-destination %s" % ("-d %s " % to if to else "", protocol, protocol, port, places[family])
           for port, protocol, to, places in _TURNED if family in places]
    for name, family in BOTH.items()
}
ELSEWHERE_TESTS: list[Test] = [
    *(test for place in ("192.0.2.77:%s", "[2001:db8:77::7]:%s") for port in (9000, "9000/udp") for test in only(place % port)),
    *({"from": "host", "to": place % 9000, "expect": "allow"} for place in ("192.0.2.77:%s", "[2001:db8:77::7]:%s")),
    *({"container": name, "to": to, "expect": "allow"} for name, to in (("web", "192.0.2.77:8080"), ("db", "[2001:db8:77::7]:8080"))),
]
# On which hosts else, with which tests.
_MORE: list[tuple[Callable[[Texts], Texts], list[Test]]] = [
    (dual, [
        {"from": "any", "to": "icmp", "expect": "allow"},
        {"from": "fd00:18::9", "to": "[2001:db8:5::7]:443", "expect": "deny"}, {"from": "fd00:18::9", "to": "[2001:db8:6::7]:5432", "expect": "allow"},
        {"from": "fd00:18::9", "to": "[fd00:18::2]:80", "expect": "allow"}, {"from": "fd00:18::9", "to": "[fd00:18::1]:3128", "expect": "allow"},
        *({"from": "fd00:18::9", "to": "[fd00:18::1]:%d" % port, "expect": "deny"} for port in (22, 8080)),
        {"from": "fd00:17::9", "to": "[2001:db8:9::254]:80", "expect": "deny"}, {"from": "fd00:17::9", "to": "[fd00:17::1]:22", "expect": "deny"},
    ]),
    (turned, [{"from": "any", "to": to, "expect": "allow"} for to in (8443, "8443/udp", "192.0.2.10:8453/udp", "[2001:db8::10]:8453/udp")]),
    (elsewhere, ELSEWHERE_TESTS), (every_packet, ELSEWHERE_TESTS), (groups, []),
    (grown, [*({"from": "any", "to": to, "expect": "deny"} for to in ("172.32.0.2:80", "[fd00:32::2]:80")), forged("10.8.0.9", "eth0"),
             forged("fd00:88::9", "eth0")]),
]
# Containers reach their neighbours and nobody else.
FENCED: Policy = {"egress": {"deny": [{"destination": ["0.0.0.0/0", "::/0"]}]}}
FENCED_TESTS: list[Test] = [
    {"container": "web", "to": "172.17.0.9:80", "expect": "allow"}, {"container": "db", "to": "[fd00:22::9]:80", "expect": "allow"},
    *({"container": "db", "to": to, "expect": "deny"} for to in ("198.51.100.7:80", "10.0.5.9:80", "[2001:db8:5::7]:80", "[fd00:17::9]:80")),
]


# A sender outside, one on docker0 and one in the network front.
_SENDERS = {4: (("203.0.113.9", "eth0", "192.0.2.10"), ("172.17.0.2", "docker0", "172.17.0.1"), ("172.18.0.2", SECOND, "172.18.0.1")),
            6: (("2001:db8:99::9", "eth0", "2001:db8::10"), ("fd00:17::9", "docker0", "fd00:17::1"), ("fd00:18::9", SECOND, "fd00:18::1"))}
# Errors about flows that nobody tracks, by family; what finds neighbours and keeps groups.
ERRORS, NEIGHBOURS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}, (130, 131, 132, 133, 134, 135, 136, 143)
# Who is on a link, beside those with addresses of a network.
GROUPS = {4: ("224.0.0.251", "255.255.255.255"), 6: ("[ff02::fb]", "[fe80::22]")}


def essential() -> list[Promise]:
    """What nobody can do without, in whichever network: errors, neighbours, groups, the host's own address by DHCP."""
    found = [promise("192.0.2.1", "192.0.2.10:68/udp", "allow", source_port=67), promise("2001:db8::1", "[2001:db8::10]:546/udp", "allow", source_port=547),
             promise("192.0.2.1", "224.0.0.1", "allow", protocol="2")]
    for family, senders in _SENDERS.items():
        for source, interface, to in senders:
            found += [promise(source, to, "allow", interface=interface, icmp_type=kind, state="invalid") for kind in ERRORS[family]]
            found += [promise(source, to, "allow", interface=interface, icmp_type=kind) for kind in NEIGHBOURS if family == 6]
    found += [promise("fe80::9", "fd00:17::1", "allow", interface="docker0", icmp_type=135)]
    return found


def on_links() -> list[Promise]:
    """What a bridge brings to everybody on it, and to neighbours' addresses on the link."""
    return [promise(source, to + ":5353/udp", "allow", BRIDGED, interface=interface)
            for family, senders in _SENDERS.items() for source, interface, _to in senders[1:] for to in GROUPS[family]]


def of_open_flows() -> list[Promise]:
    """Errors about flows that are open, and the further connections that a helper expects of them, from containers to the outside and to the host."""
    found = []
    for family, senders in _SENDERS.items():
        for source, interface, host in senders[1:]:
            found += [promise(source, senders[0][0], "allow", RELATED, interface=interface, icmp_type={4: 3, 6: 1}[family]),
                      promise(source, host, "allow", RELATED, interface=interface, protocol="tcp", port=40000)]
    return found


# The first packet of a flow has SYN. Another one is of a flow that is not known any more, in whichever direction.
_AMID = [promise(source, to, "deny", tcp_flags="ACK") for source, to in (("172.17.0.2", "198.51.100.7:443"), ("fd00:22::2", "[2001:db8:5::7]:443"))]
_PROMISES = {
    "dual": [*essential(), *on_links(), *of_open_flows()],
    "turned": [promise("2001:db8:99::9", "[ff02::1]:8455/udp", "allow", interface="eth0")],
    "groups": [promise("2001:db8:99::9", "[ff02::1]:9000/udp", "deny", interface="eth0")],
    "every_packet": [promise("own:" + ELSEWHERE[family], to, "allow", source_port=9000, state="reply")
                     for family, to in ((4, "198.51.100.7:443"), (6, "[2001:db8:5::7]:443"))],
}


class Case(NamedTuple):
    """A policy, what is to hold with it (promises: beside its tests), and what is different about the host; None for the usual one."""

    policy: Policy
    tests: list[Test]
    change: Callable[[Texts], Texts] | None = None
    promises: Sequence[Promise] = ()


class Host(NamedTuple):
    """promises: what is to hold beside the policy's tests."""

    scene: Scene
    promises: list[Promise]


def changed(before: Scene, change: Callable[[Texts], Texts]) -> Scene:
    """The scene with other rules, on a host that takes packets from its own addresses."""
    texts = before.snapshot.texts
    lax = {"settings": texts["settings"] + "net.ipv4.conf.all.accept_local = 1\n"}
    return before._replace(snapshot=Snapshot({**texts, **lax, **change(texts)}))


def made(cases: Mapping[str, Case]) -> dict[str, Host]:
    """The hosts, with their policies in force."""
    return {name: Host(changed(found, case.change) if case.change is not None else found, [*case.promises])
            for name, case in cases.items() for found in [scene(case.policy, case.tests)]}


def served(policy: Policy, tests: list[Test], change: Callable[[Texts], Texts]) -> Case:
    """The policy without services of the host, and the tests that are not about them."""
    return Case({key: value for key, value in policy.items() if key != "host_services"}, [test for test in tests if test["to"] not in (22, 9100)], change)


USUAL: dict[str, Case] = {
    "as it is": Case(POLICY, TESTS, None, _AMID),
    **{change.__name__: Case(POLICY, TESTS, change, _AMID if change is bare else []) for change in (bare, later, proxied, known, unknown, ahead, untracked)},
    **{change.__name__: Case(POLICY, tests, change, _PROMISES.get(change.__name__, [])) for change, tests in _MORE},
    "services are open": served(POLICY, TESTS, unknown),
    "the engine listens": served(POLICY, [{"from": "any", "to": 2376, "expect": "allow"}], engine_listens),
    "open ports": Case(OPEN, OPEN_TESTS, known),
    "open ports, led later": Case(OPEN, OPEN_TESTS, later),
    "open ports, served later": served(OPEN, OPEN_TESTS, unknown),
    "networks are denied": Case(FENCED, FENCED_TESTS, bare, on_links()),
}
