# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Beside Debian's real nftables.service: what loading its file takes from us, what brings it back, and that its own rules stay."""
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence import install
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.boot_program.sentry_support import reason_against

from tests.integration.kernel import test_sentry
from tests.integration.kernel.support import rooted, wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.program import Program
from tests.integration.kernel.support.watching import until, watching

# It is fetched from a mirror.
pytestmark = pytest.mark.drill
PUBLISHED, SERVICE = 5300, 7000
# The package's file, with rules of an administrator's.
FILE = "/etc/nftables.conf"
HEAD = "type filter hook input priority filter;"
LINES = "".join("\n\t\t%s saddr %s udp dport %d drop" % ("ip" if family == 4 else "ip6", address, SERVICE)
                for family, address in wire.SOURCES["allowed"].items())
POLICY = {**test_sentry.POLICY, "host_services": {"default": "deny", "allow": [
    {"port": SERVICE, "protocol": "udp", "sources": ["any"]}, {"protocol": "icmp", "sources": ["any"]}]}}
OPEN = {text for who in wire.SOURCES for text in wire.unicast(who, PUBLISHED)} | wire.unicast("denied", SERVICE)
BOTH = wire.unicast("allowed", PUBLISHED) | wire.unicast("denied", SERVICE)


@pytest.fixture(name="packages", scope="module")
def fetched_from_outside_the_namespace():
    return rooted.fetched("nftables")


@pytest.fixture(name="root")
def its_files(packages, tmp_path, host):
    root = rooted.Root(packages, tmp_path / "root", host.variant)
    text = (root.folder / FILE.lstrip("/")).read_text(encoding="utf-8")
    assert "\nflush ruleset\n" in text and text.count(HEAD) == 1
    root.write(FILE, text.replace(HEAD, HEAD + LINES))
    return root


@pytest.fixture(name="program")
def boot_program(host, client, tmp_path):
    """The boot program, and a policy that it keeps."""
    program = Program(tmp_path, host)
    host.converge(test_sentry.wanted(POLICY))
    program.save()
    return program


def arrives(client):
    return client.at_first_addresses(PUBLISHED, SERVICE)


def theirs(host):
    return host.sh("nft", "list", "table", "inet", "filter")


def ours(host):
    """In whichever order tables were made."""
    return sorted(line for family in PROGRAMS for line in host.save(family).splitlines() if "DB-" in line)


def applied(host):
    return host.converge(test_sentry.wanted(POLICY)).is_change


def test_its_file_is_loaded_by_hand(root, host, client):
    """Nobody watches: what it flushes is gone until the next run."""
    root.run("nft", "-f", FILE)
    before = theirs(host)
    assert arrives(client) == OPEN
    assert applied(host) and arrives(client) == BOTH and theirs(host) == before
    root.run("nft", "-f", FILE)
    flushed = host.variant == "nft"
    assert arrives(client) == (OPEN if flushed else BOTH)
    assert applied(host) == flushed
    assert arrives(client) == BOTH and theirs(host) == before


def test_the_watch_closes_and_brings_back(root, host, client, program):
    reason = reason_against(host.system, host.variant, (4, 6))
    if reason:
        pytest.skip(reason)
    program.files.folder.write("sentry", "connlabel\n")
    program.files.folder.write("ssh", "22\n")
    program.save()
    rules = ours(host)
    with watching(program) as watch:
        until(lambda: watch.asked() == test_sentry.EVERYTHING, "the table")
        watch.freeze()
        root.run("nft", "-f", FILE)
        before = theirs(host)
        assert arrives(client) == (set() if host.variant == "nft" else BOTH)
        watch.wake()
        until(lambda: ours(host) == rules, "the rules")
        until(lambda: arrives(client) == BOTH, "who is allowed")
        assert theirs(host) == before
    assert not applied(host)


def test_the_units_commands_take_nothing(root, host, client, program, monkeypatch):
    """By our drop-in's own commands, which replace those of the package's unit."""
    monkeypatch.setattr(install, "_VENDOR_UNITS", (str(root.folder / "usr/lib/systemd/system"),))
    text = next(text for path, text in install.unit_files(host.system).items() if path.endswith("/nftables.service.d/drawbridge.conf"))
    commands = dict(re.findall(r"^(Exec\w+)=\+/bin/sh /etc/drawbridge/boot.sh (.+)$", text, re.MULTILINE))
    assert commands == {"ExecStart": "around " + FILE, "ExecReload": "around " + FILE, "ExecStop": "around"}
    rules = ours(host)
    for verb in ("ExecStart", "ExecReload"):
        program.run("around", str(root.folder / FILE.lstrip("/")))
        assert arrives(client) == BOTH and LINES.split("\n")[1].strip() in theirs(host), verb
        assert ours(host) == rules
    program.run("around")
    assert "table inet filter" not in host.sh("nft", "list", "tables")
    assert arrives(client) == BOTH | wire.unicast("allowed", SERVICE) and not applied(host)
