# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A guard that lost a line is seen, whichever line it is, and the ports that are open by it are named: rules as kernels hold them, one line less each time."""
import re
from types import SimpleNamespace

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import Backend, PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import Flow
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.findings import describe, findings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.guarded_ports import guarded_ports
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.situation import Situation
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset, SavedChain
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.difference import states
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.texts import rules_text
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.packet_match import Place, RulesetMatcher
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import keeping

from .support.policies import HOST

FACTS = HOST._replace(published=[*HOST.published, *(port._replace(protocol=protocol, port=number) for port in HOST.published[:1]
                                                    for protocol, number in (("udp", 53), ("sctp", 9899)))])
OFFICE = ["203.0.113.0/24", "2001:db8:1::/48"]
MANY = ["10.0.0.%d" % number for number in range(1, 9)]
ALLOW = [
    {"port": 443, "sources": ["any"]}, {"port": 80, "sources": ["@office", "10.0.0.0/8"]}, {"port": 8080, "sources": MANY},
    {"port": 53, "protocol": "udp", "address": "0.0.0.0", "sources": ["any"]}, {"port": 53, "protocol": "udp", "address": "192.0.2.7", "sources": OFFICE},
]  # fmt: skip
POLICIES = {
    "deny": {"published_ports": {"allow": ALLOW}},
    "deny without entries": {"published_ports": {}},
    "direct allowed": {"published_ports": {"direct": "allow", "allow": ALLOW}},
    "allow": {"published_ports": {"default": "allow", "allow": ALLOW}},
    "allow and nothing else": {"published_ports": {"default": "allow", "direct": "allow", "allow": ALLOW[1:3]}},
    "denied sources": {"published_ports": {"allow": ALLOW, "deny": ["@office"]}},
    "denied sources and nothing else": {"published_ports": {"default": "allow", "direct": "allow", "deny": ["@office"]}},
    "direct only": {"published_ports": {"default": "allow"}},
    "limits": {"published_ports": {"allow": [dict(entry, limit={"rate": "9/minute", "connections": 2}) for entry in ALLOW]}},
    "interfaces": {"external_interfaces": ["eth0", "eth1"], "published_ports": {"allow": ALLOW}, "host_services": {"default": "deny"}},
}
STRANGER = {4: "198.51.100.200", 6: "2001:db8:9::9"}
TO = {4: "192.0.2.1", 6: "2001:db8::1"}


@pytest.fixture(params=[*POLICIES, "VRF", "kept"], name="applied")
def policy_in_a_kernel(request, host):
    """What the kernel holds of a policy: rulesets, sets, and whether its guard knows published ports."""
    facts = FACTS._replace(vrfs=["blue"]) if request.param == "VRF" else FACTS
    policy = dict(POLICIES.get(request.param, POLICIES["deny"]), address_sets={"office": OFFICE})
    wanted = compile_policy(parse_policy(policy), facts)
    host.converge(keeping(wanted) if request.param == "kept" else wanted)
    netfilter = Netfilter(host.system, host.variant)
    sets = netfilter.ipset.headers()
    rulesets = netfilter.rulesets()
    return SimpleNamespace(
        rulesets=rulesets, sets=netfilter.ipset.with_entries(sets, sets), denies=policy["published_ports"].get("default") != "allow",
        saved={family: state for family in rulesets for state in [states({"ipv%d" % family: rules_text(rulesets[family])})[family]]})


def published():
    return [PublishedPort(port.family, port.address, port.port, port.protocol, "web", "id", 80, False) for port in FACTS.published]


def told(applied, rulesets, saved=None):
    """The findings by code, as text."""
    host = Situation(True, Backend("iptables", False), "on", [], published(), rulesets, applied.sets, saved=saved or {})
    return {found.code: "\n".join(found.about) for found in findings(host)}


def without(rulesets, family, chain, index):
    """The rulesets, one line of the guard less."""
    tables = {name: dict(chains) for name, chains in rulesets[family].tables.items()}
    held = tables["mangle"][chain]
    tables["mangle"][chain] = SavedChain(held.policy, held.rules[:index] + held.rules[index + 1:], held.counters[:index] + held.counters[index + 1:])
    return {**rulesets, family: Ruleset(tables)}


def every_line(rulesets):
    return [(family, name, index, rule) for family, ruleset in rulesets.items() for name, chain in ruleset.tables["mangle"].items()
            if name.startswith("DB-GUARD") for index, rule in enumerate(chain.rules)]


# Lines of limits about what is no first packet, or is not tracked.
OF_OTHER_PACKETS = ("-m conntrack --ctstatus CONFIRMED -j RETURN", "INVALID,UNTRACKED")


def first_packets(rule):
    """What a rule says of first packets, while no limit is reached."""
    return re.sub(r"-m (?:hash|conn)limit .*(?=-j )", "", rule.replace("--ctstate RELATED,ESTABLISHED", "--ctdir REPLY"))


def strangers_reach(applied, rulesets):
    """The published ports that a stranger's packet comes through the guard to."""
    found = set()
    entries = {name: live.entries or frozenset() for name, live in applied.sets.items()}
    for port in published():
        # A first packet: what spares flows that are open does not spare it.
        chains = {name: [first_packets(rule) for rule in chain.rules if not any(state in rule for state in OF_OTHER_PACKETS)]
                  for name, chain in rulesets[port.family].tables["mangle"].items() if name.startswith("DB-")}
        to = port.address or TO[port.family]
        flow = Flow(port.family, port.protocol, "", STRANGER[port.family], 40000, to, port.port, to, port.port)
        if RulesetMatcher(chains, entries).passes("DB-GUARD", flow, Place("eth0", True)):
            found.add(port)
    return found


def test_a_whole_guard_lacks_nothing(applied):
    codes = told(applied, applied.rulesets, applied.saved)
    assert "guard_lost_lines" not in codes and "unlike_saved" not in codes


def test_each_lost_line_is_seen(applied):
    before = strangers_reach(applied, applied.rulesets)
    count, opened_by_any = 0, set()
    for family, chain, index, rule in every_line(applied.rulesets):
        rulesets = without(applied.rulesets, family, chain, index)
        found = told(applied, rulesets, applied.saved)
        where = "ipv%d mangle %s" % (family, chain)
        assert "%s lost: %s" % (where, rule.replace("-4a ", "-4 ").replace("-6a ", "-6 ")) in found["unlike_saved"].split("\n"), (where, rule)
        opened = strangers_reach(applied, rulesets) - before
        opened_by_any |= opened
        # Whom an entry lets in, nothing but the files says; that somebody is kept out by its loss opens nothing.
        if chain == "DB-GUARD-PORTS" and (rule.endswith("-j RETURN") or "-g DB-GUARD-L-" in rule):
            assert not opened
            continue
        # Where a policy allows by default, an entry that lets in nobody of a family leaves no trace but its DROP.
        if chain == "DB-GUARD-PORTS" and not applied.denies and rule.endswith("-j DROP") and "guard_lost_lines" not in found:
            continue
        assert where in found["guard_lost_lines"], (where, rule)
        for port in opened:
            assert describe(port) in found["guard_lost_lines"], (where, rule, describe(port))
        assert not opened & guarded_ports(rulesets, applied.sets, published())
        count += 1
    assert count > 8 if applied.denies else count > 1
    assert not applied.denies or opened_by_any


def test_a_chain_that_was_flushed_and_a_line_that_was_put_in(applied):
    for family, chain, _index, _rule in every_line(applied.rulesets):
        rulesets = applied.rulesets
        for _line in rulesets[family].tables["mangle"][chain].rules:
            rulesets = without(rulesets, family, chain, 0)
        assert "ipv%d mangle %s" % (family, chain) in told(applied, rulesets)["guard_lost_lines"]
    rulesets = without(applied.rulesets, 6, "DB-GUARD", 0)
    rulesets[6].tables["mangle"]["DB-GUARD"].rules.insert(0, "-s 2001:db8::66/128 -j ACCEPT")
    assert "ipv6 mangle DB-GUARD got: -s 2001:db8::66/128 -j ACCEPT" in told(applied, rulesets, applied.saved)["unlike_saved"]


def test_both_families_lose_the_same_line(applied):
    for _family, chain, index, rule in every_line({6: applied.rulesets[6]}):
        held = applied.rulesets[4].tables["mangle"][chain].rules
        neutral = rule.replace("-6a ", "-4a ")
        if neutral not in held or chain == "DB-GUARD-PORTS" and not (applied.denies and rule == "-j DROP") or "-OUT" in rule:
            continue
        if "--ctstate DNAT" in rule:
            continue
        both = without(without(applied.rulesets, 6, chain, index), 4, chain, held.index(neutral))
        found = told(applied, both).get("guard_lost_lines", "")
        assert "ipv4 mangle %s" % chain in found and "ipv6 mangle %s" % chain in found or "container-nets" in rule and "container-nets" in found, rule
