# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The packages that have the commands Drawbridge uses, by distribution.

Debian's names are those that the tests install. The others were taken from public documentation, scripts and issue threads, and from general
knowledge; no package manager but apt was run. docs/guides/distributions.md says what was checked for each.
"""

from __future__ import annotations

from typing import Dict, Optional

from .distribution import ALPINE, AMAZON, ARCH, DEBIAN, FEDORA, RHEL, SUSE, Distribution

_RPM = {"iptables": "iptables-nft", "ipset": "ipset", "nft": "nftables", "ip": "iproute", "conntrack": "conntrack-tools"}
_RPM_TOOLS = {"awk": "gawk", "cmp": "diffutils", "flock": "util-linux"}

# By the command that stands for its package.
_PACKAGES: Dict[str, Dict[str, str]] = {
    DEBIAN: {
        "iptables": "iptables", "ipset": "ipset", "nft": "nftables", "ip": "iproute2", "conntrack": "conntrack",
        "awk": "mawk", "cmp": "diffutils", "flock": "util-linux",
    },
    FEDORA: {**_RPM, **_RPM_TOOLS},
    RHEL: {**_RPM, **_RPM_TOOLS},
    AMAZON: {**_RPM, **_RPM_TOOLS},
    SUSE: {**_RPM, **_RPM_TOOLS, "iptables": "iptables", "ip": "iproute2"},
    # busybox has awk, cmp and flock, without any package.
    ALPINE: {
        "iptables": "iptables", "ip6tables": "ip6tables", "ipset": "ipset", "nft": "nftables", "ip": "iproute2", "conntrack": "conntrack-tools",
        "awk": "gawk", "cmp": "diffutils", "flock": "flock",
    },
    ARCH: {**_RPM, **_RPM_TOOLS, "iptables": "iptables", "ip": "iproute2"},
}  # fmt: skip

# Releases before this one have iptables' nft variant in the package iptables.
_FIRST_WITH_IPTABLES_NFT = {RHEL: 9, AMAZON: 2022}
# RHEL 10 moved the modules of iptables and ipset to a package that its images do not have (docker/docker-ce-packaging issue 1340).
_FIRST_WITH_MODULES_EXTRA = 10


def package_of(distribution: Distribution, command: str) -> Optional[str]:
    """Return the package with a command, None if it is not known here."""
    if distribution.family is None:
        return None
    if command == "ip6tables" and distribution.family != ALPINE:
        command = "iptables"
    if command == "iptables" and distribution.major < _FIRST_WITH_IPTABLES_NFT.get(distribution.family, 0):
        return "iptables"
    return _PACKAGES[distribution.family].get(command)


def package_of_modules(distribution: Distribution, release: str) -> Optional[str]:
    """Return the package with the netfilter modules of the running kernel, None if the kernel's own package should have them.

    release: as ``uname -r`` prints it. The package of another release would not help before the next boot.
    """
    if distribution.family == RHEL and distribution.major >= _FIRST_WITH_MODULES_EXTRA:
        return "kernel-modules-extra-" + release
    return None
