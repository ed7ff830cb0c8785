# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host with a policy in force, as the texts that its tests are proved by: the golden host of an engine, and the kernel in memory that the policy went to."""
from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.gather import EngineFacts, ask
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import is_ours
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse, target_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.planned_host import with_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.prove import Scene

from tests.goldens import render
from tests.unit.support.verdict_hosts import host

ENGINE = "docker-29.1.3"
SECOND = "br-655b1314c3da"
# A network that was made after the policy was applied.
LATER = "br-00000000beef"
ADDRESSES = {"eth0": ["192.0.2.7/24", "2001:db8:1::7/64"], "br-back": ["172.22.0.1/24", "fd00:22::1/64"], LATER: ["172.30.0.1/16", "fd00:30::1/64"],
             "docker0": ["172.31.0.1/16", "fd00:31::1/64"]}
_SETTINGS = {"net.ipv4.conf.%s.%s" % (name, setting): 0 for name in ("br-back", LATER)
             for setting in ("rp_filter", "accept_local", "route_localnet", "src_valid_mark")}
_LISTENERS = (
    ("tcp", "0.0.0.0:8080", "docker-proxy"), ("tcp", "[::]:8080", "docker-proxy"), ("tcp", "127.0.0.1:8081", "docker-proxy"),
    ("tcp", "0.0.0.0:8082", "docker-proxy"), ("tcp", "[::]:8082", "docker-proxy"), ("udp", "192.0.2.7:53", "docker-proxy"),
    ("udp", "[2001:db8:1::7]:53", "docker-proxy"), ("tcp", "192.0.2.7:53", "docker-proxy"),
    ("tcp", "0.0.0.0:22", "sshd"), ("tcp", "[::]:22", "sshd"), ("tcp", "*:9100", "node_exporter"),
    ("tcp", "*:3128", "squid"),
    *((protocol, "%s:%d" % (place, port), "docker-proxy") for port in (9000, 9443) for protocol in ("tcp", "udp") for place in ("0.0.0.0", "[::]")),
)
SOCKETS = "".join('%s LISTEN 0 4096 %s 0.0.0.0:* users:(("%s",pid=1,fd=4))\n' % item for item in _LISTENERS)


@functools.cache
def _applied(text: str) -> tuple[Snapshot, EngineFacts]:
    golden = render.Host(ENGINE)
    with golden.running():
        lines = golden.run("host_policy", render.arguments_of({"module": "host_policy", "options": {"policy": json.loads(text)}}))
        assert "changed: true" in lines, lines
        facts = ask(connect("unix:///var/run/docker.sock"), System())
    kernel = golden.kernel
    sets = "".join("create %s %s\n%s" % (name, held.kind, "".join("add %s %s\n" % (name, entry) for entry in held.entries))
                   for name, held in kernel.sets.items())
    tables = [{"table": {"family": name.split(" ")[0], "name": name.split(" ")[1]}} for name in kernel.tables]
    return host(SECOND, _SETTINGS, ADDRESSES, iptables=kernel.saved(4), ip6tables=kernel.saved(6), ipset=sets, sockets=SOCKETS,
                nftables=json.dumps({"nftables": tables})), facts


def scene(policy: dict[str, Any], tests: list[dict[str, Any]] | None = None, **texts: str) -> Scene:
    """The host with the policy in force. tests: beside those of the policy. texts: instead of the host's."""
    promised = [*policy.get("tests", []), *(tests or [])]
    rules = {key: value for key, value in policy.items() if key != "tests"}
    snapshot, asked = _applied(json.dumps(rules))
    nothing = Plan({}, [], [], [], [])
    parsed = parse_policy({**rules, "tests": promised})
    planned = with_policy(Snapshot({**snapshot.texts, **texts}), nothing, parsed, "nft")
    return Scene(parsed, asked.facts, asked.published, planned, lambda _family, _step: None)


class OurLine(NamedTuple):
    """A rule in a chain of ours, or a jump there. name: of the text that it is in. number: in its chain, from 1."""

    name: str
    table: str
    chain: str
    number: int
    text: str

    def __str__(self) -> str:
        return "%s %s: %s" % (self.name, self.chain, self.text)


def our_lines(snapshot: Snapshot) -> list[OurLine]:
    """Every line of ours."""
    return [
        OurLine(name, table, chain, number, text)
        for name in ("iptables", "ip6tables")
        for table, chains in parse(snapshot.texts[name]).tables.items()
        for chain, saved in chains.items()
        for number, text in enumerate(saved.rules, 1)
        if is_ours(chain) or is_ours(target_of(text) or "")
    ]


def without(snapshot: Snapshot, line: OurLine) -> Snapshot:
    """The host with one line taken away."""
    before, star, rest = snapshot.texts[line.name].partition("*%s\n" % line.table)
    rule = "-A %s %s\n" % (line.chain, line.text)
    assert rule in rest
    return Snapshot({**snapshot.texts, line.name: before + star + rest.replace(rule, "", 1)})
