# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Settings with one value each: read, merged, and brought back into users' words."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment

from tests.unit.support.policy_data import policy_data

WHOLE = {
    "forwarding": {"ipv4": True, "ipv6": False, "daemon_config": "require",
                   "interfaces": {"eth1": {"ipv4": False}, "eth0.5": {"ipv4": False, "ipv6": True}}},
    "forward_policy": {"ipv4": "drop", "ipv6": "accept"},
    "daemon": {"userland_proxy": False, "icc": None, "default_network_opts": {"bridge": {"a": "b"}}},
}


def test_there_and_back():
    assert policy_data(parse_policy(WHOLE)) == WHOLE
    assert policy_data(merge([parse_fragment("a", WHOLE), parse_fragment("b", WHOLE)])) == WHOLE


def test_any_case():
    assert policy_data(parse_policy({"forward_policy": {"ipv4": "DROP"}})) == {"forward_policy": {"ipv4": "drop"}}


@pytest.mark.parametrize("raw, place", [
    ({"forwarding": {"ipv5": True}}, "policy.forwarding"),
    ({"forwarding": {"ipv4": "yes"}}, "policy.forwarding.ipv4"),
    ({"forwarding": {"interfaces": ["eth0"]}}, "policy.forwarding.interfaces"),
    ({"forwarding": {"interfaces": {"../x": {}}}}, "policy.forwarding.interfaces[0]"),
    ({"forwarding": {"interfaces": {"eth0": {"ipv4": 1}}}}, "policy.forwarding.interfaces.eth0.ipv4"),
    ({"forwarding": {"daemon_config": "maybe"}}, "policy.forwarding.daemon_config"),
    ({"forward_policy": {"ipv4": "reject"}}, "policy.forward_policy.ipv4"),
    ({"forward_policy": "drop"}, "policy.forward_policy"),
    ({"daemon": {"ip-forward": False}}, "policy.daemon"),
    ({"daemon": {"icc": "no"}}, "policy.daemon.icc"),
    ({"daemon": []}, "policy.daemon"),
])
def test_wrong(raw, place):
    with pytest.raises(DrawbridgeError) as caught:
        parse_policy(raw)
    assert caught.value.path == place


def test_the_heavier_decides_about_each_value_by_itself():
    light = parse_fragment("light", {"weight": 10, "forwarding": {"ipv4": True, "ipv6": True}, "daemon": {"icc": True}})
    heavy = parse_fragment("heavy", {"weight": 20, "forwarding": {"ipv4": False}, "daemon": {"icc": None}})
    assert policy_data(merge([heavy, light])) == {"forwarding": {"ipv4": False, "ipv6": True}, "daemon": {"icc": None}}


def test_a_contradiction_names_both():
    one = parse_fragment("host_policy__a", {"forwarding": {"interfaces": {"eth1": {"ipv4": True}}}})
    other = parse_fragment("host_policy__b", {"forwarding": {"interfaces": {"eth1": {"ipv4": False}}}})
    with pytest.raises(DrawbridgeError) as caught:
        merge([one, other])
    assert caught.value.path == "host_policy__b.forwarding.interfaces.eth1.ipv4"
    assert "host_policy__a" in caught.value.message


def test_places_lead_back_to_the_fragment():
    policy = merge([parse_fragment("host_policy__a", {"daemon": {"icc": False}})])
    assert policy.daemon.path == "host_policy__a.daemon"
