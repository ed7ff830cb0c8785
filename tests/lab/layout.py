# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Names, addresses and places of the lab: data only."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from . import own_engine

# Several labs can stand side by side on one machine, each in its own namespaces with the same addresses: a short word
# in the environment tells them apart.
LAB = os.environ.get("DRAWBRIDGE_LAB", "")
if not re.fullmatch(r"[a-z0-9]{0,8}", LAB):
    raise SystemExit("DRAWBRIDGE_LAB: at most 8 lower-case letters and digits")
_SUFFIX = f"-{LAB}" if LAB else ""
OUTER_NETNS = f"drawbridge-lab{_SUFFIX}"
NETNS_DIR = Path("/run/netns")
STATE = Path(f"/var/lib/drawbridge-lab{_SUFFIX}")
RUN = Path(f"/run/drawbridge-lab{_SUFFIX}")
LOCK = Path(f"/run/drawbridge-lab{_SUFFIX}.lock")
CACHE = Path(os.environ.get("DRAWBRIDGE_LAB_CACHE", "/var/cache/drawbridge-lab"))
PYTHON = "/usr/bin/python3"
GUEST = Path(__file__).parent / "guest"
SOCKET = RUN / "docker.sock"
# Where the lab's own programs lie on a host.
PROGRAMS = "/usr/local/lib/lab"
CGROUP_PARENT = f"/drawbridge-lab{_SUFFIX}"
SSH_KEY = STATE / "id_ed25519"
SSH_CONFIG = STATE / "ssh_config"
INVENTORY = STATE / "inventory.yml"
DESCRIPTION = STATE / "lab.json"

LAN_BRIDGE = "dbl-lan"
LAN_V4 = "192.0.2.0/24"
LAN_V6 = "2001:db8:1::/64"
LAN_BROADCAST = "192.0.2.255"
ALL_HOSTS_V4 = "224.0.0.1"
ALL_HOSTS_V6 = "ff02::1"
# The outer engine wants an address of its own on the bridge; nothing uses it.
ENGINE_V4 = "192.0.2.254"
ENGINE_V6 = "2001:db8:1::fe"

OUTSIDE_SERVER_TCP = 8000
OUTSIDE_SERVER_UDP = 8001


@dataclass(frozen=True)
class HostSpec:
    """A Docker host: a Debian suite booted with systemd, with its addresses.

    backend: of an engine that is not Debian's, None for Debian's.
    """

    name: str
    number: int
    backend: str | None = None

    @property
    def suite(self) -> str:
        """The Debian suite, which is also the host's name where the engine is Debian's."""
        return self.name if self.backend is None else own_engine.SUITE

    @property
    def v4(self) -> str:
        """First IPv4 address on the LAN."""
        return f"192.0.2.{self.number}"

    @property
    def v6(self) -> str:
        """First IPv6 address on the LAN."""
        return f"2001:db8:1::{self.number}"

    @property
    def v4_second(self) -> str:
        """Second IPv4 address on the same interface."""
        return f"192.0.2.{self.number + 100}"

    @property
    def v6_second(self) -> str:
        """Second IPv6 address on the same interface."""
        return f"2001:db8:1::{self.number + 100}"

    @property
    def _vm_base(self) -> int:
        return (self.number - 10) * 16

    @property
    def vm_network(self) -> str:
        """The network behind the host that is not Docker's."""
        return f"198.51.100.{self._vm_base}/28"

    @property
    def vm_gateway(self) -> str:
        """The host's address in its vm network."""
        return f"198.51.100.{self._vm_base + 1}"

    @property
    def vm(self) -> str:
        """The address of the server in the vm network."""
        return f"198.51.100.{self._vm_base + 2}"

    @property
    def net6(self) -> str:
        """The IPv6 subnet of the Docker network net6."""
        return f"fd00:db8:{self.number}::/64"


@dataclass(frozen=True)
class ClientSpec:
    """A network namespace on the LAN or behind the router."""

    name: str
    v4: str
    v6: str
    on_lan: bool = True

    @property
    def netns(self) -> str:
        """The name of its namespace."""
        return f"dbl{_SUFFIX}-{self.name}"


DEBIANS = {spec.name: spec for spec in (HostSpec("bookworm", 11), HostSpec("trixie", 12), HostSpec("forky", 13))}
_BACKENDS, LEFT_OUT = own_engine.chosen()
_NUMBERS = dict(zip(own_engine.NAMES, (14, 15), strict=True))
OWN_ENGINES = {name: HostSpec(name, _NUMBERS[name], backend) for name, backend in _BACKENDS.items()}
HOSTS = {**DEBIANS, **OWN_ENGINES}

ROUTER = ClientSpec("router", "192.0.2.1", "2001:db8:1::1")
ROUTER_OUTSIDE_V4 = "203.0.113.1"
ROUTER_OUTSIDE_V6 = "2001:db8:2::1"
OUTSIDE = ClientSpec("outside", "203.0.113.10", "2001:db8:2::10", on_lan=False)
CLIENTS = {
    spec.name: spec
    for spec in (
        ClientSpec("controller", "192.0.2.100", "2001:db8:1::100"),
        ClientSpec("allowed", "192.0.2.101", "2001:db8:1::101"),
        ClientSpec("denied", "192.0.2.102", "2001:db8:1::102"),
        OUTSIDE,
    )
}
NAMESPACES = (OUTER_NETNS, ROUTER.netns, *(client.netns for client in CLIENTS.values()))
