# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the engine of a stage says, and the rules that it made. It keeps nobody from forwarding, and bridges are not kept apart:
whatever stops a packet there is the collection's."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from .forge_stage import ADDRESS, CONTAINER, DOCKER0, LEG, MAC, OTHER, OTHER_BRIDGE, PEER, QUIET, QUIET_BRIDGE, QUIETER, SUBNETS

# Led to the container by the engine's rules, or to the other one; served by docker-proxy; a service of the host; what containers serve; what a policy lets
# containers of one network use; opened for the peer; a service for those
# who are trusted.
DNATED, DNATED_TO_OTHER, PROXIED, SERVICE, INSIDE, SHARED, OPENED, TRUSTED = 8080, 8084, 8083, 9000, 80, 9999, 7000, 22
PROTOCOLS = ("tcp", "udp", "sctp")
_NETWORKS = {"bridge": (DOCKER0, "ab" * 32), "app": (OTHER_BRIDGE, "0123456789ab" + "cd" * 26),
             "quiet": (QUIET_BRIDGE, "00000000cafe" + "ef" * 26)}
# By container, its ends on networks, and what it publishes.
# By container: its ends by network, and its published ports.
_OF: dict[str, tuple[dict[str, str], list[int]]] = {
    CONTAINER: ({"bridge": CONTAINER}, [DNATED, PROXIED]), PEER: ({"bridge": PEER}, []),
    OTHER: ({"app": OTHER, "bridge": LEG}, [DNATED_TO_OTHER]), QUIET: ({"quiet": QUIET}, []), QUIETER: ({"quiet": QUIETER}, [])}
INFO = {
    "ServerVersion": "26.1.5", "IPv4Forwarding": True, "SecurityOptions": [], "Swarm": {"LocalNodeState": "inactive"}, "Warnings": None,
    "Name": "host",
}


class _Container(TypedDict):
    """As /containers/json tells of one."""

    Id: str
    Names: list[str]
    Image: str
    Labels: dict[str, str]
    State: str
    Status: str
    HostConfig: dict[str, str]
    NetworkSettings: dict[str, object]
    Ports: list[dict[str, object]]


def answers(namespaces: Mapping[str, str]) -> dict[str, object]:
    """By path, what the engine answers. namespaces: by container, the path of the one that its process is in."""
    containers = {name: _container(name, *on) for name, on in _OF.items()}
    found: dict[str, object] = {
        "/version": {"Version": INFO["ServerVersion"], "ApiVersion": "1.54"}, "/info": INFO,
        "/networks": [_network(name) for name in _NETWORKS], "/containers/json": list(containers.values()),
    }
    for name, item in containers.items():
        process = {"Status": "running", "Running": True, "Pid": int(namespaces[name].split("/")[2]), "StartedAt": "2026-01-01T00:00:00.1Z"}
        found["/containers/%s/json" % item["Id"]] = dict(
            item, Name="/" + name, State=process, Config={"Labels": {}, "Image": "server"}, Mounts=[],
            NetworkSettings=dict(item["NetworkSettings"], SandboxKey=namespaces[name]))
    return found


def _network(name: str) -> dict[str, object]:
    bridge, identity = _NETWORKS[name]
    gateways = {DOCKER0: "gateway", OTHER_BRIDGE: "other gateway", QUIET_BRIDGE: "quiet gateway"}
    return {
        "Name": name, "Id": identity, "Driver": "bridge", "Scope": "local", "Internal": False, "Ingress": False, "EnableIPv4": True,
        "EnableIPv6": 6 in SUBNETS[bridge], "Labels": {}, "Containers": {},
        "Options": {"com.docker.network.bridge.name": bridge} if name == "bridge" else {},
        "IPAM": {"Driver": "default", "Options": None, "Config": [
            {"Subnet": SUBNETS[bridge][family], "Gateway": ADDRESS[gateways[bridge]][family]} for family in SUBNETS[bridge]]},
    }


def _container(name: str, ends: Mapping[str, str], published: Iterable[int]) -> _Container:
    attached = {network: {"IPAddress": ADDRESS[end][4], "GlobalIPv6Address": ADDRESS[end].get(6, ""), "NetworkID": _NETWORKS[network][1],
                          "MacAddress": MAC[end]} for network, end in ends.items()}
    return {
        "Id": "%064x" % (sorted(_OF).index(name) + 1), "Names": ["/" + name], "Image": "server", "Labels": {}, "State": "running",
        "Status": "Up", "HostConfig": {"NetworkMode": next(iter(ends))}, "NetworkSettings": {"Networks": attached},
        "Ports": [{"IP": address, "PrivatePort": INSIDE, "PublicPort": port, "Type": protocol}
                  for port in published for protocol in PROTOCOLS for address in ("0.0.0.0", "::")],
    }


def engines_rules(family: int) -> str:
    """iptables-restore's input."""
    to = "%s" if family == 4 else "[%s]"
    led = ((DOCKER0, DNATED, CONTAINER), (OTHER_BRIDGE, DNATED_TO_OTHER, OTHER))
    dnat = ["-A DOCKER ! -i %s -p %s -m %s --dport %d -j DNAT --to-destination %s:%d"
            % (bridge, protocol, protocol, port, to % ADDRESS[name][family], INSIDE) for bridge, port, name in led for protocol in PROTOCOLS]
    masquerade = ["-A POSTROUTING -s %s ! -o %s -j MASQUERADE" % (subnets[family], bridge) for bridge, subnets in SUBNETS.items()
                  if family in subnets]
    return "\n".join([
        "*nat", ":DOCKER - [0:0]", "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER", *masquerade, *dnat, "COMMIT",
        "*filter", ":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j RETURN", "COMMIT", ""])
