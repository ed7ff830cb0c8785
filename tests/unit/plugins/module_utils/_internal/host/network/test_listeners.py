# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Sockets that hold a port, as the kernel lists them."""
import os
import socket
from contextlib import closing

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.listeners import Listener, listeners, owner
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

SCTP = """ ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
ffff8d1f ffff8d20 2   10  29   5000      0 29341 192.0.2.7 2001:db8::7
ffff8d21 ffff8d22 2   10  29   5001      0 29342 0.0.0.0
"""


class Kernel(System):
    """One whose SCTP end points are these."""

    def read(self, path):
        return SCTP if path.endswith("sctp/eps") else None


def of_port(protocol, port):
    return [(item.families, item.address) for item in listeners(System(), protocol) if item.port == port]


@pytest.mark.parametrize("address, families, seen", [
    ("0.0.0.0", (4,), None), ("127.0.0.2", (4,), "127.0.0.2"), ("::", (4, 6), None), ("::1", (6,), "::1"),
])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_this_process_holds(address, families, seen, protocol):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)) as held:
        held.bind((address, 0))
        port = held.getsockname()[1]
        if protocol == "tcp":
            assert of_port(protocol, port) == []
            held.listen(1)
        assert of_port(protocol, port) == [(families, seen)]
        (inode,) = {item.inode for item in listeners(System(), protocol) if item.port == port}
        assert owner(inode).endswith("(process %d)" % os.getpid())
    assert of_port(protocol, port) == []


def test_a_client_s_socket_holds_nothing():
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
        client.connect(("127.0.0.1", 9))
        assert of_port("udp", client.getsockname()[1]) == []


def test_sctp():
    assert listeners(Kernel(), "sctp") == [
        Listener("sctp", (4,), "192.0.2.7", 5000, 29341), Listener("sctp", (6,), "2001:db8::7", 5000, 29341),
        Listener("sctp", (4,), None, 5001, 29342)]
    assert listeners(Kernel(), "tcp") == []


def test_nobody_s_socket():
    assert owner(0) == "a process of another namespace, or the kernel"
