# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a host lacks: commands by PATH, modules by the kernel's own lists, and what to do about each."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites import missing
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites.needs import BOOT_RESTORE, EVENT_SERVICE, POLICY
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.limit_modules import check_limits

RELEASE = os.uname().release
EVERYTHING = "iptables iptables-save iptables-restore ip6tables-save ip6tables-restore ipset ip ss awk nft conntrack cmp flock".split()
IN_THE_KERNEL = "nf_conntrack ip_set xt_set xt_conntrack xt_addrtype xt_connlabel".split()
DEBIAN = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'
ALMA_10 = 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.0"\nPRETTY_NAME="AlmaLinux 10.0 (Purple Lion)"\n'
POLICY_ALONE = {POLICY}
WHOLE = {POLICY, BOOT_RESTORE, EVENT_SERVICE}


class Host(System):
    """commands: those in PATH. loaded, on_disk: modules; None for a host without the files that list them."""

    def __init__(self, commands=EVERYTHING, loaded=IN_THE_KERNEL, on_disk=(), built_in=(), os_release=DEBIAN, has_ipv6=True):
        super().__init__()
        self.commands = commands
        self.files = {
            "/proc/modules": "".join("%s 16384 1 - Live 0x0\n" % name for name in loaded),
            "/proc/net/if_inet6": "" if has_ipv6 else None,
            "/etc/os-release": os_release,
        }
        if on_disk is not None:
            self.files["/lib/modules/%s/modules.builtin" % RELEASE] = "".join("kernel/net/netfilter/%s.ko\n" % name for name in built_in)
            self.files["/lib/modules/%s/modules.dep" % RELEASE] = "".join("kernel/net/netfilter/%s.ko.xz:\n" % name for name in on_disk)
        self.looked_at = []

    def which(self, name):
        return "/nowhere/" + name if name in self.commands else None

    def read(self, path):
        self.looked_at.append(path)
        return self.files.get(path)

    def run(self, argv, stdin="", env=None):
        raise AssertionError("a command was run: %s" % argv)


@pytest.fixture(autouse=True)
def booted_by_systemd(monkeypatch):
    monkeypatch.setattr(missing, "has_systemd", lambda _system: True)


def without(*names):
    return [name for name in EVERYTHING if name not in names]


def test_a_host_with_everything():
    host = Host()
    found = missing.look(host, WHOLE)
    assert (found.missing, found.packages) == ([], [])
    found.refuse()
    assert not [path for path in host.looked_at if "os-release" in path or path.startswith("/lib")]


def test_each_command_has_a_package_and_what_needs_it():
    found = missing.look(Host(commands=[]), WHOLE)
    assert sorted(item.name for item in found.missing) == sorted(EVERYTHING)
    assert found.packages == ["conntrack", "diffutils", "iproute2", "ipset", "iptables", "mawk", "nftables", "util-linux"]
    assert all(item.needed_by and item.package and not item.instead for item in found.missing)


def test_what_is_only_useful_is_no_reason_to_refuse():
    found = missing.look(Host(commands=without("nft", "conntrack", "ss", "cmp", "flock")), WHOLE)
    assert (found.needed, found.needed_packages) == ([], [])
    assert found.packages == ["conntrack", "diffutils", "iproute2", "nftables", "util-linux"]
    found.refuse()


def test_the_refusal_says_what_to_install():
    with pytest.raises(DrawbridgeError) as caught:
        missing.look(Host(commands=without("ipset", "iptables-save", "nft")), POLICY_ALONE).refuse()
    assert str(caught.value) == "missing on this host: commands iptables-save, ipset (install ipset, iptables)"


def test_an_unknown_distribution_is_told_the_commands():
    host = Host(commands=without("ipset", "iptables"), os_release='ID=nixos\nPRETTY_NAME="NixOS 23.05 (Stoat)"\n')
    with pytest.raises(DrawbridgeError) as caught:
        missing.look(host, POLICY_ALONE).refuse()
    assert caught.value.message == "missing on this host: commands iptables, ipset"
    assert caught.value.hint == "install the packages that have these commands: this distribution (NixOS 23.05 (Stoat)) is not known here"


def test_a_host_without_ipv6_needs_no_ip6tables():
    assert missing.look(Host(commands=without("ip6tables-save", "ip6tables-restore"), has_ipv6=False), POLICY_ALONE).missing == []


def test_only_what_the_asked_parts_use():
    host = Host(commands=without("cmp", "awk"))
    assert [item.name for item in missing.look(host, {EVENT_SERVICE}).missing] == []
    assert [item.name for item in missing.look(host, POLICY_ALONE).missing] == ["awk"]
    assert [item.name for item in missing.look(host, {BOOT_RESTORE}).missing] == ["awk", "cmp"]


def test_modules_may_be_loaded_built_in_or_on_the_disk():
    host = Host(loaded=["nf_conntrack", "ip_set"], built_in=["xt_set"], on_disk=["xt_conntrack", "xt_addrtype", "xt_connlabel"])
    assert missing.look(host, WHOLE).missing == []


def test_modules_that_rhel_10_keeps_in_a_package_of_their_own():
    found = missing.look(Host(loaded=["nf_conntrack"], os_release=ALMA_10), POLICY_ALONE)
    assert [item.name for item in found.needed] == ["ip_set", "xt_set", "xt_conntrack", "xt_addrtype"]
    assert found.packages == ["kernel-modules-extra-" + RELEASE]


def test_modules_that_no_package_is_known_for():
    found = missing.look(Host(loaded=[]), POLICY_ALONE)
    assert found.packages == []
    with pytest.raises(DrawbridgeError, match="modules of the running kernel %s" % RELEASE.replace("+", r"\+")):
        found.refuse()


def test_a_host_that_does_not_list_its_modules():
    assert missing.look(Host(loaded=[], on_disk=None), WHOLE).missing == []


@pytest.mark.parametrize("program, module", [("xtables-nft-multi", "nft_compat"), ("xtables-legacy-multi", "ip_tables")])
def test_the_variants_own_module(tmp_path, monkeypatch, program, module):
    (tmp_path / program).write_text("")
    (tmp_path / "iptables").symlink_to(tmp_path / program)
    host = Host()
    monkeypatch.setattr(host, "which", lambda name: str(tmp_path / "iptables") if name == "iptables" else "/nowhere/" + name)
    assert [item.name for item in missing.look(host, POLICY_ALONE).missing] == [module]


def test_without_systemd_only_the_parts_that_it_runs_are_refused(monkeypatch):
    monkeypatch.setattr(missing, "has_systemd", lambda _system: False)
    assert missing.look(Host(), POLICY_ALONE).missing == []
    with pytest.raises(DrawbridgeError) as caught:
        missing.look(Host(), WHOLE).refuse()
    assert "init system systemd" in caught.value.message and "leave boot_restore and event_service out" in caught.value.hint


@pytest.mark.parametrize("entry, lacking", [
    ({"limit": {"rate": "1/second"}}, ["xt_hashlimit"]), ({"limit": {"connections": 1}}, ["xt_connlimit"]), ({}, []),
    ({"limit": {"rate": "1/second", "connections": 1}}, ["xt_hashlimit", "xt_connlimit"]),
])
def test_a_policy_s_limits(entry, lacking):
    for section in ({"allow": []}, {"routed": []}):
        policy = parse_policy({"published_ports": {key: [{"port": 80, "sources": ["any"], **entry}] for key in section}})
        check_limits(Host(loaded=[*IN_THE_KERNEL, "xt_hashlimit", "xt_connlimit"]), policy)
        check_limits(Host(on_disk=["xt_hashlimit"], built_in=["xt_connlimit"]), policy)
        check_limits(Host(on_disk=None), policy)
        if lacking:
            with pytest.raises(DrawbridgeError) as caught:
                check_limits(Host(), policy)
            assert caught.value.message.startswith("missing on this host: kernel module") and all(name in caught.value.message for name in lacking)
        else:
            check_limits(Host(), policy)
    with pytest.raises(DrawbridgeError):
        check_limits(Host(), parse_policy({"host_services": {"allow": [{"port": 22, "sources": ["any"], "limit": {"rate": "1/second"}}]}}))
