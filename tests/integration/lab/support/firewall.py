# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a host's netfilter holds, read by the host's own tools, and small changes to it by hand."""
from __future__ import annotations

import shlex

from tests.lab.api import Host

FAMILIES = ("iptables", "ip6tables")


def dump(host: Host) -> str:
    """All rules of both variants and families, nft's tables and sets: without counters, times and unordered members, and without the table
    that follows them in a moment."""
    script = (
        "for p in iptables-nft ip6tables-nft; do $p-save; done;"
        " for f in ip ip6; do [ -e /proc/net/${f}_tables_names ] && cat /proc/net/${f}_tables_names; done;"
        " [ -s /proc/net/ip_tables_names ] && iptables-legacy-save;"
        " [ -s /proc/net/ip6_tables_names ] && ip6tables-legacy-save;"
        " nft list tables | grep -v drawbridge-sentry; ipset save | sort"
    )
    text = host.run(["sh", "-c", "{ %s; } 2>/dev/null; true" % script]).stdout
    return plain(text)


def plain(text: str) -> str:
    """What iptables-save prints, without counters and times."""
    return "\n".join(line.split(" [")[0] if line.startswith(":") else line
                     for line in text.splitlines() if not line.startswith("#"))


def rules(host: Host, chain: str, table: str = "filter", family: str = "iptables") -> list[str]:
    """The lines of one chain."""
    return host.run([family, "-w", "5", "-t", table, "-S", chain]).stdout.splitlines()[1:]


def by_hand(host: Host, *commands: str) -> None:
    """Run commands of iptables or ip6tables, as somebody types them."""
    for command in commands:
        program, *words = shlex.split(command)
        host.run([program, "-w", "5", *words])


def written(text: str) -> set[str]:
    """The rules, own chains and sets of a dump, without empty tables and policies of built-in chains."""
    return {line for line in text.splitlines()
            if line.startswith(("-A ", "create ", "add ")) or line.startswith(":") and line.endswith(" -")}
