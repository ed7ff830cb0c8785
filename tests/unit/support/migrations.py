# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts with the rules of other firewalls, as the lab recorded them, beside those of an engine."""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.gather import ask
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import Planner
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.model import Policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.planned_host import with_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.migration.migrate import Scene

from tests.goldens import render
from tests.goldens.kernel import Kernel
from tests.unit.support.verdict_hosts import host

OTHERS = Path(__file__).resolve().parents[2] / "integration" / "lab" / "support" / "others"
FIREWALLD = Path(__file__).resolve().parents[1] / "fixtures" / "captures" / "firewalld-1.3.3.nft.json"
# The engine beside which they were recorded.
ENGINE, SECOND = "docker-20.10.24", "br-2b17bbce6eb5"


def load(kernel: Kernel, name: str) -> None:
    """Load what was recorded of a firewall, as its own program does."""
    for family, end in ((4, "v4"), (6, "v6")):
        rules = OTHERS / ("%s.%s" % (name, end))
        if rules.exists():
            kernel.restore(family, rules.read_text(encoding="utf-8"))
        if name.startswith("ufw"):
            for chain in ("INPUT", "FORWARD"):
                held = kernel.rules[family]["filter"]
                held[chain] = held[chain]._replace(policy="DROP")


@contextmanager
def scene(name: str, sockets: str, most_targets: int = 500, more: tuple[int, str] = (4, "")) -> Iterator[Scene]:
    """A host with an engine and another firewall. more: a family, and iptables-restore input for it."""
    golden = render.Host(ENGINE)
    if name and name != "firewalld":
        load(golden.kernel, name)
    if more[1]:
        golden.kernel.restore(*more)
    nftables = FIREWALLD.read_text(encoding="utf-8") if name == "firewalld" else json.dumps({"nftables": []})
    with golden.running():
        kernel, asked = golden.kernel, ask(connect("unix:///var/run/docker.sock"), System())
        snapshot = host(SECOND, iptables=kernel.saved(4), ip6tables=kernel.saved(6), sockets=sockets, nftables=nftables)

        def plan(policy: Policy) -> Snapshot:
            planner = Planner(Netfilter(System(), "nft"), compile_policy(policy, asked.facts), assume_missing=True)
            return with_policy(snapshot, planner.plan(planner.read()), policy, "nft")

        yield Scene(snapshot, asked.facts, asked.published, plan, most_targets)
