# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside the real netfilter-persistent: its dump has our rules too, and what comes of them when it is loaded."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence import install
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import rooted, wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import Program
from tests.integration.kernel.test_denied_sources import FACTS, PUBLISHED, SERVICE

# It is fetched from a mirror.
pytestmark = pytest.mark.drill
DUMPS = "/etc/iptables/rules.v4", "/etc/iptables/rules.v6", "/etc/iptables/ipsets"
ALLOWED, OTHERS = ({"published_ports": {"allow": [{"port": PUBLISHED, "protocol": "udp", "sources": list(sources.values())}]}}
                   for sources in wire.SOURCES.values())


@pytest.fixture(name="packages", scope="module")
def fetched_from_outside_the_namespace():
    return rooted.fetched("netfilter-persistent", "iptables-persistent")


@pytest.fixture(name="persistent")
def its_program(packages, host, tmp_path):
    """The program with one of its verbs → what it says. Lines of an administrator's are in force."""
    for family in PROGRAMS:
        host.iptables("-A INPUT -s %s -p udp -m udp --dport %d -j DROP" % (wire.SOURCES["denied"][family], SERVICE), family)
    root = rooted.Root(packages, tmp_path / "root", host.variant)

    def call(verb):
        done = root.run("netfilter-persistent", verb)
        return done.stdout + done.stderr

    call.dumps = [str(root.folder / path.lstrip("/")) for path in DUMPS]
    return call


@pytest.fixture(name="program")
def boot_program(host, tmp_path):
    return Program(tmp_path, host)


def applied(host, policy):
    return host.converge(compile_policy(parse_policy(policy), FACTS)).is_change


def rules(host):
    return {family: host.save(family) for family in PROGRAMS}


def theirs(host):
    return [line for text in rules(host).values() for line in text.splitlines() if "DB-" not in line and line.startswith("-A INPUT")]


def arrives(client):
    return client.at_first_addresses(PUBLISHED, SERVICE)


def who(*names):
    """What arrives where these reach the published port. The administrator's lines let one of both to the service."""
    return {text for name in names for text in wire.unicast(name, PUBLISHED)} | wire.unicast("allowed", SERVICE)


def test_a_dump_with_our_rules(host, client, persistent, program):
    assert arrives(client) == who("allowed", "denied")
    lines = theirs(host)
    assert applied(host, ALLOWED) and theirs(host) == lines
    before = rules(host)
    persistent("save")
    persistent("reload")
    # Nothing is doubled.
    assert rules(host) == before and not applied(host, ALLOWED) and arrives(client) == who("allowed")
    assert applied(host, OTHERS) and arrives(client) == who("denied")
    program.save()
    # The dump has the earlier policy, with sets of now.
    persistent("restart")
    assert rules(host) == before and arrives(client) == who("allowed")
    # What our drop-in does next.
    program.run("again")
    assert arrives(client) == who("denied") and theirs(host) == lines
    assert not applied(host, OTHERS)
    persistent("restart")
    # What a run does where there is no drop-in.
    assert applied(host, OTHERS) and arrives(client) == who("denied") and theirs(host) == lines


def test_its_dump_needs_our_sets(host, client, persistent):
    lines = theirs(host)
    applied(host, ALLOWED)
    persistent("save")
    host.converge(no_policy())
    said = persistent("reload")
    assert all("IPv%d rules failed test load. New rules NOT loaded" % family in said for family in PROGRAMS) and "doesn't exist" in said
    assert theirs(host) == lines and arrives(client) == who("allowed", "denied")
    # Saved anew, it needs nothing.
    persistent("save")
    assert "NOT loaded" not in persistent("reload") and theirs(host) == lines


def at_boot(host, client):
    """A kernel that has nothing of before: neither rules nor sets."""
    for family in PROGRAMS:
        for table in ("filter", "nat", "mangle"):
            host.iptables("-t %s -F" % table, family)
            host.iptables("-t %s -X" % table, family)
    for name in host.sh("ipset", "list", "-n").split():
        host.sh("ipset", "destroy", name)
    assert arrives(client) == who("allowed", "denied") | wire.unicast("denied", SERVICE)


@pytest.mark.parametrize("changed", [False, True], ids=["as saved", "changed since"])
def test_at_boot_its_dump_is_loaded_with_the_administrators_lines(host, client, persistent, program, changed):
    lines = theirs(host)
    applied(host, ALLOWED)
    persistent("save")
    if changed:
        # None of the sets that the dump names.
        host.converge(no_policy())
    program.save()
    drop_in = next(text for path, text in install.unit_files(host.system).items() if path.endswith("/netfilter-persistent.service.d/drawbridge.conf"))
    assert "ExecStartPre=-+/bin/sh /etc/drawbridge/boot.sh sets %s\n" % " ".join(DUMPS) in drop_in
    at_boot(host, client)
    # Without the drop-in, or without boot_restore.
    assert "NOT loaded" in persistent("start") and theirs(host) == []
    (program.folder / "run" / "loaded").unlink()
    program.run("sets", *persistent.dumps)
    assert "NOT loaded" not in persistent("start") and theirs(host) == lines
    program.run("boot")
    assert theirs(host) == lines
    assert arrives(client) == (who("allowed", "denied") if changed else who("allowed"))
    named = host.sh("ipset", "list", "-n").split()
    assert (named == []) == changed
    # Later the kernel has all of it.
    before = host.everything()
    program.run("sets", *persistent.dumps)
    assert host.everything() == before
