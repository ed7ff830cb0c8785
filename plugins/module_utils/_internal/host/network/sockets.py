# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Sockets of a process and of its network namespace, as /proc shows them, and which addresses are the host's own."""

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
# An address and port, and the other end's.
FlowEnds = Tuple[str, int, str, int]


class TcpSockets(NamedTuple):
    """Those of one network namespace: established ones by their number, and the ports that somebody listens on."""

    established: Dict[str, FlowEnds]
    listening: Set[int]


def tcp_of(system: System, pid: int) -> TcpSockets:
    """Of the namespace that a process is in."""
    found = TcpSockets({}, set())
    for name in ("tcp", "tcp6"):
        for number, state, ends in _rows(system, pid, name):
            if state == _LISTENS:
                found.listening.add(ends[1])
            elif state == _ESTABLISHED:
                found.established[number] = ends
    return found


def udp_of(system: System, pid: int) -> Dict[str, Tuple[str, int]]:
    """The addresses and ports that the UDP sockets of a process's namespace have, by their number."""
    return {number: ends[:2] for name in ("udp", "udp6") for number, _state, ends in _rows(system, pid, name)}


def _rows(system: System, pid: int, name: str) -> Tuple[Tuple[str, str, FlowEnds], ...]:
    rows = [line.split() for line in (system.read("%s/%d/net/%s" % (PROC, pid, name)) or "").splitlines()[1:]]
    return tuple((fields[9], fields[3], (*_end(fields[1]), *_end(fields[2]))) for fields in rows if len(fields) > 9)


def _end(text: str) -> Tuple[str, int]:
    address, _colon, port = text.partition(":")
    return address_of(address), int(port, 16)


def sockets_of(pid: int) -> Dict[str, int]:
    """The numbers of a process's sockets, and its descriptors for them."""
    folder = "%s/%d/fd" % (PROC, pid)
    found: Dict[str, int] = {}
    try:
        for name in os.listdir(folder):
            its = _SOCKET.match(os.readlink("%s/%s" % (folder, name)))
            if its is not None:
                found[its.group(1)] = int(name)
    except OSError:
        # It has ended.
        pass
    return found


def is_local(address: str, vrf: str = "") -> bool:
    """Whether an address is one of the host's, or of a VRF's on it."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, vrf.encode())
            probe.bind((address, 0))
        except OSError:
            return False
    return True
