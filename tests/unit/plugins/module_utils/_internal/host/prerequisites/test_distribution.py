# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Distributions by their own os-release files, and the names of their packages."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites.distribution import parse_distribution, read_distribution
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.prerequisites.packages import package_of, package_of_modules
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

# The lines that matter here, as the distributions ship them; collected by github.com/chef/os_release.
OS_RELEASE = {
    "debian 12": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "debian sid": 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n',
    "raspbian 11": 'PRETTY_NAME="Raspbian GNU/Linux 11 (bullseye)"\nVERSION_ID="11"\nID=raspbian\nID_LIKE=debian\n',
    "ubuntu 24.04": 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n',
    "mint 22": 'ID=linuxmint\nID_LIKE="ubuntu debian"\nPRETTY_NAME="Linux Mint 22"\nVERSION_ID="22"\n',
    "rhel 8": 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="8.10"\nPRETTY_NAME="Red Hat Enterprise Linux 8.10 (Ootpa)"\n',
    "rhel 9": 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="Red Hat Enterprise Linux 9.6 (Plow)"\n',
    "rhel 10": 'ID="rhel"\nID_LIKE="centos fedora"\nVERSION_ID="10.0"\nPRETTY_NAME="Red Hat Enterprise Linux 10.0 (Coughlan)"\n',
    "rocky 9": 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.3"\nPRETTY_NAME="Rocky Linux 9.3 (Blue Onyx)"\n',
    "alma 10": 'ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="10.0"\nPRETTY_NAME="AlmaLinux 10.0 (Purple Lion)"\n',
    "centos stream 9": 'ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\nPRETTY_NAME="CentOS Stream 9"\n',
    "oracle 9": 'ID="ol"\nID_LIKE="fedora"\nVERSION_ID="9.1"\nPRETTY_NAME="Oracle Linux Server 9.1"\n',
    "fedora 43": 'ID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43 (Container Image)"\n',
    "amazon 2": 'ID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"\nPRETTY_NAME="Amazon Linux 2"\n',
    "amazon 2023": 'ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\nPRETTY_NAME="Amazon Linux 2023.8.20250915"\n',
    "leap 15": 'ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\nPRETTY_NAME="openSUSE Leap 15.6"\n',
    "tumbleweed": 'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\nVERSION_ID="20240823"\nPRETTY_NAME="openSUSE Tumbleweed"\n',
    "sles 15": 'VERSION_ID="15.7"\nPRETTY_NAME="SUSE Linux Enterprise Server 15 SP7"\nID="sles"\nID_LIKE="suse"\n',
    "alpine 3.22": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n',
    "arch": 'PRETTY_NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\nVERSION_ID=TEMPLATE_VERSION_ID\n',
    "manjaro": 'PRETTY_NAME="Manjaro Linux"\nID=manjaro\nID_LIKE=arch\n',
}
EXPECTED = {
    "debian": "iptables ipset nftables iproute2 conntrack",
    "rpm": "iptables-nft ipset nftables iproute conntrack-tools",
    "rpm before 9": "iptables ipset nftables iproute conntrack-tools",
    "others": "iptables ipset nftables iproute2 conntrack-tools",
}


@pytest.mark.parametrize("release, packages", [
    ("debian 12", "debian"), ("debian sid", "debian"), ("raspbian 11", "debian"), ("ubuntu 24.04", "debian"), ("mint 22", "debian"),
    ("rhel 8", "rpm before 9"), ("rhel 9", "rpm"), ("rhel 10", "rpm"), ("rocky 9", "rpm"), ("alma 10", "rpm"), ("centos stream 9", "rpm"),
    ("oracle 9", "rpm"), ("fedora 43", "rpm"), ("amazon 2", "rpm before 9"), ("amazon 2023", "rpm"),
    ("leap 15", "others"), ("tumbleweed", "others"), ("sles 15", "others"), ("alpine 3.22", "others"), ("arch", "others"), ("manjaro", "others"),
])  # fmt: skip
def test_names_of_packages(release, packages):
    distribution = parse_distribution(OS_RELEASE[release])
    assert " ".join(str(package_of(distribution, name)) for name in ("iptables", "ipset", "nft", "ip", "conntrack")) == EXPECTED[packages]
    assert all(package_of(distribution, name) for name in ("awk", "cmp", "flock"))


def test_every_recorded_distribution_is_tested():
    marks = [mark.args[1] for mark in test_names_of_packages.pytestmark]
    assert {release for release, _packages in marks[0]} == set(OS_RELEASE)


def test_ip6tables_is_a_package_of_its_own_on_alpine_alone():
    named = {release: package_of(parse_distribution(text), "ip6tables") for release, text in OS_RELEASE.items()}
    assert {release: name for release, name in named.items() if name not in ("iptables", "iptables-nft")} == {"alpine 3.22": "ip6tables"}


def test_the_package_of_modules_is_that_of_the_running_kernel():
    named = {release: package_of_modules(parse_distribution(text), "6.12.0-1.el10") for release, text in OS_RELEASE.items()}
    assert {release: name for release, name in named.items() if name} == dict.fromkeys(["rhel 10", "alma 10"], "kernel-modules-extra-6.12.0-1.el10")


def test_unknown_distributions():
    nixos = parse_distribution('ID=nixos\nVERSION_ID="23.05"\nPRETTY_NAME="NixOS 23.05 (Stoat)"\n')
    assert (nixos.family, nixos.name) == (None, "NixOS 23.05 (Stoat)")
    assert package_of(nixos, "ipset") is None and package_of_modules(nixos, "6.1") is None
    assert parse_distribution("").family is None


@pytest.mark.parametrize("text", ["ID='debian", "\0", "=", "ID", "# ID=debian", 'ID=""', "VERSION_ID=" + "9" * 5000])
def test_broken_files(text):
    assert parse_distribution(text).family is None


def test_names_are_plain_text_of_some_length():
    assert parse_distribution("ID=x\nNAME='{{ lookup }}\x1b[31m%s'" % ("y" * 500)).name == "{{ lookup }}\\x1b[31m" + "y" * 63


def test_the_file_of_the_vendor_counts_where_there_is_no_other():
    class Host(System):
        def read(self, path):
            return "ID=arch" if path == "/usr/lib/os-release" else None

    class Bare(System):
        def read(self, path):
            return None

    assert read_distribution(Host()).family == "arch"
    assert read_distribution(Bare()).name == "without an os-release file"
