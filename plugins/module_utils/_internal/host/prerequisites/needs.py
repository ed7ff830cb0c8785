# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What Drawbridge uses of a host, and which part of it needs that."""

from __future__ import annotations

from typing import List, NamedTuple

# The parts that a caller may ask for.
POLICY = "policy"
BOOT_RESTORE = "boot_restore"
EVENT_SERVICE = "event_service"


class Need(NamedTuple):
    """name: a command, or a module of the kernel. parts: the parts that use it. by: the same in words. is_needed: whether these parts fail
    without it; otherwise they do less and warn. source: the command that stands for its package in packages.py."""

    name: str
    parts: List[str]
    by: str
    is_needed: bool
    source: str = ""


EVERY = [POLICY, BOOT_RESTORE, EVENT_SERVICE]

COMMANDS = [
    Need("iptables", EVERY, "every policy", True, "iptables"),
    Need("iptables-save", EVERY, "every policy", True, "iptables"),
    Need("iptables-restore", EVERY, "every policy", True, "iptables"),
    Need("ipset", EVERY, "every policy (address sets, published ports, containers' networks)", True, "ipset"),
    Need("ip", [POLICY], "every policy (the look at the task's own way in)", True, "ip"),
    Need("awk", [POLICY, BOOT_RESTORE], "changes that the host may take back, and the load at boot", True, "awk"),
    Need("nft", EVERY, "ports published later, masquerading, closed_until_ready, and the lock while rules are gone", False, "nft"),
    Need("conntrack", [POLICY], "connections that end when their port closes", False, "conntrack"),
    Need("ss", [POLICY], "connections of the host itself that end when their port closes", False, "ip"),
    Need("cmp", [BOOT_RESTORE], "the engine's own rules, which come back when somebody flushes them", False, "cmp"),
    Need("flock", [POLICY, BOOT_RESTORE], "the lock that keeps tasks, boot and rollback apart", False, "flock"),
]
# Only where the kernel has IPv6.
COMMANDS_IPV6 = [
    Need("ip6tables-save", EVERY, "every policy, where the kernel has IPv6", True, "ip6tables"),
    Need("ip6tables-restore", EVERY, "every policy, where the kernel has IPv6", True, "ip6tables"),
]
# No package brings this: it is a matter of how the host was installed.
SYSTEMD = Need("systemd", [BOOT_RESTORE, EVENT_SERVICE], "boot_restore and event_service", True)

MODULES = [
    Need("nf_conntrack", [POLICY], "every policy", True),
    Need("ip_set", [POLICY], "every policy (sets)", True),
    Need("xt_set", [POLICY], "every policy (sets)", True),
    Need("xt_conntrack", [POLICY], "every policy", True),
    Need("xt_addrtype", [POLICY], "every policy, and Docker itself", True),
    Need("xt_connlabel", [BOOT_RESTORE], "the lock while rules are gone", False),
]
# Asked for if a policy has such limits.
HASHLIMIT = Need("xt_hashlimit", [POLICY], "the rate of a limit", True)
CONNLIMIT = Need("xt_connlimit", [POLICY], "the connections of a limit", True)
# By the variant of the installed iptables.
MODULES_NFT = [Need("nft_compat", [POLICY], "every policy by iptables-nft", True)]
MODULES_LEGACY = [Need("ip_tables", [POLICY], "every policy by iptables-legacy", True)]
