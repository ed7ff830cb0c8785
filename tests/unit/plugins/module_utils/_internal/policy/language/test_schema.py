# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Reading a policy: one spelling for what is right, a place and a reason for what is wrong."""
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.values import HostAddress, Ports, Target
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.support.strategies import json_values, several


def published(*entries, **more):
    return {"published_ports": dict({"allow": list(entries)}, **more)}


def only_entry(raw):
    (entry,) = parse_policy(raw).published_ports.allow
    return entry


def test_what_is_absent_stays_unsaid():
    policy = parse_policy({})
    assert policy.published_ports is None
    assert policy.host_services is None
    assert policy.external_interfaces == policy.unmanaged_interfaces == ()


def test_defaults_of_a_section_that_is_there():
    policy = parse_policy({"published_ports": {}, "host_services": {}})
    assert policy.published_ports.denies and policy.published_ports.closes_direct
    assert not policy.host_services.denies


@pytest.mark.parametrize("port, ports", [
    (443, Ports(443, 443)), ("443", Ports(443, 443)), ("8000-8010", Ports(8000, 8010)),
    (" 8000 - 8010 ", Ports(8000, 8010)), ("80-80", Ports(80, 80)), (1, Ports(1, 1)), ("1-65535", Ports(1, 65535)), ("80\n", Ports(80, 80)),
])
def test_ports(port, ports):
    assert only_entry(published({"port": port, "sources": []})).target.ports == ports


@pytest.mark.parametrize("port", [
    0, 65536, "65536", "0-10", -1, "", "http", "80,443", "10-", "-10", "20-10", True, None, 1.5, [80], {"a": 1}, "8\n0",
    "８０", "99999999999",
])
def test_bad_ports_name_their_place(port):
    with pytest.raises(DrawbridgeError) as error:
        parse_policy(published({"port": port, "sources": []}))
    assert str(error.value).startswith("policy.published_ports.allow[0].port: ")


@pytest.mark.parametrize("port", ["80:8080", "8080:80", "8000:8010", "127.0.0.1:8080:80", ":80"])
def test_a_colon_is_docker_s_and_no_range(port):
    """80:8080 taken for a range would open eight thousand ports."""
    with pytest.raises(DrawbridgeError, match=r"write the port that is dialled alone, 8080, or a range as 8000-8010"):
        parse_policy(published({"port": port, "sources": []}))


def test_protocol_in_any_case():
    assert only_entry(published({"port": 1, "protocol": "UDP", "sources": []})).target.protocol == "udp"


@pytest.mark.parametrize("address, expected", [
    ("192.0.2.7", HostAddress(4, "192.0.2.7")), ("2001:DB8::0007", HostAddress(6, "2001:db8::7")),
    ("0.0.0.0", HostAddress(4, None)), ("::", HostAddress(6, None)),
])
def test_addresses_of_the_host(address, expected):
    assert only_entry(published({"port": 1, "address": address, "sources": []})).target.address == expected


def test_sources_in_one_spelling():
    sources = only_entry(published({
        "port": 80, "sources": ["10.1.2.3/8", "192.0.2.1/32", "2001:DB8:0::/32", "@office", "0.0.0.0/0"],
    })).sources
    assert sources.addresses == {
        4: frozenset(["10.0.0.0/8", "192.0.2.1", "0.0.0.0/1", "128.0.0.0/1"]), 6: frozenset(["2001:db8::/32"]),
    }
    assert sources.sets == (("office", "policy.published_ports.allow[0].sources[3]"),)
    assert not sources.everybody


@pytest.mark.parametrize("source", ["::ffff:203.0.113.7", "::ffff:203.0.113.0/120"])
def test_sources_that_no_packet_has_name_their_place(source):
    with pytest.raises(DrawbridgeError, match=r"^policy\.published_ports\.allow\[0\]\.sources\[1\]: .* \(write it as IPv4\)"):
        parse_policy(published({"port": 80, "sources": ["::1.2.3.4", source]}))


@pytest.mark.parametrize("address, sources, fits", [
    ("192.0.2.7", ["2001:db8::/32"], False), ("::", ["10.0.0.1", "10.0.0.2"], False),
    ("192.0.2.7", ["2001:db8::/32", "10.0.0.1"], True), ("192.0.2.7", ["2001:db8::/32", "@office"], True), ("192.0.2.7", ["2001:db8::/32", "any"], True),
    ("192.0.2.7", [], True),
])
def test_sources_of_the_other_family_than_the_address(address, sources, fits):
    raw = published({"port": 80, "address": address, "sources": sources})
    if fits:
        assert only_entry(raw)
        return
    with pytest.raises(DrawbridgeError, match=r"^policy\.published_ports\.allow\[0\]\.sources: none of these is IPv[46], which the address is$"):
        parse_policy(raw)


def test_any_means_everybody():
    assert only_entry(published({"port": 80, "sources": ["Any", "10.0.0.1"]})).sources.everybody


def test_the_same_target_twice_has_the_sources_of_both():
    entry = only_entry(published(
        {"port": 80, "sources": ["10.0.0.1", "@a"]}, {"port": "80", "protocol": "tcp", "sources": ["10.0.0.2", "@a"]},
    ))
    assert entry.sources.addresses[4] == {"10.0.0.1", "10.0.0.2"}
    assert [reference.name for reference in entry.sources.sets] == ["a"]
    assert entry.target == Target("tcp", Ports(80, 80))


def test_icmp_is_a_host_service_without_ports():
    policy = parse_policy({"host_services": {"allow": [{"protocol": "icmp", "sources": ["any"]}]}})
    assert policy.host_services.allow[0].target == Target("icmp", None)


@pytest.mark.parametrize("raw, words", [
    (None, "policy: expected a mapping, got nothing"),
    ([], "policy: expected a mapping, got a list"),
    ({"published_port": {}}, "policy: unknown key 'published_port' (did you mean published_ports?)"),
    ({True: 1}, "policy: unknown key 'True' (the keys here are "),
    ({"weight": 50}, "policy: unknown key 'weight'"),
    ({"published_ports": None}, "policy.published_ports: expected a mapping, got nothing"),
    ({"published_ports": {"default": "drop"}}, "policy.published_ports.default: 'drop' is not one of allow, deny (did you mean deny?)"),
    ({"published_ports": {"default": "Alow"}}, "policy.published_ports.default: 'Alow' is not one of allow, deny (did you mean allow?)"),
    ({"published_ports": {"default": "x{{ y }}\n"}}, "policy.published_ports.default: 'x{{ y }}\\n' is not one of allow, deny"),
    ({"host_services": {"allow": [{"protocol": "ALL", "sources": []}]}}, "policy.host_services.allow[0].protocol: 'all' is not one of tcp, udp, sctp, icmp"),
    ({"egress": {"allow": [{"protocol": "all"}]}}, "policy.egress.allow[0].protocol: 'all' is not one of tcp, udp, sctp, icmp, any (did you mean any?)"),
    (published({"port": 80, "souces": ["any"]}), "policy.published_ports.allow[0]: unknown key 'souces' (did you mean sources?)"),
    (published({"port": 80, "SOURCES": ["any"]}), "policy.published_ports.allow[0]: unknown key 'SOURCES' (did you mean sources?)"),
    ({"published_ports": {"default": True}}, "policy.published_ports.default: 'True' is not one of"),
    ({"published_ports": {"allow": {}}}, "policy.published_ports.allow: expected a list, got a mapping"),
    ({"host_services": {"direct": "deny"}}, "policy.host_services: unknown key 'direct'"),
    (published("80"), "policy.published_ports.allow[0]: expected a mapping, got a string '80'"),
    (published({"sources": ["any"]}), "policy.published_ports.allow[0]: an entry needs a port"),
    (published({"port": 80}), "policy.published_ports.allow[0]: an entry needs sources (sources: [any]"),
    (published({"port": 80, "sources": ["any"], "comment": 'a " quote'}), "policy.published_ports.allow[0].comment: quotes and backslashes are not"),
    (published({"port": 80, "sources": ["any"], "comment": "a\nb"}), "policy.published_ports.allow[0].comment: "),
    (published({"port": 80, "sources": ["any"], "comment": "x" * 81}), "policy.published_ports.allow[0].comment: "),
    (published({"port": 80, "source": ["any"]}), "policy.published_ports.allow[0]: unknown key 'source' (did you mean"),
    (published({"port": 80, "sources": "any"}), "policy.published_ports.allow[0].sources: expected a list"),
    (published({"port": 80, "sources": ["any", "example.org"]}),
     "policy.published_ports.allow[0].sources[1]: 'example.org' is not an IP address or network (host names"),
    (published({"port": 80, "sources": ["10.0.0.0/33"]}), "policy.published_ports.allow[0].sources[0]: '10.0.0.0/33'"),
    (published({"port": 80, "sources": [None]}), "policy.published_ports.allow[0].sources[0]: expected an address"),
    (published({"port": 80, "sources": ["10.0.0.1\x00"]}), "policy.published_ports.allow[0].sources[0]: "),
    (published({"port": 80, "sources": ["10.0.0.1\n-A INPUT -j ACCEPT"]}), "policy.published_ports.allow[0].sources[0]: "),
    (published({"port": 80, "sources": ["@off ice"]}), "policy.published_ports.allow[0].sources[0]: 'off ice' is not"),
    (published({"port": 80, "sources": ["@office\n"]}), "policy.published_ports.allow[0].sources[0]: 'office\\n' is"),
    (published({"port": 80, "sources": ["@pub-tcp"]}), "policy.published_ports.allow[0].sources[0]: 'pub-tcp' is a name"),
    (published({"port": 80, "sources": ["@" + "a" * 19]}), "policy.published_ports.allow[0].sources[0]: 'aaaa"),
    ({"published_ports": {"deny": "@abusers"}}, "policy.published_ports.deny: expected a list, got a string '@abusers'"),
    ({"published_ports": {"deny": {"sources": []}}}, "policy.published_ports.deny: expected a list, got a mapping"),
    ({"host_services": {"deny": ["10.0.0.1", "ANY"]}}, "policy.host_services.deny[1]: any would deny everybody (default: deny without entries"),
    ({"host_services": {"deny": ["10.0.0.0/33"]}}, "policy.host_services.deny[0]: '10.0.0.0/33'"),
    ({"host_services": {"deny": ["abuse.example.org"]}}, "policy.host_services.deny[0]: 'abuse.example.org' is not an IP address or network (host names"),
    ({"host_services": {"deny": [{"port": 22}]}}, "policy.host_services.deny[0]: expected an address"),
    ({"host_services": {"deny": ["@{{ x }}\n-j ACCEPT"]}}, "policy.host_services.deny[0]: '{{ x }}"),
    ({"host_services": {"deny": ["@pub-tcp"]}}, "policy.host_services.deny[0]: 'pub-tcp' is a name"),
    (published({"port": 80, "sources": ["any"], "deny": ["10.0.0.1"]}), "policy.published_ports.allow[0]: unknown key 'deny'"),
    (published({"port": 80, "protocol": "icmp", "sources": []}), "policy.published_ports.allow[0].protocol: 'icmp' is"),
    (published({"port": 80, "protocol": 6, "sources": []}), "policy.published_ports.allow[0].protocol: '6' is not one"),
    (published({"port": 80, "address": "10.0.0.0/8", "sources": []}), "policy.published_ports.allow[0].address: "),
    (published({"port": 80, "address": "host", "sources": []}), "policy.published_ports.allow[0].address: 'host' is"),
    (published({"port": 80, "address": 7, "sources": []}), "policy.published_ports.allow[0].address: expected an"),
    ({"host_services": {"allow": [{"protocol": "icmp", "port": 8, "sources": []}]}},
     "policy.host_services.allow[0].port: icmp has no ports"),
    ({"address_sets": {"a b": []}}, "policy.address_sets: 'a b' is not a name for an address set"),
    ({"address_sets": {7: []}}, "policy.address_sets: '7' is not a name"),
    ({"address_sets": {"bridges": []}}, "policy.address_sets: 'bridges' is a name that Drawbridge uses itself"),
    ({"address_sets": {"src-0123456789ab": []}}, "policy.address_sets: 'src-0123456789ab' is a name that"),
    ({"address_sets": {"a": ["@b"]}}, "policy.address_sets.a[0]: '@b': a set cannot hold another set"),
    ({"address_sets": {"a": ["any"]}}, "policy.address_sets.a[0]: any cannot be part of a set"),
    ({"address_sets": {"a": ["10.0.0.1", 7]}}, "policy.address_sets.a[1]: expected an address or network, got a number"),
    ({"address_sets": {"a": "10.0.0.1"}}, "policy.address_sets.a: expected a list, got a string"),
    ({"external_interfaces": []}, "policy.external_interfaces: the list is empty"),
    ({"external_interfaces": ["eth0; reboot"]}, "policy.external_interfaces[0]: 'eth0; reboot' is not an interface"),
    ({"external_interfaces": ["+"]}, "policy.external_interfaces[0]: '+' is not an interface name"),
    ({"external_interfaces": ["eth0", "a" * 16]}, "policy.external_interfaces[1]: 'aaaaaaaaaaaaaaaa' is longer than 15"),
    ({"unmanaged_interfaces": "virbr0"}, "policy.unmanaged_interfaces: expected a list, got a string"),
])
def test_what_is_wrong_is_named_with_its_place(raw, words):
    with pytest.raises(DrawbridgeError) as error:
        parse_policy(raw)
    assert str(error.value).startswith(words)


def test_errors_call_the_whole_as_the_caller_does():
    with pytest.raises(DrawbridgeError) as error:
        parse_policy(published({"port": 0, "sources": []}), "host_policy__web")
    assert error.value.path == "host_policy__web.published_ports.allow[0].port"


KEYS = ["published_ports", "host_services", "address_sets", "allow", "default", "direct", "port", "sources", "protocol", "address",
        "external_interfaces", "unmanaged_interfaces", "x", "", None, 3, True]
SCALARS = ["any", "@x", "@", "10.0.0.1", "10.0.0.0/99", "::1/129", "1-2", "tcp", "\n", "'\"`$(x)", "é", "", "-A INPUT",
           None, True, 0, -1, 65536, 1.5, 10**30, b"x"]
SECTIONS = st.sampled_from(["published_ports", "host_services", "address_sets", "unmanaged_interfaces"])


@settings(max_examples=700)
@given(several(st.tuples(SECTIONS, json_values(KEYS, SCALARS, 3))))
def test_malformed_policies_are_errors_and_never_tracebacks(malformed):
    for section, value in malformed:
        try:
            parse_policy({section: value})
        except DrawbridgeError as error:
            assert error.path.startswith("policy") and "\n" not in str(error)


def test_ten_thousand_addresses_are_quick():
    items = ["10.%d.%d.%d" % (number % 7, number // 250, number % 250) for number in range(10000)]
    best = 1.0
    for _number in range(3):
        start = time.perf_counter()
        parse_policy({"address_sets": {"big": items}})
        best = min(best, time.perf_counter() - start)
    # 4 ms where this was written; the bound only catches a slow path taken by mistake.
    assert best < 0.1


def test_denied_sources():
    policy = parse_policy({"published_ports": {"deny": ["@abusers", "198.51.100.0/24", "2001:DB8::7"]}, "host_services": {"deny": []}})
    denied = policy.published_ports.deny
    assert denied.addresses == {4: {"198.51.100.0/24"}, 6: {"2001:db8::7"}} and denied.sets == (("abusers", "policy.published_ports.deny[0]"),)
    assert policy.host_services.deny is not None and not policy.host_services.limits
    assert parse_policy({"host_services": {"deny": ["10.0.0.1"]}}).host_services.limits
