# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A host for the audit: the rules of a real engine, and a made-up list of its containers."""
from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.look import Asked, put_together
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.audit.zones import parse_zones
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.survey import EngineAnswers, Survey
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.verdict.snapshot.texts import Snapshot

from .verdict_hosts import captured

LISTENING = {"0.0.0.0:8080": "docker-proxy", "[::]:8080": "docker-proxy", "127.0.0.1:8081": "docker-proxy", "0.0.0.0:8082": "docker-proxy",
             "0.0.0.0:22": "sshd", "127.0.0.1:631": "cupsd", "*:2375": "dockerd"}
SOCKETS = "".join("tcp LISTEN 0 4096 %s 0.0.0.0:* users:((\"%s\",pid=1,fd=4))\n" % item for item in LISTENING.items())


def recorded(engine: str, sockets: str = SOCKETS, **texts: str) -> Snapshot:
    """A host with an engine's rules: ``web`` publishes 8080, ``db`` 8082, and 8081 on the loopback."""
    return captured(engine, sockets=sockets, **texts)


def surveyed(snapshot: Snapshot, engine: str, names: Mapping[str, str] | None = None) -> Survey:
    """names: of the containers web and db, if they have others."""
    second = re.search(r"br-[0-9a-f]{12}", snapshot.text("iptables") or "")
    networks = [_network("bridge", "docker0", "172.17.0.0/16"), _network("back", second.group() if second else "br-0", "172.18.0.0/16")]
    named = {"web": "web", "db": "db", **(names or {})}
    containers = [
        _container(named["web"], "bridge", "172.17.0.2", [_port("0.0.0.0", 8080), _port("::", 8080)]),
        _container(named["db"], "back", "172.18.0.2", [_port("127.0.0.1", 8081), _port("0.0.0.0", 8082)]),
    ]
    return Survey(
        answers=EngineAnswers({"Version": engine}, {"ServerVersion": engine}, networks, containers), proxy="on", variant="nft",
        rulesets={4: parse(snapshot.text("iptables") or ""), 6: parse(snapshot.text("ip6tables") or "")}, sets={}, tables={}, other_variant="legacy",
        other_rules=0, shared_bridges=frozenset(), flowtables=[], vrfs=[], engine_tables={}, forwards_at_boot=True, event_service="absent", late_ports="kernel",
        warnings=[],
    )


def audited(engine: str, zones: Mapping[object, object] | None = None, most_targets: int = 500, names: Mapping[str, str] | None = None) -> dict[str, object]:
    """What firewall_audit_info returns about such a host."""
    snapshot = recorded(engine)
    return put_together(surveyed(snapshot, engine, names), snapshot, [], "absent", Asked("auto", parse_zones(zones or {}), most_targets))


def _network(name: str, bridge: str, subnet: str) -> dict[str, object]:
    return {"Name": name, "Id": name * 12, "Driver": "bridge", "Options": {"com.docker.network.bridge.name": bridge}, "IPAM": {"Config": [{"Subnet": subnet}]}}


def _port(address: str, port: int) -> dict[str, object]:
    return {"IP": address, "PrivatePort": 80, "PublicPort": port, "Type": "tcp"}


def _container(name: str, network: str, address: str, ports: list[dict[str, object]]) -> dict[str, object]:
    attached = {network: {"NetworkID": network * 12, "IPAddress": address}}
    return {"Id": name, "Names": ["/" + name], "Labels": {}, "HostConfig": {"NetworkMode": network}, "NetworkSettings": {"Networks": attached}, "Ports": ports}
