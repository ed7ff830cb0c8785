# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts that boot with their rules, and what Drawbridge has on them."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.lab.api import Host

from . import policies
from .playbook import Run, play

BOOT = {"name": "boot", "drawbridge.docker.boot_restore": {}}
# What the workload publishes, on both ways in.
DENIED_PORTS = (8080, 8081, 8083)


def allowing(port: int = 8080, **more: Any) -> dict[str, Any]:
    """One port for the allowed client; everything else that is published is closed."""
    entry = {"port": port, "sources": policies.ALLOWED}
    return dict({"published_ports": {"default": "deny", "allow": [entry]}}, **more)


def protect(hosts: Sequence[Host], policy: Mapping[str, Any] | None = None, **options: Any) -> Run:
    """Have the unit and a policy."""
    return play(hosts, [BOOT, policies.task(policy or allowing())], **options)


def owned(host: Host) -> str:
    """Everything of Drawbridge's in the kernel, byte for byte, and the boot files; without counters, and without the random number that
    ipset gives a set when it is filled."""
    script = (
        "for p in iptables ip6tables; do echo == $p; $p-save | grep -E '^[*]|DB-|DB[XT]|DOCKER-FILTER|DOCKER-USER'; done;"
        " echo == sets; ipset save | sed 's/ initval [^ ]*//' | sort; nft list tables | grep drawbridge | grep -v drawbridge-sentry;"
        " echo == files; cd /etc/drawbridge 2>/dev/null && ls -l --time-style=+ . generations current/ && sha256sum current/* previous/*"
    )
    text = host.run(["sh", "-c", script], check=False).stdout
    return "\n".join(line.split(" [")[0] if line.startswith(":") else line for line in text.splitlines())


def in_kernel(host: Host) -> str:
    """The part of it that the kernel has."""
    return owned(host).partition("== files")[0]


def rules(host: Host) -> str:
    """Rules alone: after a boot containers may have other addresses, and sets other content."""
    return owned(host).partition("== sets")[0]


def leftovers(host: Host) -> str:
    """What a confirmed or failed change must not leave: checkpoints, timers, prepared generations, scratch sets.

    The event service's records (``records``) stay.
    """
    script = (
        "find /var/lib/drawbridge -mindepth 1 -not -path '*/records*';"
        " ls -d /etc/drawbridge/next /etc/drawbridge/dirty /etc/drawbridge/*.new /etc/drawbridge/generations/*.new;"
        " systemctl list-units --all --plain --no-legend 'drawbridge-rollback*'; ipset list -n | grep DBT;"
        " iptables-save | grep DBX; nft list tables | grep drawbridge-hold"
    )
    return host.run(["sh", "-c", "{ %s; } 2>/dev/null; true" % script], check=False).stdout
