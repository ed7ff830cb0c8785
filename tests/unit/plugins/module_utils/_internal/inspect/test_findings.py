# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is found on hosts: engines' real rulesets, and each thing that can be wrong put into them."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import Backend, Network, PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.findings import describe, findings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.situation import Situation
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import SavedChain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.owners import POLICY_LASTING

from tests.unit.support.rulesets import add_guard, captured, chains, put

BRIDGES = {"20.10.24": "br-2b17bbce6eb5", "27.5.1": None, "28.5.2": "br-adf0aa2c9584", "29.7.2-nftables": "br-1"}


def port(number, address=None, family=4, protocol="tcp", loopback=False, name="web"):
    return PublishedPort(family, address, number, protocol, name, "id", 80, loopback)


def network(name, bridge, *subnets, mode="nat", internal=False):
    return Network(name, name, "bridge", bridge, list(subnets), internal, {4: mode, 6: mode}, {})


def situation(version="28.5.2", **changes):
    driver = "nftables" if "nftables" in version else "iptables"
    host = Situation(
        reachable=True, backend=Backend(driver, False), proxy="on",
        networks=[network("bridge", "docker0", "172.17.0.0/16")], published=[], rulesets=captured(version), sets={},
    )
    return host._replace(**changes)


def codes(host):
    return [found.code for found in findings(host)]


def items(host, code):
    return [item for found in findings(host) if found.code == code for item in found.about]


def members(kind, *entries):
    return LiveSet("x", SetType(kind), 4, entries=frozenset(entries))


SETS = {
    "DBP-pub-tcp-4a": members("bitmap:port", "8080", "8081"),
    "DBP-pub-udp-4a": members("bitmap:port", "53"),
    "DBP-pub-addr-4a": members("hash:ip,port", "192.0.2.7,tcp:8082", "192.0.2.7,udp:8083"),
    "DBP-container-nets-4a": members("hash:net", "172.17.0.0/16"),
}


@pytest.mark.parametrize("version, expected", [
    ("20.10.24", ["containers_reachable_directly"]),
    ("27.5.1", ["containers_reachable_directly"]),
    ("28.5.2", []),
    ("29.7.2-nftables", []),
])
def test_engines_as_they_come(version, expected):
    assert codes(situation(version)) == expected


def test_ports_without_a_guard():
    published = [port(8080), port(8080, family=6), port(8090, "127.0.0.1", loopback=True)]
    host = situation("28.5.2", published=published)
    assert items(host, "unguarded_ports") == ["ipv4 0.0.0.0:8080/tcp -> web:80", "ipv6 [::]:8080/tcp -> web:80"]


@pytest.mark.parametrize("published, guarded", [
    (port(8080), True), (port(8082), False), (port(8080, protocol="udp"), False), (port(53, protocol="udp"), True),
    (port(8082, "192.0.2.7"), True), (port(8082, "192.0.2.8"), False), (port(8083, "192.0.2.7"), False),
    (port(8083, "192.0.2.7", protocol="udp"), True), (port(8080, "192.0.2.7"), False), (port(8080, family=6), False),
])
def test_ports_in_the_guard_s_sets(published, guarded):
    host = situation(published=[published], sets=SETS)
    assert items(host, "unguarded_ports") == [describe(published)]
    add_guard(host.rulesets[4])
    assert items(host, "unguarded_ports") == ([] if guarded else [describe(published)])


def test_a_guard_that_nothing_leads_to_guards_nothing():
    host = situation(published=[port(8080)], sets=SETS)
    del host.rulesets[6]
    add_guard(host.rulesets[4])
    put(host.rulesets[4], "mangle", "PREROUTING", [])
    assert codes(host) == ["unguarded_ports", "chain_not_hooked"]
    assert items(host, "chain_not_hooked") == ["ipv4 mangle DB-GUARD", "ipv4 mangle DB-SOURCE"]


def test_the_chain_that_names_a_record_is_meant_to_be_entered_from_nowhere():
    host = situation(published=[port(8080)], sets=SETS)
    add_guard(host.rulesets[4])
    before = codes(host)
    put(host.rulesets[4], *POLICY_LASTING, ["-j RETURN"])
    assert codes(host) == before


def test_a_guard_of_one_family_only():
    host = situation(published=[port(8080, family=6)], sets=SETS)
    add_guard(host.rulesets[4])
    (found,) = items(host, "guard_lost_lines")
    assert found == "ipv6 mangle DB-GUARD: the whole chain: nothing is looked at; open by it: ipv6 [::]:8080/tcp -> web:80"


def test_a_guard_that_is_passed_by_guards_nothing():
    host = situation(published=[port(8080)], sets=SETS)
    del host.rulesets[6]
    add_guard(host.rulesets[4])
    put(host.rulesets[4], "mangle", "PREROUTING", ["-s 192.0.2.9/32 -j ACCEPT", "-j DB-GUARD", "-j DB-SOURCE"])
    assert codes(host) == ["unguarded_ports", "hook_passed_by"]
    assert items(host, "hook_passed_by") == [
        "ipv4 mangle PREROUTING: DB-%s is at %d of 3, behind: -s 192.0.2.9/32 -j ACCEPT" % at for at in (("GUARD", 2), ("SOURCE", 3))]


def test_an_interrupted_change():
    host = situation()
    put(host.rulesets[4], "filter", "DBX-DB-USER-policy", [])
    assert codes(host) == ["interrupted_change"]
    assert items(host, "interrupted_change") == ["ipv4 filter DBX-DB-USER-policy"]


@pytest.mark.parametrize("forward, found", [
    (["-j DOCKER-USER", "-j DOCKER-FORWARD"], []),
    (["-j DROP", "-j DOCKER-USER"], []),
    (["-j DOCKER-FORWARD"], ["ipv4: FORWARD has no jump to DOCKER-USER"]),
    (["-i eth0 -j ACCEPT", "-j DOCKER-USER"], ["ipv4: FORWARD jumps to DOCKER-USER behind: -i eth0 -j ACCEPT"]),
    (["-i eth0 -j DOCKER-USER"], ["ipv4: FORWARD has no jump to DOCKER-USER for every packet"]),
    (["-j DOCKER-FORWARD", "-j DOCKER-USER"], ["ipv4: FORWARD jumps to DOCKER-USER behind: -j DOCKER-FORWARD"]),
])
def test_docker_user_out_of_place(forward, found):
    host = situation()
    put(host.rulesets[4], "filter", "DOCKER-USER", ["-s 192.0.2.1/32 -j DROP"])
    put(host.rulesets[4], "filter", "FORWARD", forward)
    assert items(host, "docker_user_passed_by") == found


@pytest.mark.parametrize("held, hint", [
    (["-j DB-USER-web", "-s 192.0.2.1/32 -j DROP"], "run the play again, which puts the jump to DOCKER-USER first"),
    (["-s 192.0.2.1/32 -j DROP"], "put the jump first by iptables -I FORWARD 1 -j DOCKER-USER"),
])
def test_what_helps_where_docker_user_is_passed_by(held, hint):
    host = situation()
    put(host.rulesets[4], "filter", "DOCKER-USER", held)
    put(host.rulesets[4], "filter", "DB-USER-web", ["-j DROP"])
    put(host.rulesets[4], "filter", "FORWARD", ["-j ACCEPT", "-j DOCKER-USER"])
    (told,) = [item for item in findings(host) if item.code == "docker_user_passed_by"]
    assert hint in told.hint


def test_docker_user_without_rules_need_not_be_jumped_to():
    host = situation()
    put(host.rulesets[4], "filter", "DOCKER-USER", ["-j RETURN"])
    put(host.rulesets[4], "filter", "FORWARD", [])
    assert codes(host) == []


def test_rules_in_the_other_variant():
    assert codes(situation(other_variant="legacy", other_rules=0)) == []
    (found,) = findings(situation(other_variant="legacy", other_rules=7))
    assert (found.code, found.about) == ("other_variant_has_rules", [])
    assert "iptables-legacy holds 7 rules" in found.message


def test_vrfs_that_came_after_the_policy():
    host = situation(vrfs=["blue", "red"])
    assert items(host, "unguarded_vrfs") == []
    add_guard(host.rulesets[4])
    put(host.rulesets[4], "mangle", "DB-GUARD-PORTS", ["-j DROP"])
    assert items(host, "unguarded_vrfs") == ["ipv4: blue", "ipv4: red"]
    assert items(host._replace(vrfs=[]), "unguarded_vrfs") == []
    put(host.rulesets[4], "mangle", "DB-GUARD-INPUT", ["-g DB-GUARD-LOCAL"])
    put(host.rulesets[4], "mangle", "INPUT", ["-j DB-GUARD-INPUT"])
    assert items(host, "unguarded_vrfs") == []


def test_flowtables():
    assert items(situation(flowtables=["inet t f: br-x, eth0"]), "flowtables") == ["inet t f: br-x, eth0"]


@pytest.mark.parametrize("version, number, found", [
    ("20.10.24", 8081, ["ipv4 127.0.0.1:8081/tcp -> web:80"]),
    ("28.5.2", 8081, []),
    # Another port than the one that this engine's rule drops.
    ("28.5.2", 808, ["ipv4 127.0.0.1:808/tcp -> web:80"]),
    ("29.7.2-nftables", 8081, []),
])
def test_loopback(version, number, found):
    host = situation(version, published=[port(number, "127.0.0.1", loopback=True)])
    assert items(host, "loopback_reachable") == found
    put(host.rulesets[4], "filter", "DB-USER-policy-DNAT", ["-j DROP"])
    assert items(host, "loopback_reachable") == []


def test_containers_reachable_directly():
    networks = [network("bridge", "docker0", "172.17.0.0/16"), network("six", "br-6", "172.18.0.0/16", "fd00::/64"),
                network("in", "br-in", "172.19.0.0/16", internal=True),
                network("r", "br-r", "fd01::/64", mode="routed"),
                Network("lan", "lan", "macvlan", None, ["192.0.2.0/24"], False, {}, {})]
    host = situation("20.10.24", networks=networks, sets=SETS)
    assert items(host, "containers_reachable_directly") == [
        "ipv4 bridge: published ports", "ipv4 six: published ports", "ipv6 six: every port"]
    add_guard(host.rulesets[4])
    assert items(host, "containers_reachable_directly") == ["ipv6 six: every port"]
    put(host.rulesets[6], "filter", "INPUT", [])
    host.rulesets[6].tables["filter"]["FORWARD"] = SavedChain("DROP", [], [])
    assert items(host, "containers_reachable_directly") == []
    host = situation("28.5.2", networks=networks)
    assert items(host, "containers_reachable_directly") == [
        "ipv4 six: published ports", "ipv6 six: every port"]


@pytest.mark.parametrize("version, proxy, found", [
    ("20.10.24", "on", ["ipv6 [::]:8080/tcp -> web:80"]), ("20.10.24", "unknown", ["ipv6 [::]:8080/tcp -> web:80"]),
    ("20.10.24", "off", []), ("28.5.2", "on", []), ("29.7.2-nftables", "on", []),
])
def test_ipv6_by_proxy(version, proxy, found):
    published = [port(8080), port(8080, family=6), port(8081, "::1", family=6, loopback=True)]
    assert items(situation(version, proxy=proxy, published=published), "ipv6_by_proxy") == found


def test_an_engine_without_rules():
    empty = {4: chains(), 6: chains()}
    assert codes(situation(rulesets=empty, networks=[])) == ["no_rules_of_docker"]
    assert codes(situation(rulesets=empty, networks=[], reachable=False)) == []
    assert codes(situation("29.7.2-nftables", rulesets=empty)) == []
    assert codes(situation(rulesets={}, networks=[])) == []


def test_leftovers_of_a_former_life():
    host = situation("28.5.2", backend=Backend("nftables", False))
    assert codes(host) == ["leftovers_of_iptables", "forward_policy_cuts_off"]
    assert items(host, "leftovers_of_iptables") == [
        "ipv4: chains of Docker's in iptables", "ipv6: chains of Docker's in iptables"]


def test_each_finding_says_what_to_do():
    host = situation("20.10.24", published=[port(1), port(1, family=6), port(2, "127.0.0.1", loopback=True)],
                     other_variant="legacy", other_rules=1)
    put(host.rulesets[4], "filter", "DB-INPUT", [])
    put(host.rulesets[4], "filter", "DBX-DB-INPUT", [])
    found = findings(host)
    assert len(found) == len({item.code for item in found}) == 7
    assert all(item.message and item.hint for item in found)


@pytest.mark.parametrize("late_ports, expected", [("next_run", 1), ("kernel_until_restart", 1), ("kernel", 0), ("event_service", 0), (None, 0)])
def test_ports_that_are_published_later(late_ports, expected):
    host = situation(sets=SETS, late_ports=late_ports)
    assert "late_ports_open" not in codes(host)
    add_guard(host.rulesets[4])
    assert codes(host).count("late_ports_open") == expected
    assert "late_ports_open" not in codes(host._replace(proxy="off"))
