# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Entries that name interfaces or zones: what they mean, and which mistakes are told."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment

ZONES = {"vpn": {"interfaces": ["wg+", "tailscale0"]}, "office": {"interfaces": ["eth1"], "sources": ["10.1.0.0/16", "::1"]}, "here": {"sources": ["@lan"]}}


def said(policy):
    """Each entry about published ports: its port, its interfaces, its sources."""
    return [
        (str(entry.target.ports), [item.name for item in entry.interfaces],
         ["any"] * entry.sources.everybody + sorted(entry.sources.addresses[4] | entry.sources.addresses[6]) + ["@" + item.name for item in entry.sources.sets])
        for entry in policy.published_ports.allow
    ]


def entries(*allow, **policy):
    return said(parse_policy({"published_ports": {"allow": list(allow)}, **policy}))


def test_interfaces_and_sources():
    assert entries({"port": 80, "interfaces": ["wg0", "eth+", "wg0"], "sources": ["10.0.0.1"]}) == [("80", ["eth+", "wg0"], ["10.0.0.1"])]
    assert entries({"port": 80, "interfaces": ["wg0"]}) == [("80", ["wg0"], ["any"])]
    assert entries({"port": 80, "interfaces": ["wg0"], "sources": []}) == [("80", ["wg0"], [])]


def test_entries_with_the_same_way_in_are_one():
    assert entries({"port": 80, "interfaces": ["a", "b"], "sources": ["10.0.0.1"]}, {"port": 81, "sources": ["any"]}, {"port": 80, "sources": ["10.0.0.2"]},
                   {"port": 80, "interfaces": ["b", "a"], "sources": ["10.0.0.3"]}) == [
        ("80", ["a", "b"], ["10.0.0.1", "10.0.0.3"]), ("80", [], ["10.0.0.2"]), ("81", [], ["any"])]


def test_zones_are_looked_up():
    assert entries({"port": 80, "zones": ["vpn", "office", "vpn"]}, {"port": 80, "zones": ["here"]}, {"port": 80, "sources": ["10.0.0.1"]}, zones=ZONES) == [
        ("80", ["tailscale0", "wg+"], ["any"]), ("80", ["eth1"], ["10.1.0.0/16", "::1"]), ("80", [], ["10.0.0.1", "@lan"])]
    policy = parse_policy({"zones": ZONES, "host_services": {"allow": [{"protocol": "icmp", "zones": ["vpn"]}]},
                           "published_ports": {"routed": [{"port": 80, "zones": ["office"]}]}})
    assert [item.path for item in policy.host_services.allow[0].interfaces] == ["policy.zones.vpn.interfaces[1]", "policy.zones.vpn.interfaces[0]"]
    assert policy.published_ports.routed[0].interfaces[0].name == "eth1" and policy.zones == ()


def test_one_mode_for_one_port():
    policy = {"published_ports": {"allow": [{"port": 80, "interfaces": ["a"]}, {"port": 80, "interfaces": ["b"], "mode": "observe"}]}}
    assert [entry.mode for entry in parse_policy(policy).published_ports.allow] == ["observe", "observe"]


def published(**entry):
    return {"published_ports": {"allow": [{"port": 80, **entry}]}, "zones": ZONES}


ENTRY = "policy.published_ports.allow[0]"


@pytest.mark.parametrize("policy, place, words", [
    (published(), ENTRY, "an entry needs sources"),
    (published(interfaces=[]), ENTRY + ".interfaces", "the list is empty"),
    (published(interfaces="wg0"), ENTRY + ".interfaces", "expected a list"),
    *((published(interfaces=["wg0", name]), ENTRY + ".interfaces[1]", "is not an interface name")
      for name in ("a/b", "a b", "!eth0", "+", "", "-i", "eth0\n", "{{ x }}", "a\"b", None, 5, ["eth0"])),
    (published(interfaces=["x" * 16]), ENTRY + ".interfaces[0]", "longer than 15 characters"),
    (published(zones=[]), ENTRY + ".zones", "the list is empty"),
    (published(zones="vpn"), ENTRY + ".zones", "expected a list"),
    (published(zones=["vpn", "vpm"]), ENTRY + ".zones[1]", "unknown zone 'vpm'"),
    (published(zones=[{}]), ENTRY + ".zones[0]", "is not a name for a zone"),
    (published(zones=["vpn"], sources=["any"]), ENTRY, "zones and sources are in one entry"),
    (published(zones=["vpn"], interfaces=["wg0"]), ENTRY, "zones and interfaces are in one entry"),
    ({"zones": {"a b": {"sources": []}}}, "policy.zones", "is not a name for a zone"),
    ({"zones": {5: {"sources": []}}}, "policy.zones", "is not a name for a zone"),
    ({"zones": {"vpn": {}}}, "policy.zones.vpn", "a zone needs interfaces, sources or both"),
    ({"zones": {"vpn": {"interface": ["wg0"]}}}, "policy.zones.vpn", "unknown key 'interface'"),
    ({"zones": {"vpn": {"interfaces": ["a/b"]}}}, "policy.zones.vpn.interfaces[0]", "is not an interface name"),
    ({"zones": {"vpn": {"sources": ["example.org"]}}}, "policy.zones.vpn.sources[0]", "host name"),
    ({"zones": []}, "policy.zones", "expected a mapping"),
    ({"egress": {"allow": [{"port": 80, "interfaces": ["wg0"]}]}}, "policy.egress.allow[0]", "unknown key 'interfaces'"),
    ({"open_ports": [{"name": "a", "port": 80, "container_port": 80, "sources": ["any"], "zones": ["vpn"]}]}, "policy.open_ports[0]", "unknown key 'zones'"),
], ids=str)
def test_mistakes(policy, place, words):
    with pytest.raises(DrawbridgeError) as error:
        parse_policy(policy)
    assert error.value.path == place and words in str(error.value)


# Fragments.

def merged(**fragments):
    return said(merge(parse_fragment(name, raw) for name, raw in fragments.items()))


def test_zones_are_known_to_all_fragments():
    user = {"published_ports": {"allow": [{"port": 80, "zones": ["vpn"]}]}}
    assert merged(a=user, b={"zones": ZONES}) == merged(b={"zones": ZONES}, a=user) == [("80", ["tailscale0", "wg+"], ["any"])]
    assert merged(a=user, b={"zones": ZONES}, c={"weight": 60, "zones": {"vpn": {"sources": ["10.0.0.1"]}}}) == [("80", [], ["10.0.0.1"])]
    # The same zone twice is no contradiction.
    again = {"zones": {"vpn": {"interfaces": ["tailscale0", "wg+"], "sources": ["any"]}}}
    assert merged(a=user, b={"zones": ZONES}, c=again) == [("80", ["tailscale0", "wg+"], ["any"])]
    with pytest.raises(DrawbridgeError, match="the zone vpn is another one in b, which has the same weight 50"):
        merged(a=user, b={"zones": ZONES}, c={"zones": {"vpn": {"interfaces": ["eth0"]}}})
    with pytest.raises(DrawbridgeError, match="unknown zone 'vpn'"):
        merged(a=user)


def test_the_heaviest_fragments_decide_about_a_port_by_every_way_in():
    light, heavy = ({"weight": weight, "published_ports": {"allow": [{"port": 80, **who}]}}
                    for weight, who in ((10, {"sources": ["any"]}), (20, {"interfaces": ["wg0"]})))
    assert merged(light=light, heavy=heavy) == [("80", ["wg0"], ["any"])]
    assert merged(light=light, same=dict(heavy, weight=10)) == [("80", [], ["any"]), ("80", ["wg0"], ["any"])]
