# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Tests in a policy as values, and as the fragments' together."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import parse_network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.policy_tests import Destination, parse_tests
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.merge.merge import merge, parse_fragment

OPEN = {"from": "any", "to": 443, "expect": "allow"}


def parsed(**keys):
    return parse_tests([{"from": "any", "to": 8080, "expect": "deny", **keys}], "policy.tests")[0]


@pytest.mark.parametrize(("to", "expected"), [
    (8080, Destination("tcp", 8080)),
    ("5432/tcp", Destination("tcp", 5432)),
    ("53/UDP", Destination("udp", 53)),
    ("icmp", Destination("icmp", None)),
    ("169.254.169.254:80", Destination("tcp", 80, parse_network("169.254.169.254"))),
    ("192.0.2.10:53/udp", Destination("udp", 53, parse_network("192.0.2.10"))),
    ("[2001:DB8::10]:443", Destination("tcp", 443, parse_network("2001:db8::10"))),
    ("2001:db8::10", Destination("icmp", None, parse_network("2001:db8::10"))),
    ("192.0.2.10", Destination("icmp", None, parse_network("192.0.2.10"))),
    ({"container": "web", "port": 80}, Destination("tcp", 80, None, "web")),
    ({"container": "web"}, Destination("icmp", None, None, "web")),
    ({"address": "192.0.2.10", "port": "53", "protocol": "udp"}, Destination("udp", 53, parse_network("192.0.2.10"))),
])
def test_destinations(to, expected):
    assert parsed(to=to).to == expected


@pytest.mark.parametrize(("keys", "place", "words"), [
    ({"to": "web:80"}, ".to", "no destination"),
    ({"to": 0}, ".to", "ports are from 1"),
    ({"to": 65536}, ".to", "ports are from 1"),
    ({"to": True}, ".to", "expected a port"),
    ({"to": "8000-8010"}, ".to", "no destination"),
    ({"to": "10.0.0.0/8:80"}, ".to", "no destination"),
    ({"to": "1.2.3:80"}, ".to", "not an IP address"),
    ({"to": {"container": "{{ web }}", "port": 80}}, ".to.container", "not a container's name"),
    ({"to": {"container": "web", "protocol": "tcp"}}, ".to.port", "needs a port"),
    ({"to": {"container": "web", "address": "192.0.2.1"}}, ".to", "not both"),
    ({"to": {"port": 80, "protocol": "icmp"}}, ".to.port", "no ports"),
    ({"to": "80/icmp"}, ".to", "no ports"),
    ({"to": "192.0.2.10:80/ICMP"}, ".to", "no ports"),
    ({"to": {"port": "9" * 5000}}, ".to.port", "ports are from 1 to 65535"),
    ({"to": "80/sctpp"}, ".to", "not one of"),
    ({"from": "office"}, ".from", "not an IP address"),
    ({"from": ["any", "@"]}, ".from[1]", "not a name"),
    ({"from": None}, ".from", "expected an address"),
    ({"expect": "denied"}, ".expect", "not one of allow, deny"),
    ({"container": "web"}, "", "either from or container"),
    ({"from": "host", "except": "10.0.0.1"}, ".except", "is for addresses"),
    ({"interface": "eth+"}, ".interface", "several interfaces"),
    ({"to": "192.0.2.1:80", "ip_version": "ipv6"}, ".to", "not of ipv6"),
    ({"ip_version": 4}, ".ip_version", "not one of"),
    ({"form": "any"}, "", "did you mean from"),
    ({"comment": ["a"]}, ".comment", "expected a text"),
])
def test_mistakes_name_their_place(keys, place, words):
    with pytest.raises(DrawbridgeError) as caught:
        parsed(**keys)
    assert caught.value.path == "policy.tests[0]" + place
    assert words in str(caught.value)


@pytest.mark.parametrize("missing", ["to", "expect", "from"])
def test_what_is_needed(missing):
    with pytest.raises(DrawbridgeError, match=r"policy.tests\[0\]: .*%s" % missing):
        parse_policy({"tests": [{key: value for key, value in OPEN.items() if key != missing}]})


def test_who_sends():
    assert parsed().sources.everybody
    told = parsed(**{"from": "@office", "except": ["10.0.0.0/8"], "interface": "eth0", "ip_version": "ipv4", "comment": "ours {{ x }}"})
    assert [reference.path for reference in told.sources.sets] == ["policy.tests[0].from"]
    assert (told.spared.addresses[4], told.interface, told.families) == ({"10.0.0.0/8"}, "eth0", (4,))
    assert parsed(**{"from": "host"}).is_host
    sent = parse_tests([{"container": "web", "to": "[2001:db8::1]:80", "expect": "deny"}], "policy.tests")[0]
    assert (sent.container, sent.families, sent.allows) == ("web", (6,), False)


def test_the_tests_of_all_fragments_add_up_whatever_their_weight():
    web = {"tests": [OPEN, {"from": ["@office"], "to": 22, "expect": "allow"}]}
    base = {"weight": 10, "tests": [{**OPEN, "comment": "the same"}, {"from": "any", "to": 5432, "expect": "deny"}]}
    merged = merge([parse_fragment("p__web", web), parse_fragment("p__base", base), parse_fragment("p__none", {})])
    assert [(test.path, str(test.to)) for test in merged.tests] == [
        ("p__base.tests[0]", "443/tcp"), ("p__base.tests[1]", "5432/tcp"), ("p__web.tests[1]", "22/tcp"),
    ]
    assert parse_policy({"tests": []}).tests == () == parse_policy({}).tests
