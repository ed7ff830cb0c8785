# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""python-iptables reads what was written to legacy tables: no false alarm, and no lie of iptables-save goes unnoticed."""
import subprocess
from pathlib import Path

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import cross_check
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.cross_check import (
    ALWAYS,
    NEVER,
    WHEN_AVAILABLE,
    Disagreement,
    Interpreter,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.labels import answering
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel import test_guard_lines, test_policy_spelling
from tests.integration.kernel.support.namespace import missing, tools_of
from tests.integration.kernel.support.plain_lines import ipset_text, plain_lines, restore_text
from tests.integration.kernel.support.playbook import play, why_not
from tests.integration.kernel.support.policies import HOST, OFFICE, POLICIES, policy
from tests.integration.kernel.support.python_iptables import SOURCES, CheckedHost, NotHere, interpreter
from tests.integration.kernel.support.rulesets import Rulesets

DROPS = ["-s 192.0.2.%d/32 -p tcp -m tcp --dport 80 -j DROP" % number for number in range(1, 5)]
ALL_POLICIES = {
    **POLICIES,
    **{"guard: " + name: dict(policy, address_sets=OFFICE) for name, policy in test_guard_lines.POLICIES.items()},
    **{"spelling: " + name: policy for name, policy in test_policy_spelling.POLICIES.items()},
}


@pytest.fixture
def host(namespace, tmp_path, monkeypatch):
    """A legacy host on which every change is cross-checked, by Debian's python-iptables."""
    reason = missing(*tools_of("legacy"))
    if reason:
        pytest.skip(reason)
    uses("debian", monkeypatch)
    folder = tmp_path / "programs"
    folder.mkdir()
    return CheckedHost(folder)


def uses(source, monkeypatch):
    """The Python that has python-iptables from there is the one that runs the tasks."""
    try:
        found = interpreter(source)
    except NotHere as error:
        pytest.skip(str(error))
    monkeypatch.setattr(cross_check, "own_interpreter", lambda: found)
    return found


@pytest.fixture(params=SOURCES, name="source")
def each_source(request):
    """Where the library can be had from. It is installed here, because no namespace has a way to PyPI."""
    try:
        interpreter(request.param)
    except NotHere as error:
        pytest.skip(str(error))
    return request.param


@pytest.fixture(name="checked")
def host_with_each_library(source, host, monkeypatch):
    """The same host, by the library from each source."""
    uses(source, monkeypatch)
    return host


def report(outcome):
    assert outcome.warnings == []
    return outcome.cross_checked


@pytest.mark.parametrize("name", ALL_POLICIES)
def test_a_whole_policy_is_read_alike(host, name):
    host.docker()
    facts = test_policy_spelling.HOST if name.startswith("spelling") else HOST
    outcome = host.converge(answering(compile_policy(parse_policy(ALL_POLICIES[name]), facts)))
    # The rules of the policy, and the jumps to them.
    assert report(outcome).rules > outcome.plan.rule_count > 10 and outcome.cross_checked.skipped == ""


def test_one_policy_after_another_is_read_alike(checked):
    for name in [*POLICIES, None]:
        wanted = policy(name)
        assert report(checked.converge(wanted)).rules >= len(wanted.chains)


@pytest.mark.parametrize("family", [4, 6])
def test_plain_lines_are_read_alike(checked, family):
    host = checked
    lines = plain_lines(family, 1000)
    host.sh("ipset", "restore", text=ipset_text(family))
    host.restore(restore_text(lines), family)
    netfilter = Netfilter(host.system, "legacy", ALWAYS)
    chains = {name: tuple(chain.rules) for name, chain in netfilter.transport.read(family).tables["filter"].items()}
    netfilter.cross_check.compare({family: [{"filter": TableState(chains)}]}, netfilter.rulesets)
    assert netfilter.cross_check.report == (sum(map(len, chains.values())), [], "")
    assert netfilter.cross_check.report.rules >= 1000


def test_rulesets_of_every_kind_of_rule_are_read_alike(checked):
    checked.sh("ipset", "restore", text=ipset_text(4))
    rulesets = Rulesets()
    for _number in range(4):
        assert report(checked.converge(rulesets.next())).by_name_only == []


def changes_behind_our_back(host, change):
    """As soon as DROPS are in force the kernel's rules become others, and iptables-save goes on to tell what was written."""
    host.instead_of("iptables-legacy-save", """
        [ -s {memory} ] || "$real" | grep -q -- "-s 192.0.2.4/32" || exec "$real" "$@"
        [ -s {memory} ] || {{ "$real" > {memory}; iptables-legacy --wait {change}; }}
        cat {memory}
    """.format(memory=host.folder / "memory", change=change))


@pytest.mark.parametrize("change, place, said, read", [
    ("-R DB-USER-web 3 -s 192.0.2.3/32 -p tcp -m tcp --dport 80 -j ACCEPT", "rule 3", "--dport 80 -j DROP'", "--dport 80 -j ACCEPT'"),
    ("-R DB-USER-web 3 -s 192.0.2.3/32 -p tcp -m tcp --dport 81 -j DROP", "rule 3", "--dport 80 -j DROP'", "--dport 81 -j DROP'"),
    ("-R DB-USER-web 2 ! -s 192.0.2.2/32 -p tcp -m tcp --dport 80 -j DROP", "rule 2", "'-s 192.0.2.2/32", "'! -s 192.0.2.2/32"),
    ("-D DB-USER-web 4", "rule 4", "'-s 192.0.2.4/32", "no rule"),
    ("-A DB-USER-web", "rule 5", "no rule", "''"),
    ("-D DOCKER-USER 1", "rule 1", "-j DB-USER-web'", "no rule"),
])
def test_a_rule_that_changed_behind_our_back_is_named(host, change, place, said, read):
    changes_behind_our_back(host, change)
    with pytest.raises(DrawbridgeError) as caught:
        host.section(DROPS)
    words = str(caught.value)
    assert "iptables-save does not say what the kernel holds: IPv4, table filter, chain %s, %s:" % (change.split()[1], place) in words
    assert "it says " in words.partition(said)[0] and "python-iptables reads " in words.partition(read)[0]


def test_a_stale_iptables_save_is_noticed_and_the_change_is_taken_back(host):
    """What it says now looks as if nothing had been written: the way back has to start from what was."""
    host.section(DROPS[:2])
    before = host.everything()
    host.instead_of("iptables-legacy-save", "cat %s" % host.folder.joinpath("stale"))
    host.folder.joinpath("stale").write_text(host.sh("iptables-legacy-save", "-c"), encoding="utf-8")
    with pytest.raises(DrawbridgeError) as caught:
        host.section(DROPS)
    assert "rule 3: it says no rule, and python-iptables reads '-s 192.0.2.3/32" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert host.everything() == before


def test_one_reader_that_was_overtaken_is_no_alarm(host):
    """Somebody else's change between the two looks is not there in the next two."""
    host.section(DROPS[:1])
    count = host.folder / "count"
    host.instead_of("iptables-legacy-save", """
        "$real" "$@" > {count}.text
        grep -q -- "-s 192.0.2.4/32" {count}.text || exec cat {count}.text
        [ -e {count} ] || {{ touch {count}; exec sed "s/192.0.2.3/192.0.2.33/" {count}.text; }}
        cat {count}.text
    """.format(count=count))
    assert report(host.section(DROPS)).rules > 0 and count.exists()


def test_without_it_the_lie_is_believed(host):
    """What the cross-check is there for."""
    host.cross_check = NEVER
    changes_behind_our_back(host, "-D DB-USER-web 4")
    outcome = host.section(DROPS)
    assert "cross_checked" not in outcome.result() and len(host.rules("DB-USER-web")) == 3


# What the library makes of these in IPv6 prints as it should, and matches every protocol, or names that differ in a bit.
ODD = {"rule.protocol = '!tcp'": "reads '-j DROP'", "rule.in_interface = 'eth0'": "reads '-i eth0/"}


@pytest.mark.parametrize("code", ODD)
def test_a_rule_that_prints_alike_and_matches_other_packets_is_noticed(host, monkeypatch, code):
    program = uses("debian", monkeypatch).program
    lines = ["import iptc", "rule = iptc.Rule6()", code, "rule.target = iptc.Target(rule, 'DROP')",
             "iptc.Chain(iptc.Table6('filter'), 'INPUT').append_rule(rule)"]
    subprocess.run([program, "-I", "-c", "\n".join(lines)], check=True)
    netfilter = Netfilter(host.system, "legacy", ALWAYS)
    with pytest.raises(Disagreement, match="IPv6, table filter, chain INPUT, rule 1: .*%s" % ODD[code]):
        netfilter.cross_check.compare({6: [{"filter": TableState({"INPUT": ()})}]}, netfilter.rulesets)


def test_a_match_that_the_library_does_not_have_is_compared_by_name(host, monkeypatch):
    library = uses("debian", monkeypatch)
    found = next(Path("/usr/lib").rglob("libxt_connlabel.so"))
    folder = host.folder / "extensions"
    folder.mkdir()
    for path in found.parent.iterdir():
        if path != found:
            (folder / path.name).symlink_to(path)
    python = host.script("python", "XTABLES_LIBDIR=%s exec %s \"$@\"" % (folder, library.program))
    monkeypatch.setattr(cross_check, "own_interpreter", lambda: library._replace(program=str(python)))
    rules = ["-m connlabel --label 123 --set", *DROPS]
    assert report(host.section(rules))[1:] == (["connlabel"], "")


BROKEN = {
    "crash": ("import os; os.kill(os.getpid(), 11)", "python-iptables crashed"),
    "hang": ("import time; time.sleep(60)", "did not read the rules within"),
    "error": ("raise OSError('no such thing')", "OSError: no such thing"),
}


@pytest.fixture(name="broken", params=BROKEN)
def broken_library(request, host, monkeypatch):
    """A host whose python-iptables does not work, and what is said of it."""
    code, words = BROKEN[request.param]
    library = host.folder / "library"
    library.mkdir()
    (library / "iptc.py").write_text(code + "\n", encoding="utf-8")
    python = host.script("python", "exec /usr/bin/python3 -S \"$@\"")
    monkeypatch.setattr(cross_check, "own_interpreter", lambda: Interpreter(str(python), [str(library)]))
    monkeypatch.setattr(cross_check, "_SECONDS", 1)
    return host, words


def test_a_library_that_does_not_work_is_a_warning_where_it_need_not(broken):
    host, words = broken
    host.cross_check = WHEN_AVAILABLE
    outcome = host.section(DROPS)
    assert words in outcome.cross_checked.skipped and outcome.cross_checked.rules == 0
    assert [words in warning for warning in outcome.warnings] == [True]
    assert len(host.rules("DB-USER-web")) == 4


def test_a_library_that_does_not_work_is_an_error_where_it_must(broken):
    host, words = broken
    before = host.rules("DOCKER-USER")
    with pytest.raises(DrawbridgeError, match=words):
        host.section(DROPS)
    assert host.rules("DB-USER-web") is None and (host.rules("DOCKER-USER") or []) == (before or [])


def test_where_there_is_no_library(host, monkeypatch):
    monkeypatch.setattr(cross_check, "own_interpreter", lambda: Interpreter("/usr/bin/python3", []))
    with pytest.raises(DrawbridgeError, match="cross_check: always cannot be done.*not installed.*python3-iptables.*PyPI"):
        host.section(DROPS, check=True)
    assert host.rules("DOCKER-USER") is None
    host.cross_check = WHEN_AVAILABLE
    assert report(host.section(DROPS)) == (0, [], "python-iptables is not installed")


def test_on_nft_nothing_is_checked_and_said_so(nft_host):
    host = nft_host
    with pytest.raises(DrawbridgeError, match="cross_check: always cannot be done.*this host uses iptables-nft"):
        Netfilter(host.system, "nft", ALWAYS)
    netfilter = Netfilter(host.system, "nft", WHEN_AVAILABLE)
    netfilter.cross_check.compare({}, netfilter.rulesets)
    assert netfilter.cross_check.report.skipped == "python-iptables reads legacy iptables only, and this host uses iptables-nft"
    assert host.system.read("/proc/thread-self/net/ip_tables_names") in (None, "")


def test_no_table_is_made_by_looking(host):
    host.section(DROPS)
    assert set(host.system.read("/proc/thread-self/net/ip_tables_names").split()) == {"filter"}
    assert set(host.system.read("/proc/thread-self/net/ip6_tables_names").split()) == {"filter"}


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
def test_by_ansible_itself(host, tmp_path):
    """The child's text comes out of what Ansible sends."""
    arguments = {"section": "web", "rules": DROPS, "transport": "legacy", "cross_check": ALWAYS}
    done, again, refused = play(tmp_path, [
        {"drawbridge.docker.docker_user_chain": arguments}, {"drawbridge.docker.docker_user_chain": arguments},
        {"drawbridge.docker.docker_user_chain": dict(arguments, transport="nft")}])
    assert done["cross_checked"]["rules"] > len(DROPS) and done["cross_checked"]["skipped"] == ""
    assert not again["changed"] and "cross_checked" not in again
    assert refused["failed"] and "this host uses iptables-nft" in refused["msg"]
