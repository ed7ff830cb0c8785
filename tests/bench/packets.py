# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Packets through a policy of 10,000 sources against no policy: client, router and server in namespaces made for it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.labels import answering
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings, converge

from . import subjects
from .measure import AT_LEAST_RATE, Finding

SOURCES = 10_000
CONNECTIONS = 3_000
SECONDS = 1
PORT = 8080
BRIDGE = "docker0"
SIDES = ("with", "logged", "without")
LOAD = str(Path(__file__).with_name("load.py"))
# This process is the router; what an engine would make of one container that publishes 8080 as 80.
NETWORK = f"""
ip netns add client
ip netns add server
ip link add out type veth peer name eth0 netns client
ip addr add 192.0.2.1/24 dev out
ip link set out up
ip link add {BRIDGE} type bridge
ip addr add 172.17.0.1/16 dev {BRIDGE}
ip link set {BRIDGE} up
ip link add inner type veth peer name eth0 netns server
ip link set inner master {BRIDGE} up
ip -n client addr add 192.0.2.101/24 dev eth0
ip -n client link set eth0 up
ip -n server addr add 172.17.0.2/16 dev eth0
ip -n server link set eth0 up
ip -n server route add default via 172.17.0.1
sysctl -q -w net.ipv4.ip_forward=1
iptables -N DOCKER-USER
iptables -A FORWARD -j DOCKER-USER
iptables -A FORWARD -o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD ! -i {BRIDGE} -o {BRIDGE} -d 172.17.0.2 -p tcp --dport 80 -j ACCEPT
iptables -A FORWARD -i {BRIDGE} ! -o {BRIDGE} -j ACCEPT
iptables -P FORWARD DROP
iptables -t nat -N DOCKER
iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables -t nat -A DOCKER ! -i {BRIDGE} -p tcp --dport {PORT} -j DNAT --to-destination 172.17.0.2:80
"""
FACTS = HostFacts([Published(family, None, PORT, "tcp") for family in (4, 6)], [BRIDGE], {4: [BRIDGE], 6: [BRIDGE]},
                  ["172.17.0.0/16"], False)


def _apply(wanted: DesiredState) -> None:
    converge(System(), Settings("nft", 30, False), lambda _netfilter: wanted)


def packets(count: int) -> list[Finding]:
    """Connections and throughput, in turns with the policy and without any."""
    for line in NETWORK.strip().splitlines():
        subprocess.run(line.split(), check=True)
    sources = [subjects.address(number) for number in range(SOURCES - 1)] + ["192.0.2.101"]
    policy = {"address_sets": {"many": sources}, "published_ports": {"default": "deny", "allow": [{"port": PORT, "sources": ["@many"]}]}}
    raw = {"with": policy, "logged": {**policy, "log_denied": {}}}
    wanted = {side: answering(compile_policy(parse_policy(said), FACTS)) for side, said in raw.items()}
    wanted["without"] = compile_policy(parse_policy({}), FACTS)
    rates: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(process("server", "serve", "172.17.0.2", "80"))
        stack.callback(server.kill)
        assert server.stdout is not None
        server.stdout.readline()
        for turn in range(2 * count + 1):
            for side in SIDES if turn % 2 else SIDES[::-1]:
                _apply(wanted[side])
                for load, limit in (("connect", CONNECTIONS), ("bulk", SECONDS)):
                    rates.setdefault((load, side), []).append(rate(load, limit))
    bare, policy_alone = ("with", "without"), ("logged", "with")
    return [_finding("connections per second, 10,000 sources against no policy", rates, "connect", bare, 0.93, "without a policy up to {:.0f} a second"),
            _finding("throughput, 10,000 sources against no policy", rates, "bulk", bare, 0.85, "without a policy up to {:.2g} bytes a second"),
            _finding("connections per second, log_denied against without it", rates, "connect", policy_alone, 0.97, "without it up to {:.0f} a second"),
            _finding("throughput, log_denied against without it", rates, "bulk", policy_alone, 0.97, "without it up to {:.2g} bytes a second")]


def _finding(what: str, rates: dict[tuple[str, str], list[float]], load: str, sides: tuple[str, str], target: float, note: str) -> Finding:
    ours, theirs = (rates[load, side][1:] for side in sides)
    return Finding(what, ours, theirs, target, AT_LEAST_RATE, note.format(max(theirs)))


def rate(load: str, limit: float) -> float:
    """What the load came to, in a second."""
    with process("client", load, "192.0.2.1", str(PORT), str(limit)) as client:
        return float(client.communicate(timeout=60)[0])


def process(namespace: str, *words: str) -> subprocess.Popen[str]:
    """One end of the load, in its namespace."""
    argv = ["ip", "netns", "exec", namespace, sys.executable, LOAD, *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
