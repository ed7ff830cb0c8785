# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The ways to take a host's rules, and how to see that they are back."""
from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from tests.lab.api import Host

from .flood import Flood


class Kind(NamedTuple):
    """command: what somebody types. needs: a program, empty for what every host has."""

    command: str
    needs: str = ""


_BOTH = "for p in iptables ip6tables; do $p -w 5 %s; done"
_TABLES = "ip filter", "ip6 filter", "ip mangle", "ip6 mangle", "ip nat", "ip raw"
KINDS = {
    "nft flush ruleset": Kind("nft flush ruleset"),
    "iptables -F": Kind(_BOTH % "-F"),
    "iptables -t mangle -F": Kind(_BOTH % "-t mangle -F"),
    "iptables -F; -X": Kind("%s; %s" % (_BOTH % "-F", _BOTH % "-X 2>/dev/null")),
    "nft delete table": Kind("for t in %s; do nft delete table $t; done 2>/dev/null; true" % " ".join("'%s'" % table for table in _TABLES)),
    "ipset flush": Kind("ipset flush"),
    "ipset destroy": Kind("ipset destroy 2>/dev/null; true"),
    "nftables restarted": Kind("systemctl unmask nftables; systemctl restart nftables; systemctl stop nftables; systemctl mask nftables"),
    "ufw reset": Kind("ufw --force reset >/dev/null; ufw --force enable >/dev/null; ufw --force disable >/dev/null", "ufw"),
    "firewalld reloaded": Kind("systemctl start firewalld; firewall-cmd --complete-reload; systemctl stop firewalld", "firewall-cmd"),
}


def has(host: Host, kind: str) -> bool:
    """Whether the host has what it needs."""
    needs = KINDS[kind].needs
    return not needs or host.run(["sh", "-c", "command -v %s" % needs], check=False).returncode == 0


def rules(host: Host) -> list[str]:
    """What is Drawbridge's in the kernel, in whichever order tables were made: lines, chains, and what is in sets."""
    script = "for p in iptables-save ip6tables-save 'ipset save'; do echo == $p; $p | grep -E '[ :]DB' | sed 's/ initval [^ ]*//' | sort; done"
    text = host.run(["sh", "-c", script]).stdout
    return [line.split(" [")[0] if line.startswith(":") else line for line in text.splitlines()]


def of_engine(host: Host) -> list[str]:
    """The engine's own lines, and the policy of FORWARD; of each chain in order. Not what others have there."""
    text = host.run(["sh", "-c", "for p in iptables-save ip6tables-save; do echo == $p; $p; done"]).stdout
    kept = (":DOCKER", ":FORWARD", "-A", "==")
    others = ("DB-", " vmbr0 ", "-A DOCKER-USER -j RETURN", ":DOCKER-USER")
    lines = [line.split(" [")[0] for line in text.splitlines() if line.startswith(kept) and not any(word in line for word in others)]
    return sorted(lines, key=lambda line: line.split(" ")[1] if line.startswith("-A") else line)


def asked(host: Host) -> bool:
    """Whether the table that closes is there for every chain that the newest generation has answers of."""
    return host.run(["sh", "-c", "test -s /run/drawbridge/sentry.asked && nft list table inet drawbridge-sentry"], check=False).returncode == 0


def held(host: Host) -> bool:
    """Whether the table belongs to a process that lives."""
    script = 'read -r pid </run/drawbridge/sentry.pid && [ "$(cat /proc/$pid/comm)" = nft ] && nft list table inet drawbridge-sentry | grep progname'
    return host.run(["sh", "-c", script], check=False).returncode == 0


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def longest(denied: Flood) -> float:
    """The longest span in which connections were opened, with no tenth of a second between two of them."""
    times = sorted(time for found in denied.opened.values() for time in found)
    best, start = 0.0, 0.0
    for before, after in zip([0.0, *times], times, strict=False):
        if after - before > 0.1:
            start = after
        best = max(best, after - start)
    return best
