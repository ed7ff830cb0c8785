# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Fragments about egress and masquerade, merged by weight."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment, parse_profile

from tests.unit.support.policy_data import policy_data


def merged(**fragments):
    policy = merge([parse_fragment(name, raw) for name, raw in fragments.items()])
    data = policy_data(policy)
    assert policy_data(parse_policy(data)) == data
    return data


def clash(**fragments):
    with pytest.raises(DrawbridgeError) as caught:
        merged(**fragments)
    return str(caught.value)


def test_nobody_says_anything():
    assert merged(a={}, b={"host_services": {}}) == {"host_services": {}}


def test_masquerade_by_network_subnet_and_all():
    assert merged(
        a={"masquerade": {"all": False, "networks": {"x": False, "y": False}}},
        b={"masquerade": {"networks": {"y": False, "z": "192.0.2.1"}, "subnets": {"10.0.0.0/8": True}}},
        c={"weight": 60, "masquerade": {"networks": {"x": True}}},
    ) == {"masquerade": {
        "all": False, "networks": {"x": True, "y": False, "z": ["192.0.2.1"]}, "subnets": {"10.0.0.0/8": True}}}


def test_masquerade_of_equal_weight_has_to_agree():
    said = clash(a={"masquerade": {"networks": {"x": False}}}, b={"masquerade": {"networks": {"x": "192.0.2.1"}}})
    assert "b.masquerade.networks.x" in said and "in a, which has the same weight" in said


def test_egress_blocks_are_merged_one_by_one():
    assert merged(
        a={"egress": {"default": "deny", "dns": ["192.0.2.1"], "networks": {"x": {"default": "deny", "allow": [{"port": 1}]}}}},
        b={"egress": {"dns": ["192.0.2.2"], "networks": {"x": {"allow": [{"port": 1, "destination": "10.0.0.0/8"}]}, "y": {"peers": "deny"}}}},
        c={"weight": 60, "egress": {"networks": {"x": {"default": "allow"}}}},
    ) == {"egress": {
        "default": "deny", "dns": ["192.0.2.1", "192.0.2.2"],
        "networks": {
            "x": {"default": "allow", "allow": [{"protocol": "tcp", "port": 1, "destination": ["any", "10.0.0.0/8"]}]},
            "y": {"peers": "deny"},
        },
    }}


def test_the_heaviest_replaces_an_entrys_destinations():
    light = {"egress": {"default": "deny", "allow": [{"port": 1, "destination": "10.0.0.0/8"}, {"port": 2, "destination": "10.0.0.0/8"}]}}
    heavy = {"weight": 60, "egress": {"allow": [{"port": 1, "destination": []}], "host": [{"port": 5}]}}
    result = merged(a=light, b=heavy)["egress"]
    assert [(entry["port"], entry["destination"]) for entry in result["allow"]] == [(1, []), (2, ["10.0.0.0/8"])]
    assert result["host"] == [{"protocol": "tcp", "port": 5}]


def test_lists_of_equal_weight_add_up_and_words_have_to_agree():
    assert merged(a={"egress": {"host": [{"port": 1}]}}, b={"egress": {"host": [{"port": 2}]}}) == {
        "egress": {"host": [{"protocol": "tcp", "port": 1}, {"protocol": "tcp", "port": 2}]}}
    assert "b.egress.host" in clash(a={"egress": {"host": [{"port": 1}]}}, b={"egress": {"host": "allow"}})
    assert "b.egress.default" in clash(a={"egress": {"default": "deny"}}, b={"egress": {"default": "allow"}})
    assert "b.egress.networks.x.default" in clash(
        a={"egress": {"networks": {"x": {"default": "deny"}}}}, b={"egress": {"networks": {"x": {"default": "allow"}}}})


def test_host_egress_is_merged_as_a_block():
    assert merged(
        a={"host_egress": {"default": "allow", "deny": [{"port": 25}, {"destination": "192.0.2.1"}], "dns": False}},
        b={"host_egress": {"deny": [{"port": 25, "destination": "10.0.0.0/8"}]}},
        c={"weight": 60, "host_egress": {"default": "deny", "deny": [{"destination": "192.0.2.2"}]}},
    ) == {"host_egress": {
        "default": "deny", "dns": False,
        "deny": [{"protocol": "tcp", "port": 25, "destination": ["any", "10.0.0.0/8"]}, {"protocol": "any", "destination": ["192.0.2.2"]}],
    }}
    assert "b.host_egress.mode: enforce here, but observe in a" in clash(a={"host_egress": {"mode": "observe"}}, b={"host_egress": {"mode": "enforce"}})
    assert "b.host_egress.default" in clash(a={"host_egress": {"default": "deny"}}, b={"host_egress": {"default": "allow"}})


def test_containers_of_the_heaviest_come_first():
    found = merged(
        a={"egress": {"containers": [{"name": "one"}, {"name": "two"}]}},
        b={"weight": 60, "egress": {"containers": [{"label": "three"}, {"name": "two", "default": "deny"}]}},
    )["egress"]["containers"]
    assert found == [{"label": "three"}, {"name": "two", "default": "deny"}, {"name": "one"}]


def test_a_profile_is_lighter_than_every_fragment():
    policy = merge([parse_profile("profile x", {"egress": {"default": "deny"}}), parse_fragment("a", {"weight": 0, "egress": {"default": "allow"}})])
    assert policy_data(policy) == {"egress": {"default": "allow"}}


def test_places_name_the_fragment():
    policy = merge([parse_fragment("frag", {"egress": {"networks": {"x": {"allow": [{"port": 1}, {"destination": ["10.0.0.1", "@s"]}]}}},
                                            "masquerade": {"networks": {"x": False}}})])
    assert policy.egress.networks["x"].allow[1].sources.sets[0].path == "frag.egress.networks.x.allow[1].destination[1]"
    assert policy.masquerade.networks["x"].path == "frag.masquerade.networks.x"
