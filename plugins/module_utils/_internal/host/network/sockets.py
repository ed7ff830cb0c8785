# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sockets of a process and of its network namespace, from /proc; and a test for the host's own addresses."""

from __future__ import annotations

import os
import re
import socket
from typing import Dict, NamedTuple, Set, Tuple

from ..system.process import PROC
from ..system.system import System
from .ssh import address_of

_ESTABLISHED, _LISTENS = "01", "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]")
# The local address and port, and the remote address and port.
FlowEnds = Tuple[str, int, str, int]


class TcpSockets(NamedTuple):
    """TCP sockets of one network namespace: the established ones by socket number, and the listening ports."""

    established: Dict[str, FlowEnds]
    listening: Set[int]


def tcp_of(system: System, pid: int) -> TcpSockets:
    """Return the TCP sockets of a process's network namespace."""
    found = TcpSockets({}, set())
    for name in ("tcp", "tcp6"):
        for number, state, ends in _rows(system, pid, name):
            if state == _LISTENS:
                found.listening.add(ends[1])
            elif state == _ESTABLISHED:
                found.established[number] = ends
    return found


def udp_of(system: System, pid: int) -> Dict[str, Tuple[str, int]]:
    """Return the addresses and ports of the UDP sockets in a process's network namespace, by socket number."""
    return {number: ends[:2] for name in ("udp", "udp6") for number, _state, ends in _rows(system, pid, name)}


def _rows(system: System, pid: int, name: str) -> Tuple[Tuple[str, str, FlowEnds], ...]:
    rows = [line.split() for line in (system.read("%s/%d/net/%s" % (PROC, pid, name)) or "").splitlines()[1:]]
    return tuple((fields[9], fields[3], (*_end(fields[1]), *_end(fields[2]))) for fields in rows if len(fields) > 9)


def _end(text: str) -> Tuple[str, int]:
    address, _colon, port = text.partition(":")
    return address_of(address), int(port, 16)


def sockets_of(pid: int) -> Dict[str, int]:
    """Map the numbers of a process's sockets to its file descriptors for them."""
    folder = "%s/%d/fd" % (PROC, pid)
    found: Dict[str, int] = {}
    try:
        for name in os.listdir(folder):
            its = _SOCKET.match(os.readlink("%s/%s" % (folder, name)))
            if its is not None:
                found[its.group(1)] = int(name)
    except OSError:
        # The process has ended.
        pass
    return found


def is_local(address: str, vrf: str = "") -> bool:
    """Tell whether an address is one of the host's, or of a VRF on the host."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vrf.encode())
            probe.bind((address, 0))
        except OSError:
            return False
    return True
