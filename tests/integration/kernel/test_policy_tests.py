# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy's tests on the real kernel: what they say of the planned rules is what packets meet once these are in force, and one that fails changes nothing."""
import itertools

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.matching.packet import spelt
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.path import ACCEPTED
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.prove import Prover
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline import policy_tests

from tests.integration.kernel.support import forge, forge_stage
from tests.integration.kernel.support.forge_cases import CLIENT, EGRESS
from tests.integration.kernel.support.forge_rules import DNATED, INSIDE, PROXIED, SERVICE, SHARED, TRUSTED
from tests.integration.kernel.support.forge_stage import ADDRESS, CONTAINER, DOCKER0, HOST, LEG, OTHER, OTHER_BRIDGE, OUTSIDE, PEER, WAN

POLICY = {
    "address_sets": {"office": CLIENT},
    "published_ports": {"allow": [{"port": port, "protocol": protocol, "sources": ["@office"]} for port in (DNATED, PROXIED) for protocol in ("tcp", "udp")]},
    "host_services": {"default": "deny", "allow": [{"port": TRUSTED, "sources": ["@office"]}, {"protocol": "icmp", "sources": ["any"]}]},
    "egress": EGRESS,
}


def only(port):
    return [{"from": "@office", "to": port, "expect": "allow"}, {"from": "any", "except": "@office", "to": port, "expect": "deny"}]


TESTS = [
    *(test for port in (DNATED, "%d/udp" % DNATED, PROXIED, "%d/udp" % PROXIED, TRUSTED) for test in only(port)),
    *({"from": "any", "to": to, "expect": "deny"} for to in (SERVICE, "%d/udp" % SERVICE, {"container": OTHER, "port": INSIDE})),
    {"from": "any", "to": "icmp", "expect": "allow"},
    *({"from": ADDRESS["nobody"][family], "interface": WAN, "to": "icmp", "expect": "deny"} for family in (4, 6)),
    *({"container": CONTAINER, "to": {"address": ADDRESS["server"][family], "port": 443}, "expect": "deny"} for family in (4, 6)),
    {"container": CONTAINER, "to": {"container": OTHER, "port": SHARED}, "expect": "allow"},
    {"container": CONTAINER, "to": {"container": OTHER, "port": INSIDE}, "expect": "deny"},
    {"container": CONTAINER, "to": SERVICE, "expect": "deny"},
]


@pytest.fixture(name="scenes")
def what_was_proved(monkeypatch):
    """The scenes that tasks prove tests by."""
    found = []
    real = policy_tests.prove
    monkeypatch.setattr(policy_tests, "prove", lambda scene: (found.append(scene), real(scene))[1])
    return found


def test_the_plan_is_judged_as_the_kernel_judges_packets(stage, cases, scenes, tell):
    result = cases.keep(dict(POLICY, tests=TESTS))
    assert result.values["changed"] and result.values["tests"]["passed"] == len(TESTS)
    prover = Prover(scenes[0])
    numbers = itertools.count(1)
    expected = {}
    for asked in dict.fromkeys(asked for test in scenes[0].policy.tests for asked in prover.asked(test)):
        number = next(numbers)
        judgement = prover.judgement(asked)
        expected[number] = (_end(asked, judgement), judgement)
        _send(stage, asked, number)
    came = {number: place for place, marks in stage.heard().items() for number, _step in marks}
    assert {number: came.get(number) for number in expected} == {number: end for number, (end, _said) in expected.items()}, "\n".join(
        "%s: %s, came to %s" % (said.packet, said.reason, came.get(number)) for number, (end, said) in expected.items() if came.get(number) != end)
    ends = [end for end, _said in expected.values()]
    tell("packets", "%d, %d of them stopped" % (len(ends), ends.count(None)))
    assert {None, HOST, CONTAINER} <= set(ends)


def _end(asked, judgement):
    """The place where a packet comes out."""
    if judgement.verdict != ACCEPTED:
        return None
    address = spelt(asked.family, judgement.arrived.destination)
    places = {ADDRESS[name][asked.family]: name for name in (CONTAINER, PEER, LEG, OTHER)}
    return HOST if judgement.end.kind in ("host", "listener", "nobody") else places.get(address, OUTSIDE)


def _send(stage, asked, number):
    protocol = forge.ICMP if asked.icmp is not None else asked.protocol
    source, destination = spelt(asked.family, asked.source), spelt(asked.family, asked.destination)
    ports = (10000 + number, asked.dport or 0)
    place = {WAN: OUTSIDE, DOCKER0: CONTAINER, OTHER_BRIDGE: OTHER}[asked.interface or _behind(asked.family, source)]
    packet = forge.Packet(asked.family, protocol, source, destination, ports, forge_stage.mark(number, 1))
    stage.send(place, (asked.family, forge.packed(packet)))


def _behind(family, source):
    return DOCKER0 if source == ADDRESS[CONTAINER][family] else OTHER_BRIDGE


@pytest.mark.parametrize("check", [True, False], ids=["check", "apply"])
def test_one_that_fails_changes_nothing(stage, cases, check):
    before = cases.host.everything()
    wrong = [{"from": "any", "to": DNATED, "expect": "allow"}, {"from": "@office", "to": "icmp", "expect": "deny"}]
    with pytest.raises(DrawbridgeError) as caught:
        cases.keep(dict(POLICY, tests=[*TESTS, *wrong]), check)
    words = str(caught.value)
    assert words.startswith("2 of %d tests fail: policy.tests[%d]: expected allow, but tcp from " % (len(TESTS) + 2, len(TESTS)))
    assert "-j DROP, which is policy.published_ports.default" in words and "of chain DB-GUARD-PORTS in table mangle" in words
    assert "policy.tests[%d]: expected deny, but icmp from " % (len(TESTS) + 1) in words and "which is policy.host_services.allow[1].sources" in words
    assert "nothing was changed" in words and cases.host.everything() == before


def test_denied_sources_are_proved_too(stage, cases):
    denying = {section: {**POLICY[section], "deny": ["@office"]} for section in ("published_ports", "host_services")}
    nobody = [{"from": "any", "to": port, "expect": "deny"} for port in (DNATED, PROXIED, TRUSTED)]
    assert cases.keep({**POLICY, **denying, "tests": nobody}).values["tests"]["passed"] == len(nobody)
    with pytest.raises(DrawbridgeError, match=r"is dropped: .* of chain DB-GUARD-DENIED in table mangle.*: -j DROP, which is policy\.published_ports\.deny"):
        cases.keep({**POLICY, **denying, "tests": [{"from": "@office", "to": DNATED, "expect": "allow"}]})
