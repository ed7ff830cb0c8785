# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A container behind the host: a namespace at the other end of an interface that is named as Docker names bridges."""
from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from . import wire
from .namespace import entered, missing
from .watching import until

FAMILIES = (4, 6)
KIND = {4: socket.AF_INET, 6: socket.AF_INET6}
BRIDGE = "br-0123456789ab"
NETWORK = {4: "10.9.0.0/24", 6: "fd00:9::/64"}
GATEWAY, INNER = {4: "10.9.0.1", 6: "fd00:9::1"}, {4: "10.9.0.2", 6: "fd00:9::2"}


def listener(family: int, port: int) -> socket.socket:
    """A TCP socket that listens on all addresses of one family."""
    return socket.create_server(("", port), family=KIND[family], dualstack_ipv6=False)


def wired(interface: str, gateway: Mapping[int, str], pid: int, *others: Mapping[int, str]) -> str:
    """Make a wire into a process's namespace, where the other end is ``far`` → the namespace's path."""
    path = "/proc/%d/ns/net" % pid
    wire.ip("link", "add", interface, "type", "veth", "peer", "name", "far", "netns", str(pid))
    _up(interface, gateway)
    with entered(path):
        _up("far", *others)
        for family in FAMILIES:
            wire.ip("-%d" % family, "route", "add", "default", "via", gateway[family])
    return path


def _up(interface: str, *addresses: Mapping[int, str]) -> None:
    for both in addresses:
        wire.ip("address", "add", both[4] + "/24", "dev", interface)
        wire.ip("address", "add", both[6] + "/64", "dev", interface, "nodad")
    wire.ip("link", "set", interface, "up")


@contextlib.contextmanager
def container(client: wire.Wire) -> Iterator[str]:
    """The path of the container's namespace. The client reaches it through the host."""
    if missing("ip"):
        pytest.skip(missing("ip"))
    with wire.behind() as pid:
        path = wired(BRIDGE, GATEWAY, pid, INNER)
        for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            Path("/proc/sys/net/" + setting).write_text("1", encoding="ascii")
        with entered(client.path):
            for family in FAMILIES:
                wire.ip("-%d" % family, "route", "add", NETWORK[family], "via", wire.HOST[family])
            until(lambda: all(wire.ping(family, INNER[family]) for family in FAMILIES), "the container")
        yield path
