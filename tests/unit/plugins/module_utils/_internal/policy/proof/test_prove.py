# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Tests of a policy, proved on a host: those that hold, and what is said of those that do not."""
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.prove import prove

from tests.unit.support.proofs import scene

POLICY = {
    "address_sets": {"office": ["203.0.113.0/24", "2001:db8:7::/48"], "nobody": []},
    "published_ports": {"allow": [{"port": 8080, "sources": ["@office"]}, {"port": 9000, "sources": ["@office"]}]},
    "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]},
}
ALLOW, DENY = {"expect": "allow"}, {"expect": "deny"}


def said(*tests, policy=None, **texts):
    with pytest.raises(DrawbridgeError) as caught:
        prove(scene(policy or POLICY, list(tests), **texts))
    return str(caught.value)


def with_rule(before, rule):
    """The scene with a rule ahead of those of IPv4's filter."""
    rules = re.sub(r"(\*filter\n(?::.*\n)+)", lambda head: head.group(1) + rule + "\n", before.snapshot.texts["iptables"], count=1)
    return before._replace(snapshot=Snapshot({**before.snapshot.texts, "iptables": rules}))


def test_all_of_a_set_is_asked_in_both_families():
    found = prove(scene(POLICY, [{"from": "@office", "to": 8080, **ALLOW}, {"from": "any", "except": ["@office"], "to": 8080, **DENY}]))
    assert found.tests == 2 and found.packets > 10 and found.warnings == []


@pytest.mark.parametrize(("test", "words"), [
    ({"from": "any", "to": 8080, **ALLOW}, r"tcp from 1\.0\.0\.1 to 192\.0\.2\.10:8080 by eth0, new is dropped: rule \d+ of chain DB-GUARD-PORTS in table"),
    ({"from": "any", "to": 8080, **DENY}, r"tcp from 203\.0\.113\.1 to .* is accepted: leaves by docker0 .*; it gets past rule 1 of chain DB-USER-policy-DNAT"),
    ({"from": ["203.0.112.0/22"], "to": 8080, **ALLOW}, r"tcp from 203\.0\.112\.1 .* is dropped"),
    ({"from": "2001:db8:6:ffff::/47", "to": 8080, **ALLOW}, r"tcp from 2001:db8:6::\S* .* is dropped"),
    ({"from": "203.0.113.7", "to": 9000, **DENY}, r"is accepted: comes to docker-proxy .*; it gets past rule \d+ of chain DB-INPUT"),
    ({"from": "any", "to": 22, **DENY}, r"is accepted: comes to sshd"),
    ({"container": "web", "to": "198.51.100.7:443", **DENY}, r"tcp from 172\.17\.0\.2 to 198\.51\.100\.7:443 by docker0, new is accepted: leaves by eth0"),
    ({"from": "host", "to": "198.51.100.7:443", **DENY}, r"sent by the host, new is accepted"),
    ({"from": "any", "to": 8082, **ALLOW}, r"is dropped"),
    ({"from": "203.0.113.7", "interface": "docker9", "to": 8080, **DENY}, r"cannot be proved: packet\.interface: the host has no interface 'docker9'"),
    ({"from": "@later", "to": 8080, **DENY}, r"cannot be proved: policy\.tests\[0\]\.from: unknown address set '@later'"),
    ({"from": "@nobody", "to": 8080, **ALLOW}, r"nothing on this host is what the test is about"),
    ({"container": "gone", "to": 8080, **ALLOW}, r"nothing on this host is what the test is about"),
])
def test_what_is_said_of_one_that_fails(test, words):
    told = said(test)
    assert told.startswith("policy.tests[0]: ") and told.endswith("(nothing was changed)") and re.search(words, told), told


SENT = {"address_sets": {"bad": ["198.51.100.0/24", "2001:db8:bad::/48"]}, "host_egress": {"deny": [{"destination": "@bad"}, {"port": 25}]}}


def test_what_the_host_itself_may_send():
    found = prove(scene(SENT, [
        {"from": "host", "to": "198.51.100.7:443", **DENY}, {"from": "host", "to": "[2001:db8:bad::7]:53/udp", **DENY},
        {"from": "host", "to": "203.0.113.7:25", **DENY}, {"from": "host", "to": "203.0.113.7:443", **ALLOW},
        {"from": "host", "to": {"container": "web", "port": 80}, **ALLOW}, {"from": "host", "to": 22, **ALLOW},
        {"container": "web", "to": "198.51.100.7:443", **ALLOW},
    ]))
    assert found.tests == 7 and found.warnings == []
    told = said({"from": "host", "to": "198.51.100.7:443", **ALLOW}, policy=SENT)
    assert re.search(r"sent by the host, new is dropped: rule \d+ of chain DB-OUTPUT-DENIED", told), told


def test_tests_about_nobody_are_warnings_if_nobody_is_to_get_in():
    tests = [{"from": "@nobody", "to": 8080, **DENY}, {"container": "gone", "to": 8080, **DENY},
             {"from": "any", "to": {"container": "gone", "port": 1}, **DENY}]
    found = prove(scene(POLICY, tests))
    assert found.packets == 0 and [warning.partition(":")[0] for warning in found.warnings] == ["policy.tests[%d]" % number for number in range(3)]
    with_later = scene(POLICY, [{"from": "@later", "to": 8080, **DENY}])._replace(is_check=True)
    assert "there is no address set '@later' yet" in prove(with_later).warnings[1]


def test_containers_of_an_engine_that_does_not_answer_are_not_proved():
    before = scene(POLICY, [{"container": "web", "to": "198.51.100.7:443", **ALLOW}, {"from": "any", "to": 9100, **DENY}])
    found = prove(before._replace(facts=unknown_host(False)))
    assert found.packets > 0 and found.warnings == ["policy.tests[0]: not proved, as the engine does not tell its containers"]


def test_where_nobody_listens_either_holds():
    policy = {key: value for key, value in POLICY.items() if key != "host_services"}
    assert prove(scene(policy, [{"from": "any", "to": 4444, **DENY}, {"from": "any", "to": 4444, **ALLOW}])).tests == 2


def test_all_that_fail_are_told():
    told = said(*({"from": "any", "to": 8080, **ALLOW} for _number in range(10)), {"from": "@office", "to": 8080, **ALLOW})
    assert told.startswith("10 of 11 tests fail: policy.tests[0]: ") and "; and 2 more (nothing" in told


def test_unknown_fails_either_and_names_what_is_not_known():
    foreign = ('{"nftables": [{"chain": {"family": "inet", "table": "firewalld", "name": "in", "hook": "input", "prio": 10, "policy": "accept"}},'
               '{"rule": {"family": "inet", "table": "firewalld", "chain": "in", "expr": [{"quota": {"val": 10}}, {"drop": null}]}}]}')
    for expected in (ALLOW, DENY):
        told = said({"from": "any", "to": 22, **expected}, nftables=foreign)
        assert "is unknown: it depends on what is not known: rule 1 of chain in in table inet firewalld: quota 10" in told
    assert prove(scene(POLICY, [{"from": "any", "to": 9100, **DENY}], nftables=foreign)).tests == 1


def test_an_answer_that_does_not_come_back_fails_what_is_to_be_allowed():
    before = scene(POLICY, [{"from": "@office", "to": 22, **ALLOW}])
    assert prove(before).tests == 1
    with pytest.raises(DrawbridgeError, match=r"tcp from 203.0.113.1 to 192.0.2.\d+:22 by eth0, reply is dropped: rule 1 of chain OUTPUT"):
        prove(with_rule(before, "-A OUTPUT -p tcp -m tcp --sport 22 -j DROP"))


def test_what_others_wrote_is_told_on_one_line():
    before = scene(POLICY, [{"from": "@office", "to": 8080, **ALLOW}])
    with pytest.raises(DrawbridgeError) as caught:
        prove(with_rule(before, "-A FORWARD -m comment --comment \"{{ 1 }}\x1b[2J\t%s\" -j DROP" % ("x" * 400)))
    assert "{{ 1 }}?[2J?xxx" in str(caught.value) and len(str(caught.value)) < 700


def test_a_host_without_ipv6_is_asked_about_ipv4_alone():
    before = scene(POLICY, [{"from": "any", "to": 8082, **DENY}])
    texts = {name: text for name, text in before.snapshot.texts.items() if name != "ip6tables"}
    assert 0 < prove(before._replace(snapshot=Snapshot(texts))).packets < prove(before).packets


def test_an_address_alone_is_meant_whoever_has_it_and_a_network_is_whoever_is_outside():
    assert prove(scene(POLICY, [{"from": "172.17.0.0/16", "to": 8080, **DENY}])).packets == 0
    assert "by docker0, new is accepted" in said({"from": "172.17.0.9", "to": 8080, **DENY})
    assert prove(scene(POLICY, [{"from": "172.17.0.9", "to": 8080, **ALLOW}])).packets > 0


def test_a_container_needs_one_of_its_addresses():
    egress = {"networks": {"front": {"default": "deny"}}}
    test = {"container": "db", "to": "198.51.100.7:443"}
    policy = {**POLICY, "egress": egress}
    bare = scene(policy, [{**test, **ALLOW}])
    rules = re.sub(r"^-A (?!DB-).*-j DROP\n", "", bare.snapshot.texts["iptables"], flags=re.MULTILINE).replace(":FORWARD DROP", ":FORWARD ACCEPT")
    assert prove(bare._replace(snapshot=Snapshot({**bare.snapshot.texts, "iptables": rules}))).tests == 1
    assert "new is dropped" in said({**test, **ALLOW}, policy={**POLICY, "egress": {"networks": {name: {"default": "deny"} for name in ("front", "back")}}})


def test_a_mask_with_gaps_is_refused():
    before = scene(POLICY, [{"from": "any", "to": 8080, **DENY}])
    with pytest.raises(DrawbridgeError, match=r"cannot be proved: the mask of 10.0.0.1/255.0.0.255 has gaps"):
        prove(with_rule(before, "-A INPUT -s 10.0.0.1/255.0.0.255 -j DROP"))


def test_denied_sources_get_nothing_whatever_the_entries_say():
    banned = {"abusers": ["203.0.113.7", "2001:db8:7:9::/64"]}
    policy = {**POLICY, "address_sets": {**POLICY["address_sets"], **banned}}
    for section in ("published_ports", "host_services"):
        policy[section] = {**POLICY[section], "deny": ["@abusers"]}
    tests = [{"from": "@abusers", "to": to, **DENY} for to in (8080, 9000, 22, "icmp")]
    tests += [{"from": "@office", "except": "@abusers", "to": to, **ALLOW} for to in (8080, 9000, 22)]
    assert prove(scene(policy, tests)).tests == 7
    assert re.search(r"tcp from 203\.0\.113\.7 to \S*:8080 .* is dropped: rule \d+ of chain DB-GUARD-DENIED in table mangle: -j DROP",
                     said({"from": "@office", "to": 8080, **ALLOW}, policy=policy))
    assert "of chain DB-INPUT-DENIED in table filter: -j DROP" in said({"from": "@abusers", "to": 22, **ALLOW}, policy=policy)
