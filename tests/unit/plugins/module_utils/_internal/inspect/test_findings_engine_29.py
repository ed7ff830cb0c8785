# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is found beside engines 29, of both backends, by their captured rulesets."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import Backend, Network, PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.nftables_backend import parse_bridges_table
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.findings import findings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.situation import Situation
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import SavedChain

from tests.unit.support.rulesets import CAPTURES, add_guard, captured, put

NFT = "29.7.2-nftables"
TABLE = parse_bridges_table((CAPTURES / "docker-29.7.2-nftables.c.nft").read_text(encoding="utf-8").partition("table ip6 ")[0])
NETS = {"DBP-container-nets-4a": LiveSet("x", SetType("hash:net"), 4, entries=frozenset(["172.17.0.0/16"]))}
VERSIONS = ["28.5.2", "29.1.3", NFT]


def network(name, bridge, subnet, **options):
    return Network(name, name, "bridge", bridge, [subnet], False, {4: "nat", 6: "nat"}, options)


def situation(version, **changes):
    nft = version == NFT
    app = app_of(version)
    host = Situation(
        reachable=True, backend=Backend("nftables" if nft else "iptables", False), proxy="on",
        networks=[network("bridge", "docker0", "172.17.0.0/16"), network("app", app, "172.18.0.0/16")],
        published=[], rulesets=captured(version), sets={}, engine_tables={4: TABLE} if nft else {},
        ends=[("docker0", "172.17.0.2"), (app, "172.18.0.2")], forwards_at_boot=True,
    )
    return host._replace(**changes)


def app_of(version):
    """The bridge as the captured rules name it."""
    if version == NFT:
        return "br-36587cf4495f"
    lines = captured(version)[4].rules("raw", "PREROUTING")
    return next(word for line in lines for word in line.split() if word.startswith("br-"))


def found(host, code):
    return [item for one in findings(host) if one.code == code for item in one.about or [one.message]]


def codes(host):
    return [one.code for one in findings(host)]


@pytest.mark.parametrize("version", VERSIONS)
def test_as_they_come(version):
    assert codes(situation(version)) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_with_allow_direct_routing(version):
    """The engine leaves its lines in raw out: its own accepts of published ports are for everybody."""
    host = situation(version)
    if version == NFT:
        host = host._replace(engine_tables={4: TABLE._replace(direct=[])})
    else:
        put(host.rulesets[4], "raw", "PREROUTING", [])
    assert found(host, "containers_reachable_directly") == ["ipv4 bridge: published ports", "ipv4 app: published ports"]
    assert found(host._replace(ends=[]), "containers_reachable_directly") == []
    add_guard(host.rulesets[4])
    assert found(host._replace(sets=NETS), "containers_reachable_directly") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_with_trusted_host_interfaces(version):
    trusted = {"com.docker.network.bridge.trusted_host_interfaces": "eth1:wg0"}
    networks = [network("bridge", "docker0", "172.17.0.0/16"), network("app", app_of(version), "172.18.0.0/16", **trusted)]
    host = situation(version, networks=networks)
    assert found(host, "containers_reachable_directly") == ["ipv4 app: published ports, by eth1, wg0"]


def test_a_policy_of_forward_that_cuts_containers_off_is_no_leftover():
    host = situation(NFT)
    put(host.rulesets[4], "filter", "FORWARD", [])
    assert codes(host) == []
    host.rulesets[4].tables["filter"]["FORWARD"] = SavedChain("DROP", [], [])
    assert codes(host) == ["forward_policy_cuts_off"]
    assert found(host, "forward_policy_cuts_off") == ["ipv4: FORWARD's policy is DROP"]
    assert codes(host._replace(backend=Backend("iptables", False), engine_tables={}, networks=[])) == ["no_rules_of_docker"]


@pytest.mark.parametrize("chain, does", [("DOCKER-FILTER", "closes nothing"), ("DB-PUBLISH-tcp-8990", "opens nothing")])
def test_chains_without_effect(chain, does):
    for version, expected in ((NFT, ["ipv4 nat %s: %s" % (chain, does)]), ("29.1.3", [])):
        host = situation(version)
        put(host.rulesets[4], "nat", chain, ["-j ACCEPT"])
        assert found(host, "chains_without_effect") == expected


def test_tables_of_a_former_nftables_backend():
    host = situation("29.1.3", engine_tables={4: TABLE, 6: TABLE})
    assert found(host, "leftovers_of_nftables") == ["ipv4: table docker-bridges", "ipv6: table docker-bridges"]
    assert found(host._replace(reachable=False), "leftovers_of_nftables") == []


@pytest.mark.parametrize("version, at_boot, is_found", [(NFT, False, True), (NFT, True, False), (NFT, None, False), ("29.1.3", False, False)])
def test_an_engine_that_the_next_boot_does_not_start(version, at_boot, is_found):
    assert ("no_forwarding_at_boot" in codes(situation(version, forwards_at_boot=at_boot))) == is_found


def closed(version, host_services=False, **changes):
    """A host under a policy that denies, whose guard knows none of the ports that the engine publishes."""
    host = situation(version, **changes)
    add_guard(host.rulesets[4])
    forward = host.rulesets[4].rules("filter", "FORWARD")
    put(host.rulesets[4], "filter", "FORWARD", ["-j DOCKER-USER", *(line for line in forward if line != "-j DOCKER-USER")])
    put(host.rulesets[4], "filter", "DOCKER-USER", ["-j DB-USER-policy"])
    put(host.rulesets[4], "filter", "DB-USER-policy", ["-m conntrack --ctstate DNAT -g DB-USER-policy-DNAT"])
    put(host.rulesets[4], "filter", "DB-USER-policy-DNAT", ["-j DROP"])
    if host_services:
        put(host.rulesets[4], "filter", "INPUT", ["-j DB-INPUT"])
        put(host.rulesets[4], "filter", "DB-INPUT", ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-j DROP"])
    return host


def late(protocol="tcp", port=8080, family=4):
    return PublishedPort(family, None, port, protocol, "web", "id", 80, False)


def test_a_late_port_that_is_closed_on_every_path_is_none():
    for version in VERSIONS:
        assert found(closed(version, published=[late()]), "unguarded_ports") == [], version


def unhooked(host):
    put(host.rulesets[4], "filter", "DOCKER-USER", [])


def passed_by(host):
    put(host.rulesets[4], "filter", "DOCKER-USER", ["-i eth0 -j ACCEPT", "-j DB-USER-policy"])


def allows(host):
    put(host.rulesets[4], "filter", "DB-USER-policy-DNAT", ["-m conntrack --ctorigdstport 9000 -j DROP"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("change", [unhooked, passed_by, allows])
def test_but_not_where_a_line_of_it_is_lacking(version, change):
    host = closed(version, published=[late()], host_services=True)
    assert found(host, "unguarded_ports") == []
    change(host)
    assert found(host, "unguarded_ports") == ["ipv4 0.0.0.0:8080/tcp -> web:80"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("port, changes", [
    # docker-proxy serves what comes to a broadcast address, to an address in a VRF, and what no rule of the engine translates.
    (late("udp", 8080), {}), (late(), {"vrfs": ["blue"]}), (late(port=8090), {}),
])
def test_nor_where_docker_proxy_is_reached(version, port, changes):
    assert len(found(closed(version, published=[port], **changes), "unguarded_ports")) == 1
    assert found(closed(version, published=[port], host_services=True, **changes), "unguarded_ports") == []
    assert found(closed(version, published=[port], proxy="off", **changes), "unguarded_ports") == []
    # The other family has no guard at all.
    assert len(found(closed(version, published=[port._replace(family=6)], host_services=True, **changes), "unguarded_ports")) == 1
