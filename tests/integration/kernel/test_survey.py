# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A look at a host, in a network namespace of its own: with a real policy applied, and with nothing there at all.

The engine is one whose answers were recorded. Nothing of the machine's firewall is touched.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ["ipset", "unshare", "nft", "iptables-nft-save", "iptables-legacy-save"]
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason="not installed: %s" % ", ".join(MISSING)),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

PRELUDE = """
import conftest, json, subprocess, sys
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts import gather
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect import report, survey
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import Engine, EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings, converge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

class Recorded(Engine):
    answers = json.load(open("tests/unit/fixtures/engine/docker-20.10.24.json", encoding="utf-8"))
    def version(self): return self.answers["/version"]
    def info(self): return self.answers["/info"]
    def networks(self): return self.answers["/networks"]
    def containers(self): return self.answers["/containers/json"]

def sh(command):
    return subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE).stdout.decode()

class Unreachable(Recorded):
    def version(self): raise EngineUnreachable("nobody there")

def look(choice, engine):
    found = survey.survey(System(), choice, engine)
    return dict(report.report(found), warnings=found.warnings)

def apply(variant, policy):
    facts = gather.ask(Recorded(), System()).facts
    converge(System(), Settings(variant, 30, False), lambda netfilter: compile_policy(parse_policy(policy, "policy"), facts))
"""


@pytest.fixture(name="isolated")
def in_a_namespace(tmp_path):
    """Run Python after the prelude → what it assigned to ``told``."""
    def run(script):
        done = subprocess.run(
            ["unshare", "--net", sys.executable, "-c", PRELUDE + script + "\njson.dump(told, sys.stdout)"],
            cwd=str(ROOT), capture_output=True, stdin=subprocess.DEVNULL, check=False,
            env=dict(os.environ, XTABLES_LOCKFILE=str(tmp_path / "lock"), PYTHONPATH=str(ROOT)), timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout.decode())

    return run


def codes(told):
    return {found["code"] for found in told["findings"]}


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_a_policy_is_recognised_by_what_it_put_there(isolated, variant):
    told = isolated("""
apply(%r, {"published_ports": {"allow": [{"port": 443, "sources": ["any"]}]}})
told = look(%r, Recorded())
""" % (variant, variant))
    exposed = [port for port in told["published_ports"] if not port["loopback"]]
    assert len(exposed) == 18 and all(port["guarded"] for port in exposed)
    assert not any(port["guarded"] for port in told["published_ports"] if port["loopback"])
    assert not codes(told) & {"unguarded_ports", "chain_not_hooked", "hook_passed_by", "containers_reachable_directly",
                              "loopback_reachable"}
    assert told["iptables"]["variant"] == variant and told["iptables"]["other_variant_rules"] == 0
    hooks = {(hook["family"], hook["table"], hook["parent"], hook["target"]) for hook in told["owned"]["hooks"]}
    assert {("ipv4", "mangle", "PREROUTING", "DB-GUARD"), ("ipv6", "mangle", "PREROUTING", "DB-GUARD")} <= hooks
    sets = {item["type"]: item["entries"] for item in told["owned"]["sets"] if item["family"] in (None, "ipv4")}
    assert sets["bitmap:port"] and sets["hash:ip,port"] == 1


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_whom_a_policy_lets_in(isolated, variant):
    listed = ["10.0.0.%d" % number for number in range(1, 9)]
    told = isolated("""
ports = sorted({port.port for port in gather.ask(Recorded(), System()).published if port.address is None and port.protocol == "tcp"})
listed = %r
sources = [["any"], ["@office", "2001:db8::/32"], listed, ["0.0.0.0/0"]]
allow = [{"port": port, "sources": who} for port, who in zip(ports, sources)]
allow.append({"port": ports[4], "address": "192.0.2.7", "sources": ["192.0.2.1"]})
apply(%r, {"address_sets": {"office": ["203.0.113.0/24", "2001:db8:1::/48"]}, "published_ports": {"allow": allow}})
told = [ports, look(%r, Recorded())["published_ports"]]
""" % (listed, variant, variant))
    ports, published = told
    let_in = {(port["port"], port["family"]): port["sources"] for port in published if port["address"] is None and port["protocol"] == "tcp"}
    assert [(let_in[port, "ipv4"], let_in.get((port, "ipv6"))) for port in ports[:6]] == [
        (["any"], ["any"]), (["@office"], ["2001:db8::/32", "@office"]), (listed, []), (["any"], []), (["192.0.2.1"], []), ([], [])]
    assert {str(port["sources"]) for port in published if port["loopback"]} == {"None"}


def test_whom_a_policy_denies_ahead_of_that(isolated):
    told = isolated("""
ports = {"default": "allow", "direct": "allow", "deny": ["@abusers", "2001:db8::7"]}
apply("nft", {"address_sets": {"abusers": ["198.51.100.0/24"]}, "published_ports": ports})
told = look("nft", Recorded())
""")
    denied = {(str(port["sources"]), str(port["denied_sources"]), port["family"]) for port in told["published_ports"] if port["guarded"]}
    assert denied == {("['any']", "['@abusers']", "ipv4"), ("['any']", "['2001:db8::7', '@abusers']", "ipv6")}
    assert {str(port["denied_sources"]) for port in told["published_ports"] if not port["guarded"]} == {"None"}
    assert "guard_lost_lines" not in codes(told)


def test_a_policy_that_was_passed_by_or_unhooked(isolated):
    told = isolated("""
apply("nft", {"published_ports": {"default": "deny"}})
sh("iptables-nft -t mangle -I PREROUTING -s 192.0.2.9 -j ACCEPT; ip6tables-nft -t mangle -D PREROUTING 1")
told = look("nft", Recorded())
""")
    assert {"unguarded_ports", "chain_not_hooked", "hook_passed_by"} <= codes(told)
    assert {str(port["sources"]) for port in told["published_ports"]} == {"None"}


def test_tables_in_nftables_are_told(isolated):
    told = isolated("""
sh("nft add table ip drawbridge-policy; nft add chain ip drawbridge-policy c; nft add table bridge drawbridge-x; nft add table ip theirs")
told = look("nft", Unreachable())
""")
    assert [item["table"] for item in told["owned"]["tables"]] == ["bridge drawbridge-x", "ip drawbridge-policy"]
    assert told["owned"]["tables"][1]["lines"] == ["table ip drawbridge-policy {", "\tchain c {", "\t}", "}"]


@pytest.mark.parametrize("choice", ["auto", "nft", "legacy"])
def test_a_look_at_a_bare_host_leaves_it_bare(isolated, choice):
    told = isolated("""
told = look(%r, Unreachable())
told["left"] = sh("nft list tables; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names; ipset list -n")
""" % choice)
    assert told["left"] == ""
    assert told["chains"] == [] and told["findings"] == [] and told["owned"] == {"chains": [], "hooks": [], "sets": [], "tables": []}
    assert told["engine"]["reachable"] is False and told["warnings"] == ["nobody there"]


def test_where_auto_would_be_a_guess_it_says_so_and_looks_on(isolated):
    told = isolated("""
sh("iptables-nft -A INPUT -s 192.0.2.1 -j DROP; iptables-legacy -A INPUT -s 192.0.2.2 -j DROP")
told = look("auto", Unreachable())
""")
    assert "other_variant_has_rules" in codes(told) and told["iptables"]["other_variant_rules"] == 1
    assert any("both iptables-nft and iptables-legacy" in warning for warning in told["warnings"])
