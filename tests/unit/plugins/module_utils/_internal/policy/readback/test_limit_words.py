# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Limits in words, by the rules of a policy."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.who import reason_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.denials import section_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.limit_words import unlimited
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import in_words

FACTS = HostFacts([Published(family, None, 80, "tcp") for family in (4, 6)], [], {4: [], 6: []}, [], False, engine_cgroup="system.slice/docker.service")


def states(policy):
    """A policy's chains as if the host had them, with each family's lines only."""
    wanted = compile_policy(parse_policy(policy), FACTS)
    found = {}
    for family in (4, 6):
        tables = {}
        for chain in wanted.chains:
            chains, jumps = tables.setdefault(chain.table, ({}, {}))
            chains[chain.name] = tuple(line.text for line in chain.lines if family in line.families)
        for hook in wanted.hooks:
            tables[hook.table][1].setdefault(hook.parent, []).append("-j " + hook.target)
        found[family] = {table: TableState(chains, {parent: tuple(rules) for parent, rules in jumps.items()}) for table, (chains, jumps) in tables.items()}
    return found


def told(**policy):
    return [str(line) for line in in_words({4: {}, 6: {}}, states(policy), {}, [], {}).after]


@pytest.mark.parametrize("entry, words", [
    ({"sources": ["any"], "limit": {"rate": "10/second"}}, "anybody (limit: 10/sec, burst 10)"),
    ({"sources": ["10.0.0.0/8", "::1"], "limit": {"rate": "2/minute", "burst": 5, "connections": 3}},
     "10.0.0.0/8 (limit: 2/min, burst 5, 3 connections), ::1 (limit: 2/min, burst 5, 3 connections)"),
    ({"interfaces": ["wg0"], "limit": {"connections": 3, "per": {"ipv4": 24}}},
     "anybody by wg0 (limit: 3 connections, for each /24) by IPv4, anybody by wg0 (limit: 3 connections) by IPv6"),
    ({"sources": ["any"], "limit": {"rate": "1/second"}, "mode": "observe"}, "anybody"),
])
def test_what_diff_says(entry, words):
    found = told(published_ports={"allow": [{"port": 80, **entry}]}, host_services={"default": "deny", "allow": [{"port": 22, **entry}]})
    assert "port 80/tcp: " + words in found and "service 22/tcp: " + words in found
    # What docker-proxy serves of the published port is no other service.
    assert not any(line.startswith("service 80/tcp") for line in found)


def test_several_entries():
    entries = [{"port": 80, "sources": [source], "limit": {"rate": rate}} for source, rate in (("any", "1/second"), ("10.0.0.1", "9/second"))]
    assert "port 80/tcp: 10.0.0.1 (limit: 9/sec, burst 9), anybody (limit: 1/sec, burst 1)" in told(published_ports={"allow": entries})


def test_a_source_without_its_limit():
    assert [unlimited(source) for source in ("any (limit: 1/sec, burst 1)", "@a by wg0 (limit: 3 connections)", "@a by wg0", "10.0.0.0/8")] == [
        "any", "@a by wg0", "@a by wg0", "10.0.0.0/8"]


@pytest.mark.parametrize("chain, section", [
    ("DB-GUARD-L-0123456789", "published_ports"), ("DB-DIALLED-L-0123456789", "published_ports"), ("DB-INPUT-L-0123456789", "host_services"),
])
def test_what_was_denied_and_why(chain, section):
    assert section_of(chain) == section and reason_of(chain) == "it exceeds the limit of an entry of " + section


@pytest.mark.parametrize("chain, section", [("DB-EGP-c-L-1", "egress"), ("DB-USER-a-L-b", None)])
def test_chains_that_are_called_alike(chain, section):
    assert section_of(chain) == section
