# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Policies of a host, compiled for an engine that nobody has to ask."""
from __future__ import annotations

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published, unknown_host
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

HOST = HostFacts(
    published=[Published(family, None, port, "tcp") for family in (4, 6) for port in (80, 443, 8080)]
    + [Published(4, "192.0.2.7", 53, "udp")],
    bridges=["docker0", "br-1"],
    closed_bridges={4: ["docker0", "br-1"], 6: ["docker0"]},
    subnets=["172.17.0.0/16", "fd00:1::/64"],
    swarm=False,
)
OFFICE = {"office": ["203.0.113.0/24", "2001:db8:1::/48"]}
POLICIES = {
    "deny": {
        "address_sets": OFFICE,
        "published_ports": {"default": "deny", "allow": [{"port": 443, "sources": ["any"]}, {"port": 80, "sources": ["@office"]}]},
    },
    "services": {
        "address_sets": OFFICE,
        "published_ports": {"default": "deny", "allow": [{"port": 80, "sources": ["@office", "10.0.0.0/8"]}]},
        "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["@office"]}]},
    },
    "other set": {
        "address_sets": {"office": ["198.51.100.0/24"]},
        "published_ports": {"default": "deny", "allow": [{"port": 8080, "sources": ["@office"]}]},
        "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["@office"]}]},
    },
    "commented": {
        "address_sets": OFFICE,
        "published_ports": {"allow": [
            {"port": 443, "sources": ["any"], "comment": "shop"},
            {"port": 80, "sources": ["@office"], "comment": "Grafana: ask Jané"},
            {"port": 80, "sources": ["10.0.0.0/8"], "comment": "the monitoring, too"},
        ]},
    },
    "allow": {"published_ports": {"default": "allow", "allow": [{"port": 8080, "sources": ["10.0.0.0/8"]}]}},
}


def no_policy() -> DesiredState:
    """What is wanted of a host whose policy is taken away."""
    return compile_policy(parse_policy({}), unknown_host(swarm=False))


def policy(name: str | None, facts: HostFacts = HOST) -> DesiredState:
    """What is desired; of no policy at all for the name None."""
    return no_policy() if name is None else compile_policy(parse_policy(POLICIES[name]), facts)
