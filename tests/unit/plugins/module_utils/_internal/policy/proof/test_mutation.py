# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whichever line of a policy's chains is taken away, one of the policy's tests fails, on one of some hosts that the policy may find."""
import re

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.prove import Prover

from tests.unit.support.proofs import LATER, our_lines, scene, without

OFFICE = {"office": ["203.0.113.0/24", "2001:db8:7::/48"]}
PUBLISHED = [
    *({"port": port, "sources": ["@office"]} for port in (8080, 8082, 9000, 9443)), {"port": 9000, "protocol": "udp", "sources": ["@office"]},
    *({"port": 53, "protocol": "udp", "address": address, "sources": ["@office"]} for address in ("192.0.2.7", "2001:db8:1::7")),
    {"port": 3868, "protocol": "sctp", "sources": ["@office"]},
]
NETWORK = {"default": "deny", "allow": [{"destination": ["10.0.5.0/24"], "port": 5432}], "host": [{"port": 3128}]}
POLICY = {
    "address_sets": OFFICE, "published_ports": {"allow": PUBLISHED},
    "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["@office"]}, {"protocol": "icmp", "sources": ["any"]}]},
    "egress": {"deny": [{"destination": ["169.254.169.254", "2001:db8:9::254"]}], "host": [{"port": 3128}, {"port": 8080}], "networks": {"front": NETWORK}},
}
# Ports without an entry are open, services of the host are not.
OPEN = {**POLICY, "published_ports": {"default": "allow", "allow": [entry for entry in PUBLISHED if entry["port"] == 8080]}}


def only(port, **more):
    """The office reaches a port, and nobody else."""
    return [{"from": "@office", "to": port, "expect": "allow", **more}, {"from": "any", "except": "@office", "to": port, "expect": "deny", **more}]


def forged(source, interface, to="icmp"):
    return {"from": source, "interface": interface, "to": to, "expect": "deny"}


TESTS = [
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
OPEN_TESTS = [*only(8080), *({"from": "any", "to": to, "expect": "allow"}
                             for to in (8082, "9000/udp", "192.0.2.7:53/udp", "[2001:db8:1::7]:53/udp", "3868/sctp"))]


def foreign_drops(text):
    """A family's rules without those of others that stop anything."""
    kept = [line for line in text.splitlines() if line.startswith("-A DB-") or not re.search(r"-j (DROP|REJECT)\b", line)]
    return "".join(re.sub(r"^(:FORWARD) DROP", r"\1 ACCEPT", line) + "\n" for line in kept)


def with_lines(text, table, lines, first=False):
    """The rules with some more in a table, ahead of the others or behind them."""
    before, star, rest = text.partition("*%s\n" % table)
    heads, commit, after = rest.partition("COMMIT\n")
    body = heads.splitlines(True)
    place = next(number for number, line in enumerate(body) if line.startswith("-A")) if first else len(body)
    return before + star + "".join([*body[:place], *(line + "\n" for line in lines), *body[place:]]) + commit + after


def led(family, port, to, protocol="tcp"):
    address = {4: "172.18.0.%s", 6: "[fd00:22::%s]"}[family] % to
    return "-A DOCKER -p %s -m %s --dport %s -j DNAT --to-destination %s" % (protocol, protocol, port, address)


BOTH = {"iptables": 4, "ip6tables": 6}
LATE = {
    name: [led(family, port, "9:80") for port in (8080, 8082, 9000, 9443, 8083)]
    + [led(family, 9000, "9:90", "udp"), led(family, 3868, "4:3868", "sctp"), led(family, 53, "3:53", "udp")]
    for name, family in BOTH.items()
}
_PUBLISHED_SETS = {"tcp": (8080, 8082, 9000, 9443), "udp": (9000,)}


def without_dnat(text):
    return re.sub(r"^-A .*-j DNAT .*\n", "", text, flags=re.MULTILINE)


def later(texts):
    """Nothing was published when the policy came into force, and Docker's rules lead all of it to containers now."""
    rules = {name: with_lines(without_dnat(foreign_drops(texts[name])), "nat", LATE[name]) for name in BOTH}
    return {**rules, "ipset": re.sub(r"^add DBP-pub-.*\n", "", texts["ipset"], flags=re.MULTILINE)}


def proxied(texts):
    """docker-proxy serves all of it."""
    return {name: without_dnat(foreign_drops(texts[name])) for name in BOTH}


def known(texts):
    """docker-proxy serves all of it, and it was known when the policy came into force."""
    entries = ["add DBP-pub-%s-%da %d\n" % (protocol, family, port) for protocol, ports in _PUBLISHED_SETS.items() for port in ports for family in (4, 6)]
    return {**proxied(texts), "ipset": texts["ipset"] + "".join(entries)}


def unknown(texts):
    """docker-proxy serves all of it since later."""
    return {**proxied(texts), "ipset": later(texts)["ipset"]}


def ahead(texts):
    """Somebody accepts whatever is forwarded, before Docker's rules and ours."""
    return {name: with_lines(foreign_drops(texts[name]), "filter", ["-A FORWARD -j ACCEPT"], True) for name in BOTH}


def bare(texts):
    """Docker's rules stop nothing, as those of old engines."""
    return {name: foreign_drops(texts[name]) for name in BOTH}


def hosts():
    """The policy on hosts that need different lines of it, by name."""
    usual, is_open = scene(POLICY, TESTS), scene(OPEN, OPEN_TESTS)
    without_services, open_without_services = (
        scene({key: value for key, value in policy.items() if key != "host_services"}, [test for test in tests if test["to"] not in (22, 9100)])
        for policy, tests in ((POLICY, TESTS), (OPEN, OPEN_TESTS))
    )
    found = {"as it is": usual, "services are open": changed(without_services, unknown), "open ports": changed(is_open, known),
             "open ports, led later": changed(is_open, later), "open ports, served later": changed(open_without_services, unknown)}
    found.update({change.__name__: changed(usual, change) for change in (bare, later, proxied, known, unknown, ahead)})
    return found


def changed(before, change):
    """The scene with other rules, on a host that takes packets from its own addresses."""
    texts = before.snapshot.texts
    lax = {"settings": texts["settings"] + "net.ipv4.conf.all.accept_local = 1\n"}
    return before._replace(snapshot=Snapshot({**texts, **lax, **change(texts)}))


def met_by(prover, tests):
    """By place of a rule, the packets that meet it, each with its test."""
    found = {}
    for test in tests:
        for asked in prover.asked(test):
            for state in ("new", "reply") if test.allows else ("new",):
                flags = frozenset(("SYN", "ACK")) if state == "reply" and asked.flags else asked.flags
                for step in prover.judgement(asked._replace(state=state, flags=flags)).path:
                    found.setdefault((asked.family, step.table, step.chain, step.rule), {})[test.path, asked] = (test, asked)
    return found


def needed_on(place, lines):
    """Of these lines, those without which a test fails that holds with them."""
    prover = Prover(place)
    met = met_by(prover, [test for test in place.policy.tests if prover.failure(test) is None])
    for line in lines:
        packets = met.get((BOTH[line.name], line.table, line.chain, line.number), {}).values()
        if packets:
            without_it = Prover(place._replace(snapshot=without(place.snapshot, line)))
            if any(without_it.counterexample(*packet) for packet in packets):
                yield line


# Lines that no test needs here, by a part of them, and why.
EQUIVALENT = {
    r"--icmp-type (3|11|12) |--icmpv6-type (1|2|3|4|13\d|143) |--ctstate RELATED -j": "errors and neighbour discovery: no connection begins with one",
    r"-d (224\.0\.0\.0/4|255\.255\.255\.255/32|ff00::/8|ff02::/16|fe80::/10) |-s fe80::/10 ": "groups and neighbours on a link: not what a test is about",
    r"--sport (67|547) ": "the host asks for an address: not what a test is about",
    r"! --tcp-flags ": "packets from amid a connection",
    r"DB-SOURCE: -i lo ": "on the loopback, only packets come there that nobody tracks",
    r"DB-GUARD-INPUT": "asks again behind the routing, for addresses of VRFs: there are none here",
    r"docker_gwbridge|behind-containers|engine-own": "there is no swarm, no network behind a container, and the engine has no port of its own",
    r"DB-LATE: .*DBP-pub-|DB-LATE: -m mark ! ": "what is known comes with its mark to the entry's line as well, and without a mark no line has an effect",
    r"DB-LATE: -p sctp ": "the kernel marks no sctp",
    r"DB-EGP-all: -m set --match-set DBP-same-network": "the general block denies nothing of a network",
    r"ip6tables .*(front|DBP-egn-)": "the network front has no IPv6",
    r"ip6tables (DB-USER-policy-EGRESS|DB-HOST-policy): -m set --match-set DBP-bridges-6": "the bridge with IPv6 is called br-back: br-+ is for it, too",
}


def test_no_line_is_without_a_test(capsys):
    needed, lines = set(), {}
    for place in hosts().values():
        for line in our_lines(place.snapshot):
            lines.setdefault(str(line), line)
        needed.update(map(str, needed_on(place, [line for line in our_lines(place.snapshot) if str(line) not in needed])))
    left = [name for name in lines if name not in needed]
    reasons = {name: next((pattern for pattern in EQUIVALENT if re.search(pattern, name)), None) for name in left}
    with capsys.disabled():
        print("\nof %d lines of the policies' chains, tests need %d; %d are listed with their reasons" % (len(lines), len(needed), len(left)))
    assert [name for name, reason in reasons.items() if reason is None] == []
    assert set(reasons.values()) == set(EQUIVALENT)
