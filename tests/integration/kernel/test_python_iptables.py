# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""transport: python-iptables ends where the default ends, and says so where it cannot."""
import contextlib
import fcntl
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.host.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter import host as netfilter_host
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter import python_iptables
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.model import Chain, Hook, Line, Wanted
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.python_iptables import Interpreter, PythonIptables, Rehearsal
from ansible_collections.drawbridge.docker.plugins.module_utils.netfilter.transport import RestoreFailed

from tests.integration.kernel.support.namespace import entered, missing, tools_of
from tests.integration.kernel.support.plain_lines import ipset_text, plain_lines, restore_text
from tests.integration.kernel.support.python_iptables import SOURCES, LegacyHost, NotHere, interpreter
from tests.integration.kernel.support.rulesets import Rulesets

CHOICE = "python-iptables"


@pytest.fixture(params=SOURCES)
def library(request, monkeypatch):
    """A Python that has python-iptables, as the one that runs the tasks."""
    reason = missing(*tools_of("legacy"))
    if reason:
        pytest.skip(reason)
    try:
        program = interpreter(request.param)
    except NotHere as error:
        pytest.skip(str(error))
    monkeypatch.setattr(python_iptables, "own_interpreter", lambda: Interpreter(program, []))
    return request.param


@pytest.fixture
def host(library, namespace, tmp_path):
    """A host on legacy iptables whose tasks write by python-iptables."""
    return LegacyHost(tmp_path, CHOICE)


@contextlib.contextmanager
def kept():
    """The path of a new namespace."""
    with entered():
        held = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield "/proc/self/fd/%d" % held
    finally:
        os.close(held)


def everything(host):
    return host.save(4), host.save(6)


def same_in_twins(folder, count):
    """So many rulesets, one after another, by each transport in a namespace of its own."""
    twins = [LegacyHost(folder, "legacy"), LegacyHost(folder, CHOICE)]
    with kept() as one, kept() as other:
        for place, host in zip((one, other), twins):
            with entered(place):
                host.sh("ipset", "restore", text=ipset_text(4))
        rulesets = Rulesets()
        for number in range(count):
            wanted = rulesets.next()
            held = []
            for place, host in zip((one, other), twins):
                with entered(place):
                    host.converge(wanted)
                    held.append(everything(host))
            assert held[0] == held[1], number
        with entered(other):
            assert not twins[0].converge(wanted).plan.is_change
        assert len(held[1][0]) > 100


@pytest.mark.drill
def test_200_rulesets_end_the_same(library, namespace, tmp_path):
    same_in_twins(tmp_path, 200)


def test_rulesets_end_the_same(library, namespace, tmp_path):
    same_in_twins(tmp_path, 3)


@pytest.mark.parametrize("family", [4, 6])
def test_plain_lines_are_the_same_bytes_in_the_kernel(host, family):
    lines = plain_lines(family, 1000)
    Rehearsal(PythonIptables(host.system)).check(family, restore_text(lines), [], ipset_text(family).splitlines())


def web(*rules):
    lines = [Line(rule) for rule in rules]
    return Wanted([Chain("filter", "DB-USER-web", lines, (4,))], [Hook("filter", "DOCKER-USER", "DB-USER-web", 500, families=(4,))],
                  [("filter", "DB-USER-web")], shared=[("filter", "DOCKER-USER")])


INEXPRESSIBLE = [
    '-m comment --comment "!" -j DROP',
    "-m hashlimit --hashlimit-above 5/sec --hashlimit-burst 10 --hashlimit-mode srcip --hashlimit-name foo -j DROP",
]


@pytest.mark.parametrize("rule", INEXPRESSIBLE)
@pytest.mark.parametrize("check", [True, False])
def test_a_rule_that_it_cannot_write_is_named_and_nothing_changes(host, rule, check):
    host.converge(web("-j DROP"))
    before = everything(host)
    with pytest.raises(DrawbridgeError) as caught:
        host.converge(web("-s 192.0.2.1 -j DROP", rule, "-s 192.0.2.2 -j DROP"), check)
    assert "python-iptables cannot write the rule " + rule in str(caught.value)
    assert everything(host) == before


def test_what_it_would_write_otherwise_is_shown(host):
    with pytest.raises(DrawbridgeError) as caught:
        Rehearsal(PythonIptables(host.system)).check(4, "*raw\n:X - [0:0]\n-A X -j NOTRACK\nCOMMIT\n", [], [])
    assert "cannot write the rule -j NOTRACK: it makes '-j CT'" in str(caught.value)


def test_a_missing_set_is_an_error_that_this_process_survives(host):
    host.converge(web("-j DROP"))
    before = everything(host)
    text = "*filter\n:DB-USER-web - [0:0]\n-A DB-USER-web -m set --match-set nosuchset src -j DROP\nCOMMIT\n"
    with pytest.raises(RestoreFailed) as caught:
        PythonIptables(host.system).restore(4, text)
    assert "-m set --match-set nosuchset src -j DROP" in str(caught.value)
    assert everything(host) == before
    assert not host.converge(web("-j DROP")).plan.is_change


def test_a_crash_half_way_is_taken_back(host, monkeypatch):
    host.converge(web("-j DROP"))
    before = everything(host)
    source = python_iptables._program()
    crash = source.replace('        self.say("commit")\n', '        self.say("commit")\n        if block["table"] == "nat" and len(block["commands"]) > 1:\n'
                           "            os.kill(os.getpid(), 11)\n")
    wanted = Wanted([Chain("filter", "DB-USER-web", [Line("-s 192.0.2.1/32 -j DROP")]), Chain("nat", "DOCKER-FILTER", [Line("-j RETURN")])],
                    [Hook("filter", "DOCKER-USER", "DB-USER-web", 500), Hook("nat", "PREROUTING", "DOCKER-FILTER")],
                    [("filter", "DB-USER-web"), ("nat", "DOCKER-FILTER")], shared=[("filter", "DOCKER-USER")])
    monkeypatch.setattr(Rehearsal, "check", lambda *_arguments: None)
    monkeypatch.setattr(python_iptables, "_program", lambda: crash)
    with pytest.raises(DrawbridgeError) as caught:
        host.converge(wanted)
    assert "crashed (SIGSEGV)" in str(caught.value) and "nothing was changed" in str(caught.value)
    # A table that was looked at stays behind, empty.
    assert [line for text in everything(host) for line in text.splitlines() if line.startswith("-A")] == \
        [line for text in before for line in text.splitlines() if line.startswith("-A")]
    assert "DOCKER-FILTER" not in "".join(everything(host))


def test_lines_of_others_and_counters_stay(library, namespace, tmp_path):
    held = []
    for transport in ("legacy", CHOICE):
        with entered():
            host = LegacyHost(tmp_path, transport)
            host.docker()
            host.converge(web("-s 192.0.2.1/32 -j DROP", "-s 192.0.2.2/32 -j DROP"))
            host.restore("*filter\n[7:700] -I DOCKER-USER 1 -s 198.51.100.1/32 -j DROP\nCOMMIT\n")
            host.sh("iptables-legacy-restore", "--noflush", "--counters",
                    text="*filter\n:DB-USER-web - [0:0]\n[5:500] -A DB-USER-web -s 192.0.2.1/32 -j DROP\nCOMMIT\n")
            host.converge(web("-s 192.0.2.9/32 -j DROP", "-s 192.0.2.1/32 -j DROP"))
            held.append(host.save(4, counters=True))
    assert "[5:500] -A DB-USER-web -s 192.0.2.1/32 -j DROP\n" in held[1]
    assert held[0] == held[1]


def test_it_waits_for_the_lock_and_names_its_holder(host, monkeypatch):
    monkeypatch.setattr(python_iptables, "XTABLES_WAIT", 0.3)
    with open(os.environ["XTABLES_LOCKFILE"], "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RestoreFailed) as caught:
            PythonIptables(host.system).restore(4, "*filter\n:DB-X - [0:0]\nCOMMIT\n")
    assert "was not free within 0.3 s" in str(caught.value) and "held by %d (" % os.getpid() in str(caught.value)
    assert host.rules("DB-X") is None


def test_a_missing_library_is_named(host, monkeypatch, tmp_path):
    (tmp_path / "iptc.py").write_text("raise ImportError('no such thing')\n", encoding="utf-8")
    empty = tmp_path / "python"
    empty.write_text("#!/bin/sh\nexec /usr/bin/python3 -S \"$@\"\n", encoding="utf-8")
    empty.chmod(0o755)
    monkeypatch.setattr(python_iptables, "own_interpreter", lambda: Interpreter(str(empty), []))
    with pytest.raises(DrawbridgeError) as caught:
        host.converge(web("-j DROP"), check=True)
    assert "No module named 'iptc'" in str(caught.value) and "python3-iptables" in str(caught.value) and "PyPI" in str(caught.value)


def test_an_nft_host_is_refused_and_gets_no_legacy_table(namespace):
    reason = missing(*tools_of("nft"))
    if reason or "nf_tables" not in System().run(["iptables", "--version"]).stdout:
        pytest.skip(reason or "plain iptables is not iptables-nft here")
    with pytest.raises(DrawbridgeError) as caught:
        netfilter_host.Netfilter(System(), CHOICE)
    assert "this host uses iptables-nft" in str(caught.value)
    assert System().read("/proc/thread-self/net/ip_tables_names") in (None, "")


def test_the_jump_to_docker_user_is_put_first(host):
    host.docker()
    host.section(["-s 192.0.2.66 -j DROP"])
    host.restore("*filter\n-I FORWARD 1 -i docker0 -j ACCEPT\nCOMMIT\n")
    assert host.section(["-s 192.0.2.66 -j DROP"]).plan.is_change
    assert host.rules("FORWARD")[:2] == ["-j DOCKER-USER", "-i docker0 -j ACCEPT"]
    assert not host.section(["-s 192.0.2.66 -j DROP"]).plan.is_change
