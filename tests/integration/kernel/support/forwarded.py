# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Datagrams that the namespace of the test forwards, from ``inside`` to ``outside``."""
from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping

from .host import Host
from .link import carry
from .namespace import entered

_AF = {4: socket.AF_INET, 6: socket.AF_INET6}
_NETS = {"inside": {4: "198.51.100.%d", 6: "2001:db8:a::%d"}, "outside": {4: "203.0.113.%d", 6: "2001:db8:b::%d"}}
_PREFIX = {4: 24, 6: 64}
_LAST = 65000


class Way:
    """From one end to the other."""

    def __init__(self, ends: Mapping[str, str]) -> None:
        self._ends = ends

    def arrives(self, family: int, port: int) -> bool:
        """Whether a datagram to a port does: one to another port, sent after it, has to come in any case."""
        target = _NETS["outside"][family] % 2
        with entered(self._ends["outside"]):
            listeners = [self._listener(family, target, number) for number in (port, _LAST)]
        with entered(self._ends["inside"]), socket.socket(_AF[family], socket.SOCK_DGRAM) as sender:
            for number in (port, _LAST):
                sender.sendto(b"here", (target, number))
        with contextlib.ExitStack() as stack:
            first, last = map(stack.enter_context, listeners)
            assert last.recv(10) == b"here"
            first.setblocking(False)
            try:
                return bool(first.recv(10))
            except BlockingIOError:
                return False

    @staticmethod
    def _listener(family: int, address: str, port: int) -> socket.socket:
        listener = socket.socket(_AF[family], socket.SOCK_DGRAM)
        listener.bind((address, port))
        listener.settimeout(10)
        return listener


@contextlib.contextmanager
def between(host: Host) -> Iterator[Way]:
    """Two namespaces, and the test's own forwards between them."""
    here = os.readlink("/proc/thread-self/ns/net")
    with contextlib.ExitStack() as stack:
        ends = {}
        for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            with open("/proc/sys/net/" + setting, "w", encoding="ascii") as file:
                file.write("1")
        with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w", encoding="ascii") as file:
            file.write("0")
        for name, nets in _NETS.items():
            process = stack.enter_context(subprocess.Popen(["unshare", "--net", "sleep", "120"]))
            stack.callback(process.kill)
            while os.readlink("/proc/%d/ns/net" % process.pid) == here:
                time.sleep(0.01)
            ends[name] = "/proc/%d/ns/net" % process.pid
            host.sh("ip", "link", "add", name, "type", "veth", "peer", "name", "end", "netns", str(process.pid))
            _addresses(host, name, nets, 1)
            with entered(ends[name]):
                _addresses(host, "end", nets, 2)
                for family in _AF:
                    host.sh("ip", "-%d" % family, "route", "add", "default", "via", nets[family] % 1)
                carry("end")
            carry(name)
        yield Way(ends)


def _addresses(host: Host, interface: str, nets: Mapping[int, str], last: int) -> None:
    for family, net in nets.items():
        host.sh("ip", "address", "add", "%s/%d" % (net % last, _PREFIX[family]), "dev", interface, *(["nodad"] if family == 6 else []))
    host.sh("ip", "link", "set", interface, "up")
