# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Masquerading as users say it, and the rules that it comes to."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, NetworkFacts, unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.owners import POLICY_MASQUERADE, TASK_MASQUERADE
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.masquerade import (
    nat_rules,
    warnings_about,
    with_masquerade,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.masquerade import parse_masquerade

from tests.unit.support.policy_data import masquerade_data

NETWORKS = [
    NetworkFacts("bridge", "docker0", ["172.17.0.0/16"]),
    NetworkFacts("backend", "br-1", ["172.18.0.0/16", "fd00:1::/64"]),
]
HOST = HostFacts([], [], {4: [], 6: []}, [], False, networks=NETWORKS)
NOTHING = DesiredState([], [], [])


def rules(**said):
    return [(str(rule.source), rule.bridge, rule.mode, rule.address)
            for rule in nat_rules(parse_masquerade(said, "masquerade"), NETWORKS)]


def refused(said):
    with pytest.raises(DrawbridgeError) as caught:
        parse_masquerade(said, "masquerade")
    return str(caught.value)


def test_nothing_said_leaves_all_to_docker():
    assert rules() == rules(all=True) == rules(networks={"backend": True}) == []


def test_a_network_by_name():
    assert rules(networks={"backend": False}) == [
        ("172.18.0.0/16", "br-1", "off", None), ("fd00:1::/64", "br-1", "off", None)]


def test_an_address_is_for_its_family():
    assert rules(networks={"backend": "192.0.2.7"}) == [("172.18.0.0/16", "br-1", "snat", "192.0.2.7")]
    assert rules(networks={"backend": ["2001:db8::7", "192.0.2.7"]}) == [
        ("172.18.0.0/16", "br-1", "snat", "192.0.2.7"), ("fd00:1::/64", "br-1", "snat", "2001:db8::7")]


def test_the_narrowest_decides():
    said = {"all": False, "networks": {"backend": True}, "subnets": {"172.18.4.0/24": "192.0.2.7", "172.18.4.8": True}}
    assert rules(**said) == [
        ("172.17.0.0/16", "docker0", "off", None),
        ("172.18.4.8/32", "br-1", "docker", None),
        ("172.18.4.0/24", "br-1", "snat", "192.0.2.7"),
    ]


def test_a_larger_subnet_stands_for_the_networks_in_it():
    assert rules(networks={"backend": True}, subnets={"172.16.0.0/12": False}) == [
        ("172.17.0.0/16", "docker0", "off", None), ("172.18.0.0/16", "br-1", "off", None)]


def test_tables_of_both_families_and_none_where_there_is_no_rule():
    wanted = with_masquerade(NOTHING, parse_masquerade({"networks": {"bridge": False}}, "m"), HOST, True, TASK_MASQUERADE)
    assert wanted.tables == {
        (4, "drawbridge-masquerade"): [
            "chain postrouting {", "type nat hook postrouting priority 99;",
            'ip saddr 172.17.0.0/16 oifname != "docker0" snat to ip saddr', "}"],
        (6, "drawbridge-masquerade"): None,
    }
    assert wanted.owned == [("nat", "DB-POST")] and not wanted.chains


def test_a_chain_where_there_is_no_nft():
    said = parse_masquerade({"networks": {"bridge": "192.0.2.7", "backend": False}}, "m")
    wanted = with_masquerade(NOTHING, said, HOST, False, POLICY_MASQUERADE)
    (chain,) = wanted.chains
    assert [line.text for line in chain.lines] == [
        "-s 172.17.0.0/16 ! -o docker0 -j SNAT --to-source 192.0.2.7",
        "-s 172.18.0.0/16 ! -o br-1 -j ACCEPT",
        "-s fd00:1::/64 ! -o br-1 -j ACCEPT",
    ]
    assert wanted.hooks[0].ahead_of == ("MASQUERADE",) and not wanted.tables


def test_an_engine_that_cannot_be_asked_leaves_what_is_there():
    assert with_masquerade(NOTHING, parse_masquerade({"all": False}, "m"), unknown_host(False), True, TASK_MASQUERADE) == NOTHING


def test_gone_means_gone_whatever_the_engine_says():
    assert with_masquerade(NOTHING, None, unknown_host(False), True, TASK_MASQUERADE).tables == {
        (4, "drawbridge-masquerade"): None, (6, "drawbridge-masquerade"): None}


def test_an_interface_that_no_rule_can_name_is_refused():
    odd = HOST._replace(networks=[NetworkFacts("odd", 'x" snat to', ["172.30.0.0/16"])])
    with pytest.raises(DrawbridgeError, match="interface that no rule can name"):
        with_masquerade(NOTHING, parse_masquerade({"all": False}, "m"), odd, True, TASK_MASQUERADE)


def test_warnings():
    def about(raw="", **said):
        return warnings_about(parse_masquerade(said, "m"), HOST, lambda: {4: parse(raw)})

    drops = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 172.18.0.2/32 ! -i br-1 -j DROP\nCOMMIT\n"
    assert about(networks={"backend": False}) == []
    assert about(drops, networks={"backend": True, "bridge": False}) == []
    assert "allow-direct-routing" in about(drops, networks={"backend": False})[0]
    by_hand = drops.replace("172.18.0.2/32", "172.0.0.2/255.0.0.255")
    assert about(by_hand, networks={"backend": False}) == []
    assert about(networks={"other": False})[0].startswith("m.networks.other: there is no such")
    assert about(subnets={"10.0.0.0/8": "192.0.2.1"})[0].startswith("m.subnets.10.0.0.0/8: ")


@pytest.mark.parametrize("said, words", [
    ([], "expected a mapping"),
    ({"network": {}}, "did you mean networks?"),
    ({"all": 1}, "masquerade.all: expected true, false or an address"),
    ({"all": "eth0"}, "is not an IP address"),
    ({"all": "192.0.2.0/24"}, "expected one address, not a network"),
    ({"all": ["192.0.2.1", "192.0.2.2"]}, "two addresses of one family"),
    ({"all": []}, "the list is empty"),
    ({"networks": {"": True}}, "not the name of a Docker network"),
    ({"networks": {"a\nb": True}}, "not the name of a Docker network"),
    ({"subnets": {"host.example": True}}, "is not an IP address or network"),
    ({"subnets": {"fd00::/8": "192.0.2.1"}}, "other family"),
    ({"subnets": {"10.0.0.0/8": True, "10.1.1.1/8": False}}, "the same subnet as in"),
])
def test_errors_name_the_place(said, words):
    text = refused(said)
    assert words in text and text.startswith("masquerade")


def test_as_data_and_back():
    said = {"all": "off", "networks": {"b": ["2001:db8::1", "192.0.2.1"], "a": True}, "subnets": {"10.1.1.1/8": "no"}}
    once = parse_masquerade(said, "here")
    data = masquerade_data(once)
    assert data == {"all": False, "networks": {"a": True, "b": ["192.0.2.1", "2001:db8::1"]}, "subnets": {"10.0.0.0/8": False}}
    assert masquerade_data(parse_masquerade(data, "there")) == data
    assert [item.path for item in once.networks.values()] == ["here.networks.b", "here.networks.a"]
    assert [item.path for item in once.subnets.values()] == ["here.subnets.10.1.1.1/8"]
