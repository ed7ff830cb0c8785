# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the audit prints, what it writes for programs, and when it fails."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.action import audit_summary
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.hosts import read, report
from ansible_collections.drawbridge.docker.plugins.plugin_utils.audit.table import table

from tests.unit.support.audit_data import audited


def hosts(told, lost=()):
    return read([*told, *lost], set(told), told.get)


def test_a_few_hosts_have_their_findings_one_by_one():
    lines = table(hosts({"web1": audited("28.5.2"), "web2": {"failed": True, "msg": "iptables is missing\nmore"}}, ["web3"]))
    assert lines[0] == "web1: Docker 28.5.2, iptables (nft); 4 published ports, 3 open to the internet"
    assert lines[1].startswith("  high    open_to_internet: published ports that anybody")
    assert lines[2] == "            ipv4 0.0.0.0:8080/tcp (web): from internet; leaves by docker0"
    assert lines[-4:] == ["web2: failed: iptables is missing", "web3: unreachable: The host was lost before it was audited.", "",
                          "3 hosts: 1 audited, 1 failed, 1 unreachable; findings: 2 high, 1 medium, 1 low"]


def test_many_hosts_are_grouped():
    told = {"web%d" % number: audited("28.5.2") for number in range(1, 15)}
    told["old1"] = audited("20.10.24")
    lines = table(hosts(told, ["db1", "db2"]))
    assert lines[0].startswith("high    open_to_internet: 15 hosts, old1, web1 … web14: published")
    assert [line for line in lines if line.startswith("high    loopback_reachable: 1 host, old1: ")]
    assert lines[-3] == "unreachable: The host was lost before it was audited. (db1, db2)"
    assert lines[-1] == "17 hosts: 15 audited, 2 unreachable; findings: 32 high, 16 medium, 15 low"


def test_no_line_moves_the_cursor():
    name = "\x1b[2J\u202e\nweb"
    told = audited("28.5.2", names={"web": name})
    for lines in (table(hosts({name: told})), table(hosts({"%s%d" % (name, number): told for number in range(13)}))):
        assert all(line.isprintable() for line in lines)


def test_the_report_is_what_hosts_returned():
    told = audited("28.5.2")
    found = json.loads(json.dumps(report(hosts({"web1": dict(told, changed=False, warnings=["w"])}, ["web2"]))))
    assert found["version"] == 1 and found["totals"] == {"audited": 1, "failed": 0, "unreachable": 1, "high": 2, "medium": 1, "low": 1}
    assert found["hosts"]["web1"] == dict(json.loads(json.dumps(told)), result="audited")
    assert found["hosts"]["web2"] == {"result": "unreachable", "message": "The host was lost before it was audited."}


@pytest.mark.parametrize("severities, fail_on, reason", [
    ([], "low", []), (["low"], "medium", []), (["low", "high", "high"], "medium", ["findings: 2 high"]), (["high"], "never", []),
    (["odd"], "high", ["findings: 1 high"]), (["low", "medium"], "low", ["findings: 1 medium, 1 low"]),
])
def test_when_it_fails(severities, fail_on, reason):
    told = {"changed": False, "findings": [{"id": "x", "severity": severity} for severity in severities]}
    assert audit_summary._reasons(hosts({"web1": told}), fail_on) == reason
    assert audit_summary._reasons(hosts({"web1": told}, ["gone"]), fail_on) == ["1 host not audited", *reason]
