# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the audit finds beside docker_firewall_info: wider than the policy, IPv6, privileges, units."""
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import NoSuchContainer
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.capabilities import Privileges
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit import findings as module
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.containers import Held, privileges_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.findings import Seen, findings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.policy import Policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.reach import Cell
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.targets import Target
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.zones import Zone
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.jumps import Jump
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.sets import parse
from ansible_collections.drawbridge.docker.plugins.modules import firewall_audit_info

from tests.unit.support.audit_data import recorded, surveyed

INTERNET = Zone("internet", "internet", "", {4: ["45.99.88.77"], 6: ["2a01::77"]})
NOTHING = Seen([], [], lambda cell: True, lambda cell: False, [], [], {}, "", "running", "running", False, 0)


def cell(state, family=4, kind="published", zone=INTERNET, port=8080, name="web", source="45.99.88.77"):
    return Cell(Target(kind, family, None, port, "tcp", name, 80), zone, state, "a reason", {"from": source, "interface": "eth0"})


def ids(**seen):
    return {item.id: item.evidence for item in findings(NOTHING._replace(**seen))}


def test_nothing_is_wrong_with_nothing():
    assert ids() == {}


def test_more_than_the_policy_lets_in():
    rows = [[cell("open")], [cell("closed", port=8081)]]
    assert ids(rows=rows, guarded=lambda cell: True, allows=lambda cell: False) == {
        "wider_than_policy": ["ipv4 0.0.0.0:8080/tcp (web): from internet; a reason"]}
    assert ids(rows=rows, guarded=lambda cell: True) == {}
    assert list(ids(rows=rows)) == ["open_to_internet"]


def test_open_by_ipv6_alone():
    policy = {"guarded": lambda cell: True}
    assert list(ids(rows=[[cell("closed")], [cell("open", 6)]], **policy)) == ["ipv6_wider"]
    for rows in ([[cell("open")], [cell("open", 6)]], [[cell("open", 6)]], [[cell("closed", port=9)], [cell("open", 6)]]):
        assert ids(rows=rows, **policy) == {}


def test_whom_a_policy_lets_in():
    sets = parse("create DB-office-4 hash:net family inet\nadd DB-office-4 203.0.113.0/24\n")
    port = {"family": "ipv4", "address": None, "port": 8080, "protocol": "tcp", "sources": ["@office", "198.51.100.7"]}
    published = [port, dict(port, port=8081, sources=None), dict(port, port=8082, sources=["any"])]
    policy = Policy(surveyed(recorded("28.5.2"), "28.5.2"), {"published_ports": published}, sets)
    assert [policy.judges(cell("open", port=number)) for number in (8080, 8081, 8082, 9)] == [True, False, True, False]
    let_in = {source: policy.allows(cell("open", source=source)) for source in ("203.0.113.5", "198.51.100.7", "45.99.88.77", "::cb00:7105")}
    # The last one is the same number as an address of the office.
    assert let_in == {"203.0.113.5": True, "198.51.100.7": True, "45.99.88.77": False, "::cb00:7105": False}
    assert policy.allows(cell("open", port=8082)) and policy.allows(cell("open", port=8081))
    denying = Policy(surveyed(recorded("28.5.2"), "28.5.2"), {"published_ports": [dict(port, sources=["any"], denied_sources=["@office"])]}, sets)
    assert [denying.allows(cell("open", source=source)) for source in ("203.0.113.5", "198.51.100.7")] == [False, True]


@pytest.mark.parametrize("sources, interface, allowed", [
    (["any by eth0"], "eth0", True), (["any by wg+"], "eth0", False), (["any by wg+"], "wg7", True), (["203.0.113.0/24 by eth0"], "eth0", True),
    (["198.51.100.7 by eth0", "203.0.113.5 by wg0"], "eth0", False), (["any by wg0", "203.0.113.5"], "eth0", True), (["@office by wg0"], "wg0", True),
])
def test_whom_a_policy_lets_in_by_an_interface(sources, interface, allowed):
    sets = parse("create DB-office-4 hash:net family inet\nadd DB-office-4 203.0.113.0/24\n")
    port = {"family": "ipv4", "address": None, "port": 8080, "protocol": "tcp", "sources": sources}
    asked = cell("open", source="203.0.113.5")
    asked = asked._replace(asked={**asked.asked, "interface": interface})
    assert Policy(surveyed(recorded("28.5.2"), "28.5.2"), {"published_ports": [port]}, sets).allows(asked) == allowed


def test_what_containers_may_do():
    none = Privileges(False, False, False, False, False)
    held = [Held("all", Privileges(True, True, True, False, False)), Held("socket", none._replace(engine_socket=True)), Held("plain", none),
            Held("vpn", none._replace(net_admin=True)), Held("exporter", none._replace(host_network=True)), Held("usual", none._replace(net_raw=True)),
            Held("unknown", Privileges(None, None, None, None, False))]
    assert ids(held=held) == {"container_privileged": ["all"], "container_engine_socket": ["socket"], "container_net_admin": ["vpn"],
                              "container_host_network": ["exporter"], "container_net_raw": ["usual"]}


def test_units_that_are_missing():
    assert list(ids(has_policy=True, boot="stopped", event_service="absent")) == ["no_boot_restore", "no_event_service"]
    assert list(ids(event_service="stopped", boot="absent")) == ["event_service_stopped"]


def test_what_is_ahead_and_what_is_not_known():
    first, second = Jump("mangle", "PREROUTING", "DB-GUARD", 3, 4, None), Jump("mangle", "PREROUTING", "DB-LOCK", 4, 4, None)
    assert ids(jumps={"ipv4": [first, second]}) == {"lines_ahead_of_ours": ["ipv4 mangle PREROUTING: 2 lines before the jump to DB-GUARD"]}
    assert ids(jumps={"ipv4": [first._replace(position=1), second]}) == {}
    assert ids(rows=[[cell("unknown")]], engine_error="refused", left_out=3) == {
        "engine_not_asked": ["refused"], "not_known": ["ipv4 0.0.0.0:8080/tcp (web): from internet; a reason"], "targets_left_out": ["3 were left out"]}


ROOT = Path(__file__).resolve().parents[7]
GUIDE = (ROOT / "docs" / "guides" / "audit.md").read_text(encoding="utf-8").partition("\n## Findings\n")[2].partition("\n## ")[0]


def test_each_finding_of_docker_firewall_info_has_a_severity_and_the_guide_says_it():
    explained = (ROOT / "docs" / "guides" / "troubleshooting.md").read_text(encoding="utf-8").partition("\n## Findings\n")[2]
    assert set(module._OF_INFO) == set(re.findall(r"^### (\w+)$", explained, re.MULTILINE))
    told = {code: severity for severity, codes in re.findall(r"^- (\w+): (.*?)(?=^-|\Z)", GUIDE, re.DOTALL | re.MULTILINE)
            for code in re.findall(r"#(\w+)\)", codes)}
    assert told == module._OF_INFO


def test_the_guide_and_the_module_have_the_others():
    """Each is a call of Finding with its id and severity, or a row of the privileges."""
    calls = re.findall(r'Finding\(\s*"(\w+)", (\w+),', Path(module.__file__).read_text(encoding="utf-8"))
    found = {code: severity.lower() for code, severity in calls}
    found.update({code: severity for code, (severity, _message, _remedy) in module._PRIVILEGES.items()})
    rows = {code: severity for codes, severity in re.findall(r"^\| (`.*?) \| (high|medium|low) \|", GUIDE, re.MULTILINE)
            for code in re.findall(r"`(\w+)`", codes)}
    assert rows == found and len(found) > 15
    documented = yaml.safe_load(firewall_audit_info.RETURN)["findings"]["contains"]["id"]["description"]
    assert set(re.findall(r"V\((\w+)\)", " ".join(documented))) == set(found)


def test_the_severest_come_first():
    info = [{"code": "no_forwarding_at_boot", "message": "m", "about": [], "hint": "h"}, {"code": "unlike_saved", "message": "m", "about": ["a"], "hint": "h"},
            {"code": "made up later", "message": "m", "about": [], "hint": "h"}]
    assert [(item.id, item.severity, item.evidence) for item in findings(NOTHING._replace(info=info))] == [
        ("unlike_saved", "high", ["a"]), ("made up later", "medium", ["m"]), ("no_forwarding_at_boot", "low", ["m"])]


class Engine:
    """Tells of one container, and of none more."""

    def inspect(self, identity):
        if identity != "1":
            raise NoSuchContainer("no such container")
        return {"HostConfig": {"Privileged": False, "CapAdd": ["NET_ADMIN"], "NetworkMode": "host"}, "State": {"Pid": 7},
                "Mounts": [{"Source": "/var/run/docker.sock"}]}


class System:
    def read(self, path):
        return {"/proc/7/status": "CapBnd:\t0000000000001000\n"}.get(path)


def test_privileges_are_asked_of_the_engine_and_of_the_kernel():
    listed = [{"Id": "2", "Names": ["/gone"]}, {"Id": "1", "Names": ["/web"]}]
    held, warnings = privileges_of(System(), Engine(), listed)
    assert [item.shown for item in held] == [
        {"name": "web", "privileged": False, "net_admin": True, "net_raw": False, "engine_socket": True, "host_network": True}] and warnings == []
