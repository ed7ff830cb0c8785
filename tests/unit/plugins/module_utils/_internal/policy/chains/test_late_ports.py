# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The chain that answers for sockets of the engine's, and the table that asks."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks import engine_table
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

UNIT = "system.slice/docker.service"
HOST = HostFacts([], ["docker0"], {4: [], 6: []}, [], False, engine_cgroup=UNIT,
                 engine_own=[Published(4, None, 2376, "tcp"), Published(6, "2001:db8::1", 9323, "tcp")])
PASSES = " -j MARK --set-xmark 0x0/0x20000000"
FIRST = "-m mark ! --mark 0x20000000/0x20000000 -j RETURN"
KNOWN = [match + PASSES for match in (
    "-p tcp -m set --match-set @pub-tcp dst", "-p udp -m set --match-set @pub-udp dst", "-p sctp -m set --match-set @pub-sctp dst,dst",
    "-m set --match-set @pub-addr dst,dst", "-m set --match-set @engine-own dst,dst")]
BRIDGES = "-m set --match-set @bridges src,src" + PASSES
ENTRIES = [{"port": 443, "sources": ["any"]}, {"port": "8000-8010", "sources": ["192.0.2.0/24"]}]


def wanted(host=HOST, **policy):
    return compile_policy(parse_policy(policy), host)


def lines(result, family=4):
    return [line.text for chain in result.chains if chain.name == "DB-LATE" for line in chain.lines if family in line.families]


def test_denied_unless_an_entry_says_otherwise():
    result = wanted(published_ports={"allow": ENTRIES})
    entries = ["-p tcp -m tcp --dport 443" + PASSES, "-s 192.0.2.0/24 -p tcp -m tcp --dport 8000:8010" + PASSES]
    assert lines(result) == [FIRST, BRIDGES, *KNOWN, *entries]
    assert lines(result, 6) == [FIRST, BRIDGES, *KNOWN, entries[0]]
    assert ("mangle", "INPUT", "DB-LATE") in [hook[:3] for hook in result.hooks]
    assert result.tables[engine_table.KEY] == engine_table.body(UNIT)
    assert result.sets["engine-own"].entries == {4: {"0.0.0.0/1,tcp:2376", "128.0.0.0/1,tcp:2376"}, 6: {"2001:db8::1,tcp:9323"}}


def test_allowed_unless_an_entry_is_about_the_port():
    told = lines(wanted(published_ports={"default": "allow", "allow": ENTRIES[1:]}))
    assert told[-2:] == ["-p tcp -m tcp --dport 8000:8010 -j RETURN", "-j" + PASSES[3:]]


def test_named_interfaces_are_the_only_ones_that_are_judged():
    told = lines(wanted(published_ports={}, external_interfaces=["eth0", "wg+"]))
    back = " -j MARK --set-xmark 0x20000000/0x20000000"
    assert told[:4] == [FIRST, PASSES[1:], "-i eth0" + back, "-i wg+" + back]


@pytest.mark.parametrize("host, policy", [
    (HOST, {"published_ports": {"default": "allow"}}), (HOST, {"host_services": {"default": "deny"}}),
    (HOST._replace(engine_cgroup=None), {"published_ports": {}}),
])
def test_nothing_to_ask_or_nobody_who_could(host, policy):
    result = wanted(host, **policy)
    assert lines(result) == [] and result.tables[engine_table.KEY] is None


def test_without_a_policy_the_table_goes():
    assert compile_policy(parse_policy({}), HOST).tables[engine_table.KEY] is None


def test_an_engine_that_tells_nothing_leaves_its_ports_as_they_are():
    assert set(wanted(HOST._replace(known=False), published_ports={}).sets["engine-own"].entries.values()) == {None}


@pytest.mark.parametrize("path, usable", [
    (UNIT, True), ("system.slice/snap.docker.dockerd.service", True), ("docker.service", True), ("a/b/c/docker.service", True),
    (None, False), ("", False), ("user.slice/user-0.slice/session-1.scope", False), ("system.slice/ssh.service", False),
    ("system.slice/docker.service/init", False), ('system.slice/"docker.service', False), ("system.slice/docker\\x2d.service", False),
    ("system.slice/docker\n.service", False), ("a" * 120 + "/docker.service", False), ("docker/" + "0" * 64, False),
])
def test_which_cgroups_are_the_engine_s_alone(path, usable):
    assert engine_table.is_usable(path) is usable


def test_the_level_is_the_path_s_and_the_path_is_read_back():
    text = "\n".join(engine_table.body("a/b/docker.service"))
    assert text.count("cgroupv2 level 3 @engine") == 3
    assert engine_table.path_in(text) == "a/b/docker.service"
    assert engine_table.path_in(None) is None and engine_table.path_in("table inet drawbridge-engine {\n}\n") is None
