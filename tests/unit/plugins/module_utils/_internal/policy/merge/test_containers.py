# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What fragments say about opened ports and rules inside containers: the heavier decides, equals agree, sources add up."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment

PORT = {"name": "web", "port": 8080, "container_port": 80, "sources": ["192.0.2.1"]}
RULES = {"name": "web", "section": "in", "rules": [{"source": "192.0.2.9", "jump": "DROP"}]}


def merged(**fragments):
    return merge(parse_fragment(name, raw) for name, raw in fragments.items())


def ports(**fragments):
    return {(port.number, port.container_port): sorted(port.entry.sources.addresses[4])
            for port in merged(**{name: dict(raw) for name, raw in fragments.items()}).open_ports}


def opened(*entries, **more):
    return dict(more, open_ports=list(entries))


def test_nothing_said_is_nothing():
    policy = merged(a={}, b={"published_ports": {}})
    assert policy.open_ports is None and policy.containers is None
    assert merged(a={"open_ports": []}).open_ports == ()


def test_sources_of_equals_add_up():
    assert ports(a=opened(PORT), b=opened(dict(PORT, sources=["192.0.2.2"]))) == {(8080, 80): ["192.0.2.1", "192.0.2.2"]}


def test_the_heavier_decides_about_a_port():
    heavier = opened(dict(PORT, container_port=81, sources=["192.0.2.2"]), weight=60)
    assert ports(a=opened(PORT, dict(PORT, port=1)), b=heavier) == {(8080, 81): ["192.0.2.2"], (1, 80): ["192.0.2.1"]}


@pytest.mark.parametrize("more", [{"container_port": 81}, {"name": "other"}, {"masquerade": True}, {"ip_version": "ipv4"}, {"on_missing": "fail"}])
def test_equals_have_to_lead_to_the_same(more):
    with pytest.raises(DrawbridgeError) as error:
        ports(a=opened(PORT), b=opened(dict(PORT, **more)))
    assert error.value.path == "b.open_ports[0]" and " in a, which has the same weight 50" in error.value.message


def inside(*entries, **more):
    return dict(more, containers=list(entries))


def test_sections_are_told_apart_by_name_and_container():
    found = merged(a=inside(RULES, dict(RULES, section="out")), b=inside(dict(RULES, name="db"), RULES)).containers
    assert [(item.selector.name, item.arguments["section"], item.path) for item in found] == [
        ("web", "in", "a.containers[0]"), ("web", "out", "a.containers[1]"), ("db", "in", "b.containers[0]")]


def test_the_heavier_decides_about_a_section():
    (found,) = merged(a=inside(RULES), b=inside(dict(RULES, rules=[]), weight=60)).containers
    assert found.arguments["rules"] == []


def test_equals_have_to_agree_about_a_section():
    with pytest.raises(DrawbridgeError) as error:
        merged(a=inside(RULES), b=inside(dict(RULES, priority=1)))
    assert error.value.path == "b.containers[0]"


@pytest.mark.parametrize("more, message", [
    ({"section": None}, "a.containers[0]: section is missing, or no name"),
    ({"section": "x" * 16}, "a.containers[0].section: "),
    ({"section": "egress"}, "a.containers[0].section: the section egress belongs to the module container_egress"),
    ({"table": "broute"}, "a.containers[0].table: 'broute' is not one of filter, mangle, raw, nat"),
    ({"table": "raw"}, "a.containers[0].chain: table raw has no chain INPUT"),
    ({"priority": "9"}, "a.containers[0].priority: expected a number"),
    ({"priority": 10000}, "a.containers[0].priority: 10000 is not from 0 to 9999"),
    ({"loopback": "yes"}, "a.containers[0].loopback: expected true or false"),
    ({"ip_version": "ipv5"}, "a.containers[0].ip_version: 'ipv5' is not one of ipv4, ipv6, both (did you mean ipv"),
    ({"rules": {"jump": "DROP"}}, "a.containers[0].rules: expected a list, got a mapping"),
    ({"rules": [{"jump": "DROP"}, {"source": "nobody", "jump": "DROP"}]}, "a.containers[0].rules[1].source: 'nobody' is not an IP address"),
    ({"name": None}, "a.containers[0]: no container is chosen"),
    ({"nme": "web"}, "a.containers[0]: unknown key 'nme' (did you mean name?)"),
])
def test_errors_name_the_place(more, message):
    with pytest.raises(DrawbridgeError) as error:
        merged(a=inside({key: value for key, value in dict(RULES, **more).items() if value is not None}))
    assert str(error.value).startswith(message)


def test_one_section_is_for_the_same_containers_once():
    with pytest.raises(DrawbridgeError, match="the same section for the same containers as in a.containers"):
        merged(a=inside(RULES, RULES))
