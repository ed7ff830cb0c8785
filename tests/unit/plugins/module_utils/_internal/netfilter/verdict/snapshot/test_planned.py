# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A plan's input for iptables-restore and ipset, applied to the texts of a host."""
import json

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import TableChange
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState, changes
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import FamilyPlan, Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import INET
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import SavedChain, parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.planned import planned, restored, sets_restored

from tests.unit.support.verdict_hosts import host, judged, nft, saved

BEFORE = saved(filter__INPUT=["-j DB-OLD", "-j ACCEPT"], filter__DB_OLD=["-j DROP"])


def test_a_text_is_applied_like_iptables_restore_does():
    text = ("*filter\n:DB-NEW - [0:0]\n:DB-OLD - [0:0]\n-D INPUT -j DB-OLD\n-I INPUT 1 -j DB-NEW\n[5:60] -A DB-NEW -p tcp -j RETURN\n-A DB-NEW -j DROP\n"
            "-X DB-OLD\nCOMMIT\n*mangle\n:DB-GUARD - [0:0]\n-A DB-GUARD -j DROP\nCOMMIT\n")
    tables = parse(restored(BEFORE, text)).tables
    assert tables["filter"]["INPUT"].rules == ["-j DB-NEW", "-j ACCEPT"] and tables["filter"]["DB-NEW"].rules == ["-p tcp -j RETURN", "-j DROP"]
    assert "DB-OLD" not in tables["filter"] and tables["filter"]["FORWARD"].policy == "ACCEPT" and tables["mangle"]["DB-GUARD"].rules == ["-j DROP"]


def test_a_table_that_is_not_there_comes_with_its_chains():
    text = "*mangle\n:DB-GUARD - [0:0]\n-A DB-GUARD -j DROP\n-I PREROUTING 1 -j DB-GUARD\nCOMMIT\n"
    assert parse(restored("", text)).tables["mangle"]["PREROUTING"] == SavedChain("ACCEPT", ["-j DB-GUARD"], [""])


def test_sets_are_changed_as_ipset_changes_them():
    lines = ["create a hash:ip family inet", "add a 192.0.2.1", "create b hash:ip family inet", "add b 192.0.2.2", "swap a b", "del a 192.0.2.2", "flush b",
             "add b 192.0.2.3", "create c hash:ip family inet", "destroy c"]
    assert sets_restored("", lines) == "create a hash:ip family inet\ncreate b hash:ip family inet\nadd b 192.0.2.3\n"


def test_entries_that_end_are_the_same_in_both_spellings():
    held = 'create a hash:net family inet timeout 0 comment\nadd a 192.0.2.1 timeout 60 comment "until 2026-12-01T18:00:00Z"\nadd a 192.0.2.2 timeout 0\n'
    lines = ["add a 192.0.2.3 until 2026-12-01T18:00:00Z", "del a 192.0.2.1 until 2026-12-01T18:00:00Z"]
    assert sets_restored(held, lines) == "create a hash:net family inet timeout 0 comment\nadd a 192.0.2.2\nadd a 192.0.2.3\n"


def test_a_verdict_on_rules_that_are_not_written_yet():
    snapshot = host(iptables=saved(filter__INPUT=["-j ACCEPT"]))
    old = {"filter": TableState()}
    new = {"filter": TableState({"DB-INPUT": ("-m set --match-set DBP-x src -j RETURN", "-j DROP")}, {"INPUT": ("-j DB-INPUT",)})}
    plan = Plan({4: FamilyPlan(old, new, changes(old, new), parse(snapshot.texts["iptables"]))}, [],
                ["create DBP-x hash:net family inet", "add DBP-x 198.51.100.0/24"], [], [])
    after = planned(snapshot, plan)
    assert [judged(place, to="192.0.2.10:22").verdict for place in (snapshot, after)] == ["accepted", "dropped"]
    assert judged(after, source="198.51.100.7", to="192.0.2.10:22").verdict == "accepted"


PROXY = "tcp LISTEN 0 4096 0.0.0.0:8080 0.0.0.0:* users:((\"docker-proxy\",pid=1,fd=4))\n"
OWNER = {"match": {"op": "==", "left": {"socket": {"key": "cgroupv2"}}, "right": "@engine"}}


def test_the_tables_of_a_plan_in_nftables():
    """The engine's cgroup is put into its table's set right after the table; what nobody printed is not known."""
    others = nft(("in", "filter input 5", [[{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 23}}, {"drop": None}]]))
    snapshot = host(nftables=others, sockets=PROXY)
    found = json.loads(nft(("close", "filter input -149", [[OWNER, {"drop": None}]]), table="inet drawbridge-engine"))
    found["nftables"].insert(1, {"set": {"family": "inet", "table": "drawbridge-engine", "name": "engine", "type": "cgroupsv2"}})
    key = (INET, "drawbridge-engine")
    plan = Plan({}, [], [], [], [], [TableChange(key, None, "table inet drawbridge-engine {}")])
    known = planned(snapshot, plan, tables=json.dumps(found))
    assert [judged(known, to="192.0.2.10:" + port).verdict for port in ("8080", "22", "23")] == ["dropped", "accepted", "dropped"]
    assert judged(planned(snapshot, plan), to="192.0.2.10:8080").verdict == "unknown"
    gone = planned(known, Plan({}, [], [], [], [], [TableChange(key, "table inet drawbridge-engine {}", None)]), tables='{"nftables": []}')
    assert [judged(gone, to="192.0.2.10:" + port).verdict for port in ("8080", "23")] == ["accepted", "dropped"]
    assert planned(snapshot, Plan({}, [], [], [], [], [TableChange(key, "a", "a")])).texts == snapshot.texts
