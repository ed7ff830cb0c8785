# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Containers that are namespaces, on a bridge of this namespace by veth pairs, as Docker attaches them."""
from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Mapping

from .containers import Containers
from .link import carry
from .namespace import entered

BRIDGE = "br-0123456789ab"


def sh(*argv: str) -> None:
    """Run a command."""
    subprocess.run(argv, check=True, capture_output=True)


class Bridged:
    """The bridge is 192.0.2.1 and 2001:db8::1. A container's number is the end of its addresses."""

    def __init__(self, found: Containers) -> None:
        self.found = found
        self.numbers: dict[str | None, int] = {None: 1}
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
        sh("ip", "address", "add", "192.0.2.1/24", "dev", BRIDGE)
        sh("ip", "address", "add", "2001:db8::1/64", "dev", BRIDGE, "nodad")
        sh("ip", "link", "set", BRIDGE, "up")

    def start(self, name: str, number: int, port: str, labels: Mapping[str, str] | None = None) -> str:
        """A container that runs, with a bridge port of this name."""
        identity = self.found.start(name, labels=labels)
        self.attach(name, number, port)
        return identity

    def attach(self, name: str, number: int, port: str) -> None:
        """Connect a container that runs to the bridge."""
        self.numbers[name] = number
        sh("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(self.found.pid(name)))
        sh("ip", "link", "set", port, "master", BRIDGE, "up")
        with self.inside(name):
            sh("ip", "address", "add", "192.0.2.%d/24" % number, "dev", "eth0")
            sh("ip", "address", "add", "2001:db8::%d/64" % number, "dev", "eth0", "nodad")
            sh("ip", "link", "set", "eth0", "up")
            sh("ip", "link", "set", "lo", "up")
            carry("eth0")
        carry(port, BRIDGE)

    def reaches(self, source: str | None, target: str | None, family: int = 4, flush: bool = True) -> bool:
        """Whether a datagram from a container, or from the host for None, arrives at a container or the host.

        flush: forget hardware addresses first, so that they have to be asked for.
        """
        kind = socket.AF_INET6 if family == 6 else socket.AF_INET
        address = ("2001:db8::%d" if family == 6 else "192.0.2.%d") % self.numbers[target]
        with self.inside(target):
            if flush:
                sh("ip", "neighbour", "flush", "all")
            listener = socket.socket(kind, socket.SOCK_DGRAM)
            listener.bind((address, 7000))
            listener.settimeout(0.3)
        with listener, self.inside(source), socket.socket(kind, socket.SOCK_DGRAM) as sender:
            # Who was not found is looked for again a second later only.
            if flush:
                sh("ip", "neighbour", "flush", "all")
            for _attempt in range(2):
                try:
                    sender.sendto(b"x", (address, 7000))
                    return listener.recv(10) == b"x"
                except OSError:
                    continue
        return False

    def know(self, source: str, target: str) -> None:
        """Tell a container another one's hardware address."""
        with self.inside(target):
            shown = subprocess.run(["ip", "-o", "link", "show", "eth0"], capture_output=True, text=True, check=True).stdout
        mac = shown.partition("link/ether ")[2].split()[0]
        with self.inside(source):
            sh("ip", "neighbour", "replace", "192.0.2.%d" % self.numbers[target], "lladdr", mac, "dev", "eth0", "nud", "permanent")

    def inside(self, name: str | None) -> contextlib.AbstractContextManager[None]:
        """In a container's namespace, or here for None."""
        return contextlib.nullcontext() if name is None else entered("/proc/%d/ns/net" % self.found.pid(name))
