# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Fragments laid over a profile: the heavier decides, equals add up or contradict each other by name."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment, parse_profile
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.support.policy_data import policy_data


def merged(profile=None, **fragments):
    parsed = [parse_fragment("host_policy__" + name, raw) for name, raw in fragments.items()]
    if profile is not None:
        parsed.append(parse_profile("profile test", profile))
    return merge(parsed)


def data(*args, **fragments):
    return policy_data(merged(*args, **fragments))


def allow(*sources, **more):
    return {"published_ports": {"allow": [dict({"port": 80, "sources": list(sources)}, **more)]}}


def weigh(weight, raw):
    return dict(raw, weight=weight)


def only_sources(policy):
    (entry,) = policy["published_ports"]["allow"]
    return entry["sources"]


def test_one_fragment_is_the_policy():
    assert data(web=allow("any")) == {"published_ports": {"allow": [{"protocol": "tcp", "port": 80, "sources": ["any"]}]}}


def test_an_empty_fragment_leaves_the_profile_alone():
    profile = {"published_ports": {"default": "deny"}, "host_services": {"default": "deny"}}
    assert data(profile, none={}) == profile


def test_any_fragment_is_heavier_than_the_profile():
    profile = dict(allow("10.0.0.1"), host_services={"default": "deny"})
    policy = data(profile, web=weigh(0, dict(allow("10.0.0.2"), host_services={"default": "allow"})))
    assert policy["host_services"]["default"] == "allow"
    assert only_sources(policy) == ["10.0.0.2"]


def test_entries_about_one_target_of_equal_weight_add_up():
    assert only_sources(data(a=allow("10.0.0.1", "@x"), b=allow("10.0.0.2", "@x", "@a"))) == [
        "10.0.0.1", "10.0.0.2", "@a", "@x",
    ]


def test_any_beside_addresses_is_no_contradiction():
    assert only_sources(data(a=allow("any"), b=allow("10.0.0.2"))) == ["any", "10.0.0.2"]


def test_the_heavier_entry_about_one_target_replaces_the_lighter():
    assert only_sources(data(a=allow("10.0.0.1"), b=weigh(60, allow("10.0.0.2")))) == ["10.0.0.2"]
    assert only_sources(data(a=allow("10.0.0.1"), b=weigh(60, allow()))) == []


def test_entries_about_other_targets_are_kept_whatever_the_weight():
    policy = data(a=allow("10.0.0.1"), b=weigh(60, allow("10.0.0.2", address="192.0.2.7")),
                  c=weigh(70, allow("10.0.0.3", protocol="udp")))
    assert [entry["sources"] for entry in policy["published_ports"]["allow"]] == [["10.0.0.1"], ["10.0.0.2"], ["10.0.0.3"]]


def test_sets_of_one_name():
    def sets(*addresses):
        return {"address_sets": {"office": list(addresses)}}

    assert data(a=sets("10.0.0.1"), b=sets("10.0.0.2"))["address_sets"]["office"] == ["10.0.0.1", "10.0.0.2"]
    assert data(a=sets("10.0.0.1"), b=weigh(51, sets("10.0.0.2")))["address_sets"]["office"] == ["10.0.0.2"]


def test_lists_of_interfaces():
    light, heavy = {"external_interfaces": ["eth0"]}, {"external_interfaces": ["eth1", "eth0"]}
    assert data(a=light, b=heavy)["external_interfaces"] == ["eth0", "eth1"]
    assert data(a=light, b=weigh(51, heavy))["external_interfaces"] == ["eth1", "eth0"]
    assert data(a=light, b=weigh(51, {}))["external_interfaces"] == ["eth0"]


def test_a_fragment_that_does_not_state_a_key_does_not_decide_it():
    policy = data(a={"published_ports": {"default": "allow"}}, b=weigh(90, allow("any")))
    assert policy["published_ports"]["default"] == "allow"


def test_contradictions_of_equal_weight_name_both():
    fragments = {
        "a": weigh(70, {"published_ports": {"default": "deny"}}), "b": weigh(70, {"published_ports": {"default": "allow"}}),
    }
    with pytest.raises(DrawbridgeError) as error:
        merged(**fragments)
    assert str(error.value).startswith(
        "host_policy__b.published_ports.default: allow here, but deny in host_policy__a, which has the same weight 70"
    )


def test_a_heavier_fragment_settles_a_contradiction():
    policy = data(a={"host_services": {"default": "deny"}}, b={"host_services": {"default": "allow"}},
                  c=weigh(51, {"host_services": {"default": "deny"}}))
    assert policy["host_services"]["default"] == "deny"


def test_agreement_is_no_contradiction():
    same = {"published_ports": {"direct": "allow"}}
    assert data(a=same, b=same) == same


@pytest.mark.parametrize("weight", [-1, "heavy", True, None, 1.5, [1], 10**9, "-1", "１", "9" * 5000])
def test_weights_are_whole_numbers(weight):
    with pytest.raises(DrawbridgeError) as error:
        parse_fragment("host_policy__web", {"weight": weight})
    assert error.value.path == "host_policy__web.weight"


def test_a_weight_out_of_a_template_is_text():
    assert parse_fragment("host_policy__web", {"weight": "70"}).weight == 70


@pytest.mark.parametrize("raw, path", [
    ("x", "host_policy__web"), ({"published_port": {}}, "host_policy__web"), (None, "host_policy__web"),
    (allow("example.org"), "host_policy__web.published_ports.allow[0].sources[0]"),
])
def test_errors_name_the_fragment(raw, path):
    with pytest.raises(DrawbridgeError) as error:
        parse_fragment("host_policy__web", raw)
    assert error.value.path == path


def test_data_reads_back_as_the_same_policy_and_places_lead_back_to_the_fragments():
    policy = merged(
        {"published_ports": {"default": "deny", "direct": "allow"}, "unmanaged_interfaces": ["virbr0"]},
        web={
            "weight": 70,
            "address_sets": {"office": ["10.1.2.3/8", "2001:db8::/32", "0.0.0.0/0"]},
            "published_ports": {"allow": [
                {"port": 443, "sources": ["any"]},
                {"port": "8000-8010", "protocol": "UDP", "address": "192.0.2.7", "sources": ["@office", "10.0.0.1"]},
                {"port": 53, "address": "::", "sources": ["@dns", "@office"]},
                {"port": 54, "address": "0.0.0.0", "sources": []},
            ]},
        },
        ops={"host_services": {"default": "deny", "allow": [
            {"port": 22, "sources": ["@office"]}, {"protocol": "icmp", "sources": ["any"]},
        ]}, "external_interfaces": ["eth0"]},
    )
    again = parse_policy(policy_data(policy))
    assert policy_data(again) == policy_data(policy)
    for section in ("published_ports", "host_services"):
        for entry, told in zip(getattr(policy, section).allow, getattr(again, section).allow):
            assert entry.target == told.target and entry.sources.addresses == told.sources.addresses
            assert entry.path.startswith("host_policy__")
    assert policy.address_sets["office"].path == "host_policy__web.address_sets.office"


def fragment(number, weight, port):
    return parse_fragment("host_policy__%d" % number, weigh(weight, {
        "address_sets": {"s": ["10.0.0.%d" % number]}, "unmanaged_interfaces": ["if%d" % number],
        "published_ports": {"allow": [{"port": port, "sources": ["10.0.1.%d" % number]}]},
    }))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=20), st.data())
def test_the_order_in_which_fragments_come_does_not_matter(stated, data):
    fragments = [fragment(number, weight, port) for number, (weight, port) in enumerate(stated)]
    assert policy_data(merge(data.draw(st.permutations(fragments)))) == policy_data(merge(fragments))


def test_who_reaches_a_swarm_adds_up_at_equal_weight_and_the_heavier_decides():
    def swarm(*sources):
        return {"host_services": {"swarm": list(sources)}}

    assert data(a=swarm("192.0.2.1"), b=swarm("@nodes", "192.0.2.2"))["host_services"] == {"swarm": ["192.0.2.1", "192.0.2.2", "@nodes"]}
    assert data(a=swarm("any"), b=weigh(60, swarm()))["host_services"] == {"swarm": []}
    assert data(a=swarm("any"), b=weigh(60, {"host_services": {"default": "deny"}}))["host_services"] == {"default": "deny", "swarm": ["any"]}


@pytest.mark.parametrize("section", ["published_ports", "host_services"])
def test_denied_sources_add_up_at_any_weight(section):
    def denies(*sources):
        return {section: {"deny": list(sources)}}

    both = data(a=weigh(10, denies("@abusers", "192.0.2.1")), b=weigh(60, denies("192.0.2.2")), c=weigh(70, {section: {"default": "allow"}}))
    assert both[section] == {"default": "allow", "deny": ["192.0.2.1", "192.0.2.2", "@abusers"]}
    assert data(a=denies("192.0.2.1"), b=weigh(60, denies()))[section] == {"deny": ["192.0.2.1"]}


def fed(*entries, failure=None, most=9):
    return {"address_sets": {"x": {"fetched": {"least": 1, "most": most, "inside": [], "entries": list(entries), "failure": failure}}}}


def test_a_feed_stands_alone_at_its_weight():
    assert merged(a=fed("1.1.1.1"), b=fed("1.1.1.1")).address_sets["x"].addresses[4] == {"1.1.1.1"}
    assert merged(a={"address_sets": {"x": ["192.0.2.1"]}}, b=weigh(60, fed(failure="dead"))).address_sets["x"].feed.failure == "dead"
    listed = merged(a=fed("1.1.1.1"), b=weigh(60, {"address_sets": {"x": ["192.0.2.1"]}})).address_sets["x"]
    assert listed.feed is None and listed.addresses[4] == {"192.0.2.1"}
    for other in ({"address_sets": {"x": ["1.1.1.1"]}}, fed("1.0.0.1"), fed("1.1.1.1", most=8), fed(failure="dead")):
        with pytest.raises(DrawbridgeError, match="a feed stands alone, and host_policy__a.address_sets.x has the same weight") as error:
            merged(a=fed("1.1.1.1"), b=other)
        assert error.value.path == "host_policy__b.address_sets.x"


def test_a_member_ends_when_the_last_of_equal_weight_says():
    first, later = ({"address": "192.0.2.7", "until": "2026-12-0%dT18:00:00Z" % day} for day in (1, 2))
    a, b, heavy = ({"address_sets": {"office": [*members, "192.0.2.8"]}} for members in ([first], [later], [first]))
    assert data(a=a, b=b)["address_sets"]["office"] == [later, "192.0.2.8"]
    assert data(a=a, b=b, c=weigh(60, heavy))["address_sets"]["office"] == [first, "192.0.2.8"]
    assert data(a=a, b={"address_sets": {"office": ["192.0.2.7"]}})["address_sets"]["office"] == ["192.0.2.7", "192.0.2.8"]
