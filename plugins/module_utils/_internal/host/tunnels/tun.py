# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The outer packets of a tun or tap device, from the sockets of the program behind it: OpenVPN and similar VPNs."""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple

from ..network.conntrack import Flow, flows
from ..network.sockets import is_local, sockets_of, tcp_of, udp_of
from ..system.process import PROC
from ..system.system import System
from .arrival import came_in_by
from .tunnel import OtherEnd, OuterPacket, Tunnel

_DEVICE = "/dev/net/tun"
# Virtual machines send their own packets. They are not tunnels.
_MACHINES = ("qemu", "kvm", "cloud-hypervis", "firecracker", "crosvm")


def tun(system: System, interface: str) -> Tunnel:
    """Find the tunnel by the sockets of the program that has the device open.

    The program itself keeps open the connections and flows that it started.
    """
    pids = _programs(system, interface)
    if not pids:
        return Tunnel(interface, "tun", [], "no program has it open that can be seen here")
    known = flows(system) or []
    # A program with UDP sockets carries the packets over UDP. Its TCP connections are for something else.
    carried = [carrier for pid in pids for carrier in _udp(system, pid, known)] or [carrier for pid in pids for carrier in _tcp(system, pid, interface)]
    outers = list(dict.fromkeys(outer for carrier in carried for outer in carrier.taken))
    opened = list(dict.fromkeys(end for carrier in carried for end in carrier.made))
    return Tunnel(interface, "tun", outers, "" if carried else "the program that has it open has no socket that can be seen here", opened)


class _Carrier(NamedTuple):
    """A socket that may carry the tunnel. taken: who sends to it. made: whom the program itself sends to by it."""

    taken: List[OuterPacket]
    made: List[OtherEnd]


def _udp(system: System, pid: int, known: List[Flow]) -> List[_Carrier]:
    """Return the ends of each UDP socket of a process."""
    numbers = sockets_of(pid)
    return [_by_udp(address, port, known) for number, (address, port) in udp_of(system, pid).items() if number in numbers]


def _tcp(system: System, pid: int, interface: str) -> List[_Carrier]:
    """Return the other end of each TCP connection. Connections that come in by the device itself or by ``lo`` are left out."""
    table = tcp_of(system, pid)
    found: List[_Carrier] = []
    for number, descriptor in sockets_of(pid).items():
        if number in table.established and came_in_by(pid, descriptor) not in (interface, "lo"):
            local, port, remote, remote_port = table.established[number]
            accepted = port in table.listening
            found.append(_Carrier([OuterPacket("tcp", remote, local, port)], []) if accepted else _Carrier([], [OtherEnd("tcp", remote, remote_port)]))
    return found


def _by_udp(address: str, port: int, known: List[Flow]) -> _Carrier:
    """Return the other ends of a socket. If the program started all of its flows, nothing has to be let in."""
    udp = [flow for flow in known if flow.protocol == "udp"]
    inward = [flow for flow in udp if flow.port == port and is_local(flow.destination)]
    outward = [flow for flow in udp if flow.source_port == port and is_local(flow.source)]
    if inward or not outward:
        anybody = OuterPacket("udp", None, None if address in ("0.0.0.0", "::") else address, port)
        return _Carrier([OuterPacket("udp", flow.source, flow.destination, port) for flow in inward] or [anybody], [])
    return _Carrier([], [OtherEnd("udp", flow.destination, flow.port) for flow in outward])


def _programs(system: System, interface: str) -> List[int]:
    """Return the processes that have the device open."""
    wanted = re.compile(r"^iff:\s*%s$" % re.escape(interface), re.MULTILINE)
    found: List[int] = []
    for name in (name for name in os.listdir(PROC) if name.isdigit()):
        folder = "%s/%s" % (PROC, name)
        if (system.read(folder + "/comm") or "").startswith(_MACHINES):
            continue
        try:
            for descriptor in os.listdir(folder + "/fd"):
                if os.readlink("%s/fd/%s" % (folder, descriptor)) == _DEVICE:
                    if wanted.search(system.read("%s/fdinfo/%s" % (folder, descriptor)) or ""):
                        found.append(int(name))
                        break
        except OSError:
            continue
    return found
