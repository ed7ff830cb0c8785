# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The ways into, out of and around a Docker host, as data: each path makes its probe for a host and an origin.

kind says what a default-deny policy for published ports does to a path:
  published  closed to the denied client, open to the allowed one
  direct     to a container's own address: closed to the denied client; engines from 28 on close it to everybody
  foreign    from outside, but nothing of Docker's: stays as it is
  inside     starts on the host or in a container: stays as it is
witness is a container that tells what arrived, for datagrams whose answer the engine may lose.
origin is "client", or where the probe starts on the host: "host", "vm" or a container's name.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import layout
from .api import Client, Container, Host
from .layout import OUTSIDE
from .probing import Probe

PUBLISHED, DIRECT, FOREIGN, INSIDE = "published", "direct", "foreign", "inside"


@dataclass(frozen=True)
class Target:
    """A host with its containers as they run now."""

    host: Host
    containers: Mapping[str, Container]

    @property
    def spec(self) -> layout.HostSpec:
        """The host's addresses."""
        return self.host.spec

    def address(self, container: str) -> str:
        """A container's IPv4 address."""
        return self.containers[container].v4

    def through(self, address: str, port: int) -> Probe:
        """A probe to an address behind this host, routed through it."""
        return Probe("tcp", address, port, mark=self.spec.number)

    def datagram(self, address: str, client: Client | None) -> Probe:
        """A datagram to the container udp, perhaps to a group; answers of this host count from any of its addresses."""
        spec = self.spec
        source = client.spec.v6 if client and ":" in address else ""
        answers = (spec.v4, spec.v4_second, spec.v6, spec.v6_second)
        return Probe("udp", address, 5300, answers_from=answers, source=source, payload=f"probe-{secrets.token_hex(6)}")

    def arrived(self, container: str) -> str:
        """What the container lately received by UDP: an engine may bring a datagram in and lose the answer."""
        return self.host.run(["docker", "logs", "--tail", "400", container]).stdout


Build = Callable[[Target, Client | None], Probe]


@dataclass(frozen=True)
class Path:
    """One way, and how to try it."""

    name: str
    kind: str
    build: Build
    origin: str = "client"
    lan_only: bool = False
    witness: str = ""


def _tcp(address: Callable[[layout.HostSpec], str], port: int) -> Build:
    return lambda target, _client: Probe("tcp", address(target.spec), port)


def _fixed(protocol: str, address: str, port: int) -> Build:
    return lambda _target, _client: Probe(protocol, address, port)


FROM_CLIENTS = (
    Path("v4 published 8080->80", PUBLISHED, _tcp(lambda h: h.v4, 8080)),
    Path("v4 published, same port 8081", PUBLISHED, _tcp(lambda h: h.v4, 8081)),
    Path("v4 published on one address 8082", PUBLISHED, _tcp(lambda h: h.v4_second, 8082)),
    Path("v4 published range 8102", PUBLISHED, _tcp(lambda h: h.v4, 8102)),
    Path("v4 published on net6 8083", PUBLISHED, _tcp(lambda h: h.v4, 8083)),
    Path("v4 published, second address 8080", PUBLISHED, _tcp(lambda h: h.v4_second, 8080)),
    Path("v4 UDP 5300", PUBLISHED, lambda t, c: t.datagram(t.spec.v4, c), witness="udp"),
    Path("v4 UDP broadcast 5300", PUBLISHED, lambda t, c: t.datagram(layout.LAN_BROADCAST, c), lan_only=True,
         witness="udp"),
    Path("v4 UDP multicast 5300", PUBLISHED, lambda t, c: t.datagram(layout.ALL_HOSTS_V4, c), lan_only=True,
         witness="udp"),
    Path("v6 published by docker-proxy 8080", PUBLISHED, _tcp(lambda h: h.v6, 8080)),
    Path("v6 published on one address 8082", PUBLISHED, _tcp(lambda h: h.v6_second, 8082)),
    Path("v6 published on net6 8083", PUBLISHED, _tcp(lambda h: h.v6, 8083)),
    Path("v6 UDP by docker-proxy 5300", PUBLISHED, lambda t, c: t.datagram(t.spec.v6, c), witness="udp"),
    Path("v6 UDP multicast 5300", PUBLISHED, lambda t, c: t.datagram(f"{layout.ALL_HOSTS_V6}%eth0", c), lan_only=True,
         witness="udp"),
    Path("v4 container's own address :80", DIRECT, lambda t, _c: t.through(t.address("web"), 80), lan_only=True),
    Path("v4 own address, published on loopback", DIRECT, lambda t, _c: t.through(t.address("local"), 80),
         lan_only=True),
    Path("v6 container's own address :80", DIRECT, lambda t, _c: t.through(t.containers["six"].v6, 80),
         lan_only=True),
    Path("v4 host service 9000", FOREIGN, _tcp(lambda h: h.v4, 9000)),
    Path("v6 host service 9000", FOREIGN, _tcp(lambda h: h.v6, 9000)),
    Path("v4 host service, other address 8082", FOREIGN, _tcp(lambda h: h.v4, 8082)),
    Path("v6 host service, other address 8082", FOREIGN, _tcp(lambda h: h.v6, 8082)),
    Path("v4 SSH", FOREIGN, _tcp(lambda h: h.v4, 22)),
    Path("v6 SSH", FOREIGN, _tcp(lambda h: h.v6, 22)),
    Path("v4 forwarded, not Docker's :8000", FOREIGN, _tcp(lambda h: h.vm, 8000)),
    Path("v4 ping", FOREIGN, lambda t, _c: Probe("icmp", t.spec.v4)),
    Path("v6 ping", FOREIGN, lambda t, _c: Probe("icmp", t.spec.v6)),
)

INSIDE_PATHS = (
    Path("container -> outside", INSIDE, _fixed("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP), "web"),
    Path("container -> outside, UDP", INSIDE, _fixed("udp", OUTSIDE.v4, layout.OUTSIDE_SERVER_UDP), "web"),
    Path("container on net6 -> outside, v6", INSIDE, _fixed("tcp", OUTSIDE.v6, layout.OUTSIDE_SERVER_TCP), "six"),
    Path("container -> container, same bridge", INSIDE, lambda t, _c: Probe("tcp", t.address("same"), 8081), "web"),
    Path("container -> container, backend", INSIDE, lambda t, _c: Probe("tcp", t.address("peer2"), 80), "peer"),
    Path("container -> container, other bridge", INSIDE, lambda t, _c: Probe("tcp", t.address("peer"), 80), "web"),
    Path("container -> host service 9000", INSIDE, lambda t, _c: Probe("tcp", t.containers["web"].gateway, 9000),
         "web"),
    Path("container -> published, same bridge", INSIDE, _tcp(lambda h: h.v4, 8081), "web"),
    Path("container -> published, other bridge", INSIDE, _tcp(lambda h: h.v4, 8080), "peer"),
    Path("host -> 127.0.0.1:8080", INSIDE, _fixed("tcp", "127.0.0.1", 8080), "host"),
    Path("host -> 127.0.0.1:8090, loopback only", INSIDE, _fixed("tcp", "127.0.0.1", 8090), "host"),
    Path("host -> [::1]:8080", INSIDE, _fixed("tcp", "::1", 8080), "host"),
    Path("host -> its own address 8080", INSIDE, _tcp(lambda h: h.v4, 8080), "host"),
    Path("host -> outside", INSIDE, _fixed("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP), "host"),
    Path("vm -> outside", INSIDE, _fixed("tcp", OUTSIDE.v4, layout.OUTSIDE_SERVER_TCP), "vm"),
)

PATHS = FROM_CLIENTS + INSIDE_PATHS
