# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The task's SSH connection, from the socket of the sshd process above this one.

``become`` removes the environment variables. The process tree stays.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from typing import Dict, NamedTuple, Optional, Tuple

from ..system.system import System

_ESTABLISHED = "01"
_MAPPED = "::ffff:"


class Connection(NamedTuple):
    """Both ends as the host sees them. Addresses have no prefix length."""

    local_address: str
    local_port: int
    remote_address: str


class AcceptedSocket(NamedTuple):
    """The connection's socket: the remote port, the process that has it open, and that process's file descriptor."""

    connection: Connection
    remote_port: int
    pid: int
    descriptor: int


def controlling_connection(system: System, proc: str = "/proc") -> Optional[Connection]:
    """Return the connection of the nearest sshd above this process, None if there is none (a local run, another transport)."""
    found = controlling_socket(system, proc)
    return None if found is None else found.connection


def controlling_socket(system: System, proc: str = "/proc") -> Optional[AcceptedSocket]:
    """Return the same connection with its socket."""
    sockets: Optional[Dict[str, Tuple[Connection, int]]] = None
    pid = os.getpid()
    while pid > 1:
        if (system.read("%s/%d/comm" % (proc, pid)) or "").startswith("sshd"):
            if sockets is None:
                sockets = _connections(system, proc)
            found = _own_connection(proc, pid, sockets)
            if found is not None:
                return found
        pid = parent(system, pid, proc)
    return None


def parent(system: System, pid: int, proc: str = "/proc") -> int:
    """Return the parent process's id, 0 if there is none."""
    # The process name stands before the state. It may contain any character, parentheses too.
    fields = (system.read("%s/%d/stat" % (proc, pid)) or "").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _own_connection(proc: str, pid: int, sockets: Dict[str, Tuple[Connection, int]]) -> Optional[AcceptedSocket]:
    folder = "%s/%d/fd" % (proc, pid)
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    for name in names:
        try:
            target = os.readlink(os.path.join(folder, name))
        except OSError:
            continue
        found = re.fullmatch(r"socket:\[(\d+)\]", target)
        if found and found.group(1) in sockets:
            return AcceptedSocket(*sockets[found.group(1)], pid, int(name))
    return None


def _connections(system: System, proc: str) -> Dict[str, Tuple[Connection, int]]:
    """Return the established TCP connections of this network namespace by socket inode, with the remote port."""
    found: Dict[str, Tuple[Connection, int]] = {}
    for name in ("tcp", "tcp6"):
        for line in (system.read("%s/net/%s" % (proc, name)) or "").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _ESTABLISHED:
                local, port = fields[1].split(":")
                remote, remote_port = fields[2].split(":")
                found[fields[9]] = Connection(address_of(local), int(port, 16), address_of(remote)), int(remote_port, 16)
    return found


def address_of(text: str) -> str:
    """Parse an address of /proc/net. The kernel prints it as 32-bit words in the machine's byte order."""
    words = [int(text[index:index + 8], 16).to_bytes(4, sys.byteorder) for index in range(0, len(text), 8)]
    raw = b"".join(words)
    printed = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
    return printed[len(_MAPPED):] if printed.startswith(_MAPPED) and "." in printed else printed
