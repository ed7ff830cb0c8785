# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The host as it will be: what a policy and a plan make of a snapshot beside rules and sets."""
import json

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import TableChange
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState, changes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import FamilyPlan, Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import INET, Chain, DesiredState, Line
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.walk.path import Step
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.planned_host import entry_of, with_policy

from tests.unit.support.verdict_hosts import host, judged, saved

NOTHING = Plan({}, [], [], [], [])
OURS = {"nftables": [{"table": {"family": "inet", "name": name}} for name in ("drawbridge-sentry", "drawbridge-engine", "firewalld")]}


def tables(snapshot):
    return {next(iter(item.values())).get("table") or item["table"]["name"] for item in json.loads(snapshot.texts["nftables"])["nftables"]}


def test_of_our_tables_the_engines_counts():
    before = host(nftables=json.dumps(OURS))
    assert tables(with_policy(before, NOTHING, parse_policy({}), "nft")) == {"drawbridge-engine", "firewalld"}
    gone = NOTHING._replace(tables=[TableChange((INET, "drawbridge-engine"), "table", None)])
    assert tables(with_policy(before, gone, parse_policy({}), "nft")) == {"firewalld"}
    come = NOTHING._replace(tables=[TableChange((INET, "drawbridge-engine"), None, "table")])
    assert tables(with_policy(host(), come, parse_policy({}), "nft")) == {"drawbridge-engine"}


def test_tables_that_were_not_read_stay_unknown():
    before = host(iptables=saved(filter__INPUT=[]))
    unread = before._replace(texts={name: text for name, text in before.texts.items() if name != "nftables"})
    assert judged(with_policy(unread, NOTHING, parse_policy({}), "nft"), to="192.0.2.10:22").verdict == "unknown"


def test_a_policy_of_forward_counts_where_there_are_no_rules_yet():
    assert judged(with_policy(host(), NOTHING, parse_policy({"forward_policy": {"ipv4": "drop"}}), "nft"), to="172.17.0.2:80").verdict == "dropped"


def test_what_the_policy_says_about_forwarding_counts():
    before = host(settings={"net.ipv4.ip_forward": 0}, iptables=saved(filter__FORWARD=[]))
    verdicts = [judged(with_policy(before, NOTHING, parse_policy(policy), "nft"), to="172.17.0.2:80").verdict for policy in (
        {}, {"forwarding": {"ipv4": True}}, {"forwarding": {"ipv4": True, "interfaces": {"eth0": {"ipv4": False}}}},
        {"forwarding": {"ipv4": True}, "forward_policy": {"ipv4": "drop"}},
    )]
    assert verdicts == ["dropped", "accepted", "dropped", "dropped"]


def test_a_rule_of_ours_is_its_entrys():
    old, new = {"filter": TableState()}, {"filter": TableState({"DB-INPUT": ("-s 10.0.0.0/8 -j RETURN", "-j DROP")}, {})}
    plan = NOTHING._replace(families={4: FamilyPlan(old, new, changes(old, new), parse(""))})
    lines = [Line("-s 10.0.0.0/8 -j RETURN", (4,), "policy.host_services.allow[0]"), Line("-s fd00::/8 -j RETURN", (6,)), Line("-j DROP")]
    wanted = DesiredState([Chain("filter", "DB-INPUT", lines)], [], [])
    assert entry_of(plan, wanted, 4, Step("filter", "DB-INPUT", 1, "")) == "policy.host_services.allow[0]"
    assert [entry_of(plan, wanted, *asked) for asked in (
        (4, Step("filter", "DB-INPUT", 2, "")), (6, Step("filter", "DB-INPUT", 1, "")), (4, Step("filter", "INPUT", 1, "")),
        (4, Step("filter", "DB-INPUT", None, "")), (4, Step("filter", "DB-INPUT", 3, "")))] == [None] * 5
