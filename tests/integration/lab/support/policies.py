# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The policies that the tests apply, as data."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.lab.api import Host
from tests.lab.layout import CLIENTS, HostSpec

ALLOWED = [CLIENTS["allowed"].v4, CLIENTS["allowed"].v6]
CONTROLLER = [CLIENTS["controller"].v4, CLIENTS["controller"].v6]
DENIED = [CLIENTS["denied"].v4, CLIENTS["denied"].v6]

Policy = dict[str, Any]


def one_client(spec: HostSpec) -> Policy:
    """Everything that the workload publishes, for the allowed client alone; default deny."""
    ports: list[Mapping[str, Any]] = [
        {"port": 8080},
        {"port": 8081},
        {"port": 8082, "address": spec.v4_second},
        {"port": 8082, "address": spec.v6_second},
        {"port": "8100-8103"},
        {"port": 8083},
        {"port": 5300, "protocol": "udp"},
    ]
    return {
        "address_sets": {"friends": ALLOWED},
        "published_ports": {"default": "deny", "allow": [dict(port, sources=["@friends"]) for port in ports]},
    }


def closed_services(spec: HostSpec) -> Policy:
    """As one_client, and services of the host are denied too, but for SSH from the controller."""
    ssh = {"port": 22, "sources": CONTROLLER}
    return dict(one_client(spec), host_services={"default": "deny", "allow": [ssh]})


def task(policy: Any, **arguments: Any) -> dict[str, Any]:
    """The task that applies a policy: a mapping, or text with a variable's name in it."""
    return {"name": "policy", "drawbridge.docker.host_policy": dict(arguments, policy=policy)}


def for_hosts(hosts: Sequence[Host], policy: Callable[[HostSpec], Policy]) -> dict[str, dict[str, Any]]:
    """Host variables with each host's own policy, for a task with POLICY."""
    return {host.name: {"lab_policy": policy(host.spec)} for host in hosts}


POLICY = task("{{ lab_policy }}")
