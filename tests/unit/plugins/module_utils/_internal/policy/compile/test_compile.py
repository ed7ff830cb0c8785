# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy as chains and sets: what stands where, in which order, for which family."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import BOTH
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import Network, PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import (
    HostFacts,
    Published,
    host_facts,
    unknown_host,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.canonical import is_plain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.swarm_ports import swarm_warnings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import OWNED, compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

HOST = HostFacts(
    published=[
        Published(4, None, 80, "tcp"), Published(6, None, 80, "tcp"), Published(4, "192.0.2.7", 53, "udp"),
        Published(6, "2001:db8::7", 53, "udp"), Published(4, None, 9899, "sctp"),
    ],
    bridges=["docker0", "br-1"],
    closed_bridges={4: ["docker0"], 6: ["docker0", "br-1"]},
    subnets=["172.17.0.0/16", "fd00:1::/64"],
    swarm=False,
)
TO_PORTS = [
    "-p tcp -m set --match-set @pub-tcp dst", "-p udp -m set --match-set @pub-udp dst",
    "-p sctp -m set --match-set @pub-sctp dst,dst", "-m set --match-set @pub-addr dst,dst",
]
FROM_BRIDGES = "-m set --match-set @bridges src,src -j RETURN"
OTHERS_DROPPED = [FROM_BRIDGES, "-j DROP"]
TO_COME = [
    "-o %s -m set ! --match-set @bridges dst,dst -m set ! --match-set @other-bridges dst,dst -j DROP" % name for name in ("br-+", "docker_gwbridge")
]


def wanted(host=HOST, **policy):
    return compile_policy(parse_policy(policy), host)


def texts(result, name, family=4):
    (chain,) = [chain for chain in result.chains if chain.name == name]
    return [line.text for line in chain.lines if family in line.families]


def names(result):
    return [chain.name for chain in result.chains]


def entry(port=80, sources=("any",), **more):
    return dict({"port": port, "sources": list(sources)}, **more)


def test_nothing_said_nothing_wanted():
    for result in (wanted(), compile_policy(parse_policy({}), unknown_host(swarm=False))):
        assert (result.chains, result.hooks, result.shared, result.sets) == ([], [], [], {})
        assert result.owned == [*OWNED, ("nat", "DB-POST-policy")]
        assert set(result.tables.values()) == {None}


def test_allowing_everything_needs_no_chain():
    open_policy = {"default": "allow", "direct": "allow"}
    assert wanted(published_ports=open_policy, host_services={"default": "allow"}).chains == []


def test_every_chain_is_owned_and_every_name_fits():
    for external in ({}, {"external_interfaces": ["eth0"]}):
        result = wanted(HOST._replace(vrfs=["blue"]), published_ports={}, host_services={"default": "deny"}, **external)
        for chain in result.chains:
            assert (chain.table, chain.name) in OWNED
            assert chain.name.startswith("DB-") and len(chain.name) <= 27
        assert {hook.target for hook in result.hooks} <= set(names(result))


def test_the_guard_of_a_host_without_named_interfaces():
    result = wanted(published_ports={})
    first = ["-i lo -j RETURN", "-m conntrack --ctdir REPLY -j RETURN"]
    last = [FROM_BRIDGES, "-m set --match-set @container-nets dst -j DROP"]
    assert texts(result, "DB-GUARD", 4) == [
        *first, "-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -g DB-GUARD-LOCAL", *last,
    ]
    # In IPv6 the match wants MULTICAST and the other types together, which no address is.
    assert texts(result, "DB-GUARD", 6) == [
        *first, "-m addrtype --dst-type LOCAL,ANYCAST -g DB-GUARD-LOCAL", "-d ff00::/8 -g DB-GUARD-LOCAL", *last,
    ]
    assert texts(result, "DB-GUARD-LOCAL") == [text + " -g DB-GUARD-PORTS" for text in TO_PORTS]
    assert texts(result, "DB-GUARD-PORTS") == OTHERS_DROPPED


def test_the_guard_of_a_host_with_a_vrf():
    host = HOST._replace(vrfs=["blue"])
    result = wanted(host, published_ports={})
    first = ["-i lo -j RETURN", "-m conntrack --ctdir REPLY -j RETURN", FROM_BRIDGES]
    assert texts(result, "DB-GUARD-INPUT", 4) == [
        *first, "-m addrtype --dst-type LOCAL,BROADCAST,ANYCAST,MULTICAST -j RETURN", "-g DB-GUARD-LOCAL"]
    assert texts(result, "DB-GUARD-INPUT", 6) == [
        *first, "-m addrtype --dst-type LOCAL,ANYCAST -j RETURN", "-d ff00::/8 -j RETURN", "-g DB-GUARD-LOCAL"]
    assert texts(result, "DB-GUARD")[-3:] == ["-m conntrack --ctstate DNAT -j RETURN", FROM_BRIDGES, "-m set --match-set @container-nets dst -j DROP"]
    assert all(is_plain(line.text) for chain in result.chains if chain.table == "mangle" for line in chain.lines)
    assert ("mangle", "INPUT", "DB-GUARD-INPUT") in [hook[:3] for hook in result.hooks]
    assert names(wanted(host, published_ports={}, external_interfaces=["eth0"])).count("DB-GUARD-INPUT-OUT") == 1
    only_direct = wanted(host, published_ports={"default": "allow"})
    assert "DB-GUARD-INPUT" not in names(only_direct) and "-m conntrack --ctstate DNAT -j RETURN" in texts(only_direct, "DB-GUARD")


def test_the_guard_of_a_host_with_named_interfaces():
    result = wanted(published_ports={}, external_interfaces=["eth0", "wan+"])
    first = "-m conntrack --ctdir REPLY -j RETURN"
    assert texts(result, "DB-GUARD") == [first, "-i eth0 -g DB-GUARD-OUT", "-i wan+ -g DB-GUARD-OUT"]
    assert texts(result, "DB-GUARD-OUT")[0].startswith("-m addrtype --dst-type LOCAL")
    assert "bridges" in result.sets  # forwarded packets still have to tell containers from the rest


@pytest.mark.parametrize("name", ["docker0", "br-+"])
def test_dockers_own_bridges_are_not_left_alone(name):
    with pytest.raises(DrawbridgeError, match="^unmanaged_interfaces: .* a bridge of Docker's"):
        wanted(published_ports={}, unmanaged_interfaces=["virbr0", name])


def test_forwarded_traffic():
    result = wanted(published_ports={"allow": [entry(443)]}, unmanaged_interfaces=["virbr0"])
    assert texts(result, "DB-USER-policy") == [
        "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -m set --match-set @bridges src,src"
        " -m set ! --match-set @bridges dst,dst -j DROP",
        "-m set --match-set @bridges src,src -j RETURN",
        "-o virbr0 -j RETURN",
        "-m conntrack --ctstate DNAT -g DB-USER-policy-DNAT",
        "-m set --match-set @bridges dst,dst -j DROP",
        *TO_COME,
    ]
    assert texts(result, "DB-USER-policy-DNAT") == ["-p tcp -m conntrack --ctorigdstport 443 -j RETURN", "-j DROP"]
    assert result.shared == [("filter", "DOCKER-USER")]


def test_direct_access_can_be_left_open():
    result = wanted(published_ports={"direct": "allow"})
    assert not any("container-nets" in text for text in texts(result, "DB-GUARD"))
    assert not any("closed-bridges" in text for text in texts(result, "DB-USER-policy"))
    assert "closed-bridges" not in result.sets


def test_containers_on_routed_networks_are_reached_by_whom_the_policy_names():
    result = wanted(published_ports={"routed": [entry(80, ["10.0.0.1"]), {"protocol": "icmp", "sources": ["any"]}]})
    assert texts(result, "DB-GUARD")[-2:] == [
        "-m set --match-set @routed-nets dst -g DB-GUARD-ROUTED", "-m set --match-set @container-nets dst -j DROP"]
    assert texts(result, "DB-GUARD-ROUTED") == [
        "-m conntrack --ctstate RELATED -j RETURN", "-s 10.0.0.1/32 -p tcp -m tcp --dport 80 -j RETURN",
        "-p icmp -m icmp --icmp-type 8 -j RETURN", "-j DROP"]
    assert texts(result, "DB-USER-policy")[-3] == "-m set --match-set @closed-bridges dst,dst -j DROP"
    open_to_all = wanted(published_ports={"direct": "allow", "routed": [entry()]})
    assert "DB-GUARD-ROUTED" not in names(open_to_all)


@pytest.mark.parametrize("policy", [
    {"published_ports": {}}, {"published_ports": {"default": "allow"}}, {"host_services": {"default": "deny"}}, {"egress": {"default": "deny"}},
    {"egress": {"peers": "deny"}},
])
def test_whatever_lets_replies_pass_has_the_check_of_sources_ahead(policy):
    result = wanted(**policy)
    assert ("mangle", "PREROUTING", "DB-SOURCE") in [hook[:3] for hook in result.hooks]
    assert texts(result, "DB-SOURCE") == [
        "-i lo -j RETURN",
        "! -s 0.0.0.0/32 -m addrtype --src-type LOCAL,BROADCAST,ANYCAST,MULTICAST -j DROP",
        "-m set --match-set @same-network src,src -j RETURN",
        "-m set --match-set @container-nets src -j DROP",
        "-m set --match-set @behind-containers src -m rpfilter --invert -j DROP",
        "-m set --match-set @bridges src,src -m rpfilter --invert -j DROP",
        "-i br-+ -m set ! --match-set @other-bridges src,src -m rpfilter --invert -j DROP",
    ]
    assert texts(result, "DB-SOURCE", 6)[1:3] == ["-s ::/128 ! -d ff02::/16 -j DROP", "-m addrtype --src-type LOCAL,ANYCAST -j DROP"]
    assert texts(wanted(HOST._replace(other_tables=True), **policy), "DB-SOURCE")[-1] == "-m rpfilter --loose --invert -j DROP"
    assert set(result.sets) >= {"same-network", "container-nets", "bridges", "other-bridges"}


def test_closing_only_direct_access_spares_the_bridges_own_addresses_and_what_was_dnated():
    result = wanted(published_ports={"default": "allow"})
    assert names(result) == ["DB-GUARD", "DB-USER-policy", "DB-SOURCE"]
    assert texts(result, "DB-GUARD")[-3:] == [
        "-m addrtype --dst-type LOCAL -j RETURN", FROM_BRIDGES, "-m set --match-set @container-nets dst -j DROP",
    ]
    assert texts(result, "DB-USER-policy")[-4] == "-m conntrack --ctstate DNAT -j RETURN"


def test_an_entry_becomes_a_line_for_each_source_in_the_families_that_fit():
    sources = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "@office"]
    result = wanted(published_ports={"allow": [entry("8000-8010", sources, protocol="udp")]})
    port = "-p udp -m udp --dport 8000:8010"
    in_office = port + " -m set --match-set @office src -j RETURN"
    assert texts(result, "DB-GUARD-PORTS", 4) == [
        "-s 10.0.0.0/8 %s -j RETURN" % port, "-s 192.0.2.1/32 %s -j RETURN" % port, in_office, *OTHERS_DROPPED,
    ]
    assert texts(result, "DB-GUARD-PORTS", 6) == ["-s 2001:db8::/32 %s -j RETURN" % port, in_office, *OTHERS_DROPPED]


def test_an_entry_for_one_address_is_for_its_family_only():
    result = wanted(published_ports={"allow": [entry(53, ["@o", "2001:db8::/32"], address="2001:db8::7")]})
    assert texts(result, "DB-GUARD-PORTS", 4) == OTHERS_DROPPED and texts(result, "DB-USER-policy-DNAT", 4) == ["-j DROP"]
    assert texts(result, "DB-GUARD-PORTS", 6) == [
        "-s 2001:db8::/32 -d 2001:db8::7/128 -p tcp -m tcp --dport 53 -j RETURN",
        "-d 2001:db8::7/128 -p tcp -m tcp --dport 53 -m set --match-set @o src -j RETURN",
        *OTHERS_DROPPED,
    ]
    assert texts(result, "DB-USER-policy-DNAT", 6)[0] == (
        "-s 2001:db8::/32 -p tcp -m conntrack --ctorigdst 2001:db8::7 --ctorigdstport 53 -j RETURN"
    )


def test_every_address_of_one_family():
    result = wanted(published_ports={"allow": [entry(address="0.0.0.0")]})
    assert texts(result, "DB-GUARD-PORTS", 4) == ["-p tcp -m tcp --dport 80 -j RETURN", *OTHERS_DROPPED]
    assert texts(result, "DB-GUARD-PORTS", 6) == OTHERS_DROPPED


def test_many_sources_become_one_set_that_equal_lists_share():
    many = ["10.0.0.%d" % number for number in range(5)]
    result = wanted(published_ports={"allow": [entry(80, many), entry(81, list(reversed(many)))]})
    (name,) = [name for name in result.sets if name.startswith("src-")]
    assert texts(result, "DB-GUARD-PORTS", 4) == [
        "-p tcp -m tcp --dport %d -m set --match-set @%s src -j RETURN" % (port, name) for port in (80, 81)
    ] + OTHERS_DROPPED
    assert texts(result, "DB-GUARD-PORTS", 6) == OTHERS_DROPPED
    assert result.sets[name].entries == {4: frozenset(many), 6: frozenset()}


def test_other_sources_get_another_set():
    lists = [["10.%d.0.%d" % (net, host) for host in range(5)] for net in range(2)]
    result = wanted(published_ports={"allow": [entry(80, lists[0]), entry(81, lists[1])]})
    assert len([name for name in result.sets if name.startswith("src-")]) == 2


def test_nobody_is_let_in_by_an_empty_list():
    assert texts(wanted(published_ports={"allow": [entry(sources=[])]}), "DB-GUARD-PORTS") == OTHERS_DROPPED


def test_default_allow_limits_the_ports_that_have_an_entry():
    result = wanted(published_ports={"default": "allow", "allow": [entry(80, ["10.0.0.0/8"]), entry(81, [])]})
    assert texts(result, "DB-GUARD-PORTS") == [
        "-s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j RETURN",
        FROM_BRIDGES,
        "-p tcp -m tcp --dport 80 -j DROP",
        "-p tcp -m tcp --dport 81 -j DROP",
    ]
    assert texts(result, "DB-USER-policy-DNAT")[1:] == [
        "-p tcp -m conntrack --ctorigdstport 80 -j DROP", "-p tcp -m conntrack --ctorigdstport 81 -j DROP",
    ]
    closed = [line for chain in result.chains for line in chain.lines if line.text.endswith("--dport 81 -j DROP")]
    assert closed[0].families == BOTH


def test_host_services_denied():
    result = wanted(
        published_ports={"allow": [entry(443)]},
        host_services={"default": "deny", "allow": [entry(22, ["@office"]), {"protocol": "icmp", "sources": ["any"]}]},
    )
    lines = texts(result, "DB-INPUT", 4)
    assert lines[:3] == [
        "-i lo -j RETURN", "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        "-m set --match-set @bridges src,src -j RETURN",
    ]
    assert lines[3:7] == [text + " -j RETURN" for text in TO_PORTS]
    assert lines[-4:] == [
        "-p tcp -m tcp --dport 443 -j RETURN",
        "-p tcp -m tcp --dport 22 -m set --match-set @office src -j RETURN",
        "-p icmp -m icmp --icmp-type 8 -j RETURN",
        "-j DROP",
    ]
    assert "-p udp -m udp --sport 67 --dport 68 -j RETURN" in lines
    lines = texts(result, "DB-INPUT", 6)
    for number in (1, 2, 3, 4, 130, 131, 132, 133, 134, 135, 136, 143, 128):
        assert "-p ipv6-icmp -m icmp6 --icmpv6-type %d -j RETURN" % number in lines
    assert not any("type 137" in line for line in lines)


SWARM = ["-p tcp -m tcp --dport 2377", "-p tcp -m tcp --dport 7946", "-p udp -m udp --dport 7946", "-p udp -m udp --dport 4789", "-p esp"]


def test_swarm_ports_only_in_a_swarm_and_only_to_its_nodes():
    for swarm in (True, False):
        result = wanted(HOST._replace(swarm=swarm, swarm_nodes=["192.0.2.9", "2001:db8::9"]), host_services={"default": "deny"})
        lines = texts(result, "DB-INPUT")
        for traffic in SWARM:
            assert (traffic + " -m set --match-set @swarm-nodes src -j RETURN" in lines) is swarm
            assert traffic + " -j RETURN" not in lines
        assert ("swarm-nodes" in result.sets) is swarm
    found = wanted(HOST._replace(swarm=True, swarm_nodes=["192.0.2.9", "2001:db8::9"]), host_services={"default": "deny"}).sets["swarm-nodes"]
    assert found.entries == {4: frozenset(["192.0.2.9"]), 6: frozenset(["2001:db8::9"])}


@pytest.mark.parametrize("facts", [HOST._replace(swarm=True, swarm_nodes=None), unknown_host(swarm=True)])
def test_nodes_that_nobody_tells_stay_as_they_were(facts):
    assert wanted(facts, host_services={"default": "deny"}).sets["swarm-nodes"].entries == {4: None, 6: None}


def test_whom_a_policy_lets_into_a_swarm():
    host = HOST._replace(swarm=True)
    named = texts(wanted(host, host_services={"default": "deny", "swarm": ["192.0.2.0/24", "@office"]}, address_sets={"office": []}), "DB-INPUT")
    anybody = texts(wanted(host, host_services={"default": "deny", "swarm": ["any"]}), "DB-INPUT")
    for traffic in SWARM:
        assert "-s 192.0.2.0/24 %s -j RETURN" % traffic in named and traffic + " -m set --match-set @office src -j RETURN" in named
        assert traffic + " -m set --match-set @swarm-nodes src -j RETURN" in named
        assert traffic + " -j RETURN" in anybody
    assert not [line for line in texts(wanted(HOST, host_services={"default": "deny", "swarm": ["any"]}), "DB-INPUT") if "2377" in line]


@pytest.mark.parametrize("said, facts, words", [
    ({}, {"swarm_nodes": ["192.0.2.9"]}, None), ({}, {"swarm_nodes": []}, "knows no other node"), ({}, {"swarm_nodes": None}, "does not tell"),
    ({}, {"swarm_nodes": [], "known": False}, "does not tell"), ({"swarm": ["192.0.2.0/24"]}, {"swarm_nodes": []}, None),
    ({"swarm": []}, {"swarm_nodes": []}, "knows no other node"), ({"default": "allow"}, {"swarm_nodes": []}, None),
    ({}, {"swarm": False, "swarm_nodes": []}, None),
])
def test_who_may_be_cut_off_is_told(said, facts, words):
    policy = parse_policy({"host_services": {"default": "deny", **said}})
    told = swarm_warnings(policy, HOST._replace(**{"swarm": True, **facts}), lambda: True)
    assert (words in told[0] and "host_services.swarm" in told[0]) if words else not told


def test_nodes_that_come_later_need_the_event_service_or_a_name():
    host = HOST._replace(swarm=True, swarm_nodes=["192.0.2.9"])
    (told,) = swarm_warnings(parse_policy({"host_services": {"default": "deny"}}), host, lambda: False)
    assert "the event service does not run" in told
    assert not swarm_warnings(parse_policy({"host_services": {"default": "deny", "swarm": []}}), host, lambda: False)


def test_host_services_allowed_with_entries():
    result = wanted(host_services={"allow": [entry(22, ["10.0.0.1"]), {"protocol": "icmp", "sources": []}]})
    assert texts(result, "DB-INPUT", 6)[-2:] == [
        "-p tcp -m tcp --dport 22 -j DROP", "-p ipv6-icmp -m icmp6 --icmpv6-type 128 -j DROP",
    ]
    assert names(result) == ["DB-INPUT", "DB-SOURCE"] and result.shared == []


def test_lines_know_where_the_user_wrote_them():
    result = wanted(published_ports={"allow": [entry(80, ["10.0.0.1", "@ghost"])]})
    (chain,) = [chain for chain in result.chains if chain.name == "DB-GUARD-PORTS"]
    assert [line.path for line in chain.lines] == [
        "policy.published_ports.allow[0].sources", "policy.published_ports.allow[0].sources[1]",
        None, "policy.published_ports.default",
    ]
    assert "ghost" not in result.sets


def test_sets_that_no_line_names_are_left_out():
    sets = {"used": ["10.0.0.1", "2001:db8::1"], "unused": ["10.0.0.2"]}
    result = wanted(address_sets=sets, published_ports={"allow": [entry(80, ["@used"])]})
    assert "unused" not in result.sets
    assert result.sets["used"].entries == {4: frozenset(["10.0.0.1"]), 6: frozenset(["2001:db8::1"])}


def test_sets_of_the_host():
    sets = wanted(HOST._replace(routed=["fd00:1::/64"]), published_ports={"routed": [entry()]}).sets
    assert sets["routed-nets"].entries == {4: frozenset(), 6: frozenset(["fd00:1::/64"])}
    assert sets["pub-tcp"].entries == {4: frozenset(["80"]), 6: frozenset(["80"])}
    assert sets["pub-udp"].entries == {4: frozenset(), 6: frozenset()}
    assert sets["pub-sctp"].entries == {4: {"0.0.0.0/1,sctp:9899", "128.0.0.0/1,sctp:9899"}, 6: frozenset()}
    assert sets["pub-addr"].entries == {
        4: frozenset(["192.0.2.7,udp:53"]), 6: frozenset(["2001:db8::7,udp:53"]),
    }
    assert sets["container-nets"].entries == {4: frozenset(["172.17.0.0/16"]), 6: frozenset(["fd00:1::/64"])}
    assert sets["bridges"].entries[4] == {"0.0.0.0/0,docker0", "0.0.0.0/0,br-1"}
    assert sets["closed-bridges"].entries == {
        4: frozenset(["0.0.0.0/0,docker0"]), 6: frozenset(["::/0,docker0", "::/0,br-1"]),
    }
    assert (sets["pub-tcp"].type.name, sets["pub-tcp"].type.options) == ("bitmap:port", "range 0-65535")
    assert (sets["pub-sctp"].type.name, sets["pub-sctp"].type.options) == ("hash:net,port", "")


def test_an_engine_that_could_not_be_asked_leaves_the_live_content():
    sets = wanted(unknown_host(swarm=False), published_ports={}).sets
    assert {name for name in sets if sets[name].entries == {4: None, 6: None}} == set(sets)


def test_rules_do_not_depend_on_what_runs_on_the_host():
    policy = {"published_ports": {}, "host_services": {"default": "deny"}}
    assert wanted(**policy).chains == wanted(unknown_host(swarm=False), **policy).chains


def _network(name, bridge, subnets, modes):
    return Network(name, name, "bridge" if bridge else "macvlan", bridge, subnets, False, modes, {})


def test_facts_from_the_engine():
    facts = host_facts(
        [
            _network("a", "br-a", ["172.18.0.0/16", "fd00:a::/64"], {4: "nat", 6: "routed"}),
            _network("b", "br-b", ["172.19.0.0/16"], {4: "routed", 6: "nat"}),
            _network("c", None, ["10.9.0.0/16"], {}),
        ],
        [
            PublishedPort(4, None, 80, "tcp", "web", "1", 8080, False),
            PublishedPort(4, "127.0.0.1", 81, "tcp", "web", "1", 8080, True),
        ],
        swarm=True,
    )
    assert facts.bridges == ["br-a", "br-b"]
    assert facts.closed_bridges == {4: ["br-a"], 6: ["br-b"]}
    assert facts.subnets == ["172.18.0.0/16", "fd00:a::/64", "172.19.0.0/16"]
    assert facts.routed == ["fd00:a::/64", "172.19.0.0/16"]
    assert facts.published == [Published(4, None, 80, "tcp")]
    assert facts.swarm and facts.known
