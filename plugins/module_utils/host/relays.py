# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Who on this machine is the other end of a TCP connection, in whatever network namespace, and by which connections of its own it was asked for that:
docker-proxy, a bastion in a container, sshd itself."""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from ..errors import DrawbridgeError
from .process import PROC, netns_inode, netns_path
from .sockets import Ends, TcpSockets, sockets_of, tcp_of
from .ssh import parent
from .system import System


class Inbound(NamedTuple):
    """A connection that a process has accepted. here: whether its socket is in the host's own network namespace."""

    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    pid: int
    descriptor: int
    here: bool


def asked_by(system: System, ends: Ends) -> Optional[List[Inbound]]:
    """The connections that the process has accepted, or the nearest one above it, which holds the socket with these ends.

    None where no process of this machine holds it. A process may have accepted several, of which one is meant.
    """
    for pids, table in _namespaces(system):
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


def _namespaces(system: System) -> Iterator[Tuple[List[int], TcpSockets]]:
    """The processes of each network namespace, and its sockets."""
    found: Dict[int, List[int]] = {}
    for name in os.listdir(PROC):
        try:
            inode = netns_inode(netns_path(int(name))) if name.isdigit() else None
        except DrawbridgeError:
            continue
        if inode is not None:
            found.setdefault(inode, []).append(int(name))
    for pids in found.values():
        yield pids, tcp_of(system, pids[0])
