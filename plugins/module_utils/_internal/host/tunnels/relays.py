# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Relays on this machine: docker-proxy, a bastion in a container, sshd itself.

A relay holds the other end of a TCP connection, in any network namespace. This module finds the connections that the relay has accepted.
"""

from __future__ import annotations

import os
import re
import socket
from typing import Dict, List, NamedTuple, Optional, Set

from ...errors import DrawbridgeError
from ..network.sockets import FlowEnds, TcpSockets, sockets_of, tcp_of
from ..network.ssh import parent
from ..system.process import PROC, netns_inode, netns_path
from ..system.system import System


class Inbound(NamedTuple):
    """A connection that a process has accepted. here: whether its socket is in the host's network namespace."""

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    pid: int
    descriptor: int
    here: bool


def asked_by(system: System, ends: FlowEnds) -> Optional[List[Inbound]]:
    """Find the process that holds the socket with these ends. Return the connections accepted by it or its nearest ancestor.

    None if no process of this machine holds the socket. A process may have accepted several connections: only one of them is the right one.
    """
    for pids in _namespaces():
        # The kernel takes long to list all connections of a namespace.
        if not _has_address(system, pids[0], ends[0]):
            continue
        table = tcp_of(system, pids[0])
        number = next((number for number, its in table.established.items() if its == ends), None)
        holder = None if number is None else next((pid for pid in pids if number in sockets_of(pid)), None)
        if holder is not None:
            return _accepted(system, holder, set(pids), table)
    return None


def _accepted(system: System, holder: int, pids: Set[int], table: TcpSockets) -> List[Inbound]:
    here = netns_inode(netns_path(holder)) == netns_inode(PROC + "/thread-self/ns/net")
    pid = holder
    while pid > 0 and pid in pids:
        found = [
            Inbound(*table.established[number], pid, descriptor, here) for number, descriptor in sockets_of(pid).items()
            if number in table.established and table.established[number][1] in table.listening
        ]
        if found:
            return found
        pid = parent(system, pid)
    return []


def _namespaces() -> List[List[int]]:
    """Return the processes of each network namespace."""
    found: Dict[int, List[int]] = {}
    for name in os.listdir(PROC):
        try:
            inode = netns_inode(netns_path(int(name))) if name.isdigit() else None
        except DrawbridgeError:
            continue
        if inode is not None:
            found.setdefault(inode, []).append(int(name))
    return list(found.values())


def _has_address(system: System, pid: int, address: str) -> bool:
    """Tell whether the network namespace of a process has an address."""
    folder = "%s/%d/net/" % (PROC, pid)
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address).hex() in (system.read(folder + "if_inet6") or "")
    return re.search(r"\|-- %s\n +/32 host LOCAL" % re.escape(address), system.read(folder + "fib_trie") or "") is not None
