# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is to be installed on a host that lacks something, and the host as if it were."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites.distribution import DEBIAN, FEDORA, Distribution
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites.missing import COMMAND, INIT, Missing, Prerequisites
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.netns import NamespaceUnavailable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.harden.assumed_system import AssumedSystem
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.harden.lacking import lack
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task

IPSET = Missing("ipset", COMMAND, "every policy", True, "ipset")
CONNTRACK = Missing("conntrack", COMMAND, "connections", False, "conntrack")
UNKNOWN = Missing("iptables", COMMAND, "every policy", True, None, "install the packages that have these commands")
SYSTEMD = Missing("systemd", INIT, "boot_restore", True, None, "leave boot_restore out here")


def found(*missing, install=True, packages=None, family=DEBIAN):
    task = Task({"install": install, "packages": packages}, False, System())
    return lack(task, Prerequisites(list(missing), Distribution("some", family, 13)))


def test_what_packages_bring():
    result = found(IPSET, CONNTRACK)
    assert (result.missing, result.packages, result.is_needed, result.package_manager) == (["ipset", "conntrack"], ["conntrack", "ipset"], True, "apt")
    assert result.diff["after"] == "conntrack\nipset\n"
    assert not found(CONNTRACK).is_needed
    assert found(IPSET, family=FEDORA).package_manager == "auto"


def test_the_user_s_names_are_added_to_ours():
    assert found(IPSET, packages=["tcpdump"]).packages == ["ipset", "tcpdump"]
    assert found(UNKNOWN, packages=["iptables-next"]).packages == ["iptables-next"]


@pytest.mark.parametrize("missing, options, words", [
    ([UNKNOWN], {}, r"missing on this host: command iptables \(install the packages that have these commands\)"),
    ([SYSTEMD], {"packages": ["systemd"]}, r"init system systemd \(leave boot_restore out here\)"),
    ([IPSET], {"install": False}, r"command ipset \(install ipset\)"),
])
def test_what_is_refused(missing, options, words):
    with pytest.raises(DrawbridgeError, match=words):
        found(*missing, **options)


def test_what_is_not_needed_may_stay_away():
    assert found(CONNTRACK, install=False) is None
    assert found(CONNTRACK._replace(package=None)) is None


@pytest.fixture(name="system")
def bare(monkeypatch, tmp_path):
    """A host with iptables-save and ls, but without ipset."""
    for name in ("iptables-save", "ls"):
        (tmp_path / name).write_text("#!/bin/sh\necho real\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    system = AssumedSystem(["ipset", "ip6tables-save", "awk"])
    system.path = str(tmp_path)
    return system


def test_missing_commands_print_nothing(system):
    assert system.run([system.require("ipset", "ipset"), "list", "-t"]) == Output(0, "", "")
    assert system.run([system.require("ip6tables-nft-save", "iptables")]) == Output(0, "", "")
    assert "nf_tables" in system.run([system.which("ip6tables"), "--version"]).stdout


def test_others_are_as_they_are(system):
    assert system.run([system.which("iptables-save")]).stdout == system.run([system.which("ls")]).stdout == "real\n"
    assert system.which("awk") is None and system.which("nft") is None and system.which("iptables") is None


@pytest.mark.parametrize("argv", [["iptables-nft-restore", "--noflush"], ["ipset", "restore"], ["ipset", "-exist", "restore"], ["nft", "-f", "-"]])
def test_nothing_is_tried(system, argv):
    with pytest.raises(NamespaceUnavailable, match="packages are missing"):
        system.run(["/usr/sbin/" + argv[0], *argv[1:]])


def test_a_test_passes(system):
    assert system.run(["/usr/sbin/iptables-nft-restore", "--noflush", "--test"], "x").rc == 0
