# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook verify on each engine, both families: real packets hold what the rules prove of a policy's tests, and fail what they disprove."""
import re

import pytest

from tests.integration.lab.support import policies
from tests.integration.lab.support.playbook import play, playbook
from tests.lab.layout import CLIENTS, OUTSIDE, OUTSIDE_SERVER_TCP

SENDERS = ("allowed", "denied")
APPLY = {"drawbridge.docker.host_policy": {"fragments": "host_policy__"}}
TESTS = [
    {"from": "@friends", "to": 8080, "expect": "allow"},
    {"from": "any", "except": "@friends", "to": 8080, "expect": "deny"},
    {"from": "any", "except": "@friends", "to": 8083, "expect": "deny"},
    {"from": "@friends", "to": 8083, "expect": "allow"},
    {"from": "any", "to": "icmp", "expect": "allow"},
    {"container": "web", "to": "%s:%d" % (OUTSIDE.v4, OUTSIDE_SERVER_TCP), "expect": "allow"},
    {"from": "host", "to": "%s:%d" % (OUTSIDE.v4, OUTSIDE_SERVER_TCP), "expect": "allow"},
    {"from": "host", "to": "[%s]:%d" % (OUTSIDE.v6, OUTSIDE_SERVER_TCP), "expect": "allow"},
]
# The first four say the opposite of what holds where everybody but the friends is let in.
DISPROVED = {0, 1, 2, 3}


@pytest.fixture(name="senders")
def clients_in_the_inventory(lab, tmp_path):
    """A group of the inventory: the lab's clients, each by a Python that runs in its network namespace."""
    found = {}
    for name in SENDERS:
        (client,) = (client for client in CLIENTS.values() if client.name == name)
        program = tmp_path / name
        program.write_text('#!/bin/sh\nexec nsenter --net=/run/netns/%s -- /usr/bin/python3 "$@"\n' % client.netns, encoding="ascii")
        program.chmod(0o700)
        found[name] = {"ansible_python_interpreter": str(program)}
    return {"senders": {"hosts": found, "vars": {"ansible_connection": "local", "ansible_become": False}}}


def variables(hosts, sources, tests):
    """Each host's policy: who reaches the two ports, and what is to hold."""
    allow = [{"port": port, "sources": sources} for port in (8080, 8083)]
    policy = {"address_sets": {"friends": policies.ALLOWED}, "published_ports": {"default": "deny", "allow": allow}, "tests": tests}
    return {host.name: {"host_policy__lab": policy} for host in hosts}


def verified(hosts, senders, host_vars, fails=False):
    """Every packet that was sent for a host, by host."""
    run = playbook(hosts, "drawbridge.docker.verify", groups=senders, host_vars=host_vars, extra={"drawbridge_verify_from": "senders"}, fails=fails)
    found = {}
    for host in hosts:
        inside, outside = run.of(host.name)[0], run.of(host.name)[1]["results"]
        assert {result["item"] for result in outside} == set(SENDERS)
        found[host.name] = inside["tests"] + [item for result in outside for item in result["tests"]]
    return found


def number(test):
    return int(re.fullmatch(r"host_policy__lab\.tests\[(\d+)\]", test).group(1))


def test_real_packets_and_rules_agree(lab, manageable, senders):
    holds = variables(manageable, ["@friends"], TESTS)
    play(manageable, [APPLY], host_vars=holds)
    for name, sent in verified(manageable, senders, holds).items():
        assert {item["result"] for item in sent} == {"held"}, (name, sent)
        assert {number(item["test"]) for item in sent} == set(range(len(TESTS)))
        assert {":" in item["address"] for item in sent if number(item["test"]) in DISPROVED} == {True, False}

    opposite = variables(manageable, policies.DENIED, TESTS)
    refused = play(manageable, [APPLY], host_vars=opposite, fails=True).failed()
    play(manageable, [APPLY], host_vars=variables(manageable, policies.DENIED, []))
    for name, sent in verified(manageable, senders, opposite, fails=True).items():
        by_rules = {int(found) for found in re.findall(r"host_policy__lab\.tests\[(\d+)\]: expected", refused[name])}
        assert {number(item["test"]) for item in sent if item["result"] == "failed"} == by_rules == DISPROVED
