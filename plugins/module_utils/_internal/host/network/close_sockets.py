# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Close TCP sockets of other processes on this host. Both ends learn at once that the connection is over."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

from ..system.system import System

# This many fit on a command line, with room to spare.
_AT_ONCE = 200


class FlowEnds(NamedTuple):
    """A connection as this host sees it."""

    address: str
    port: int
    peer: str
    peer_port: int


def close(system: System, connections: List[FlowEnds]) -> Optional[str]:
    """Close this host's sockets of these connections. Return why some are still open, None if all are closed."""
    if not connections:
        return None
    program = system.which("ss")
    if program is None:
        return "ss is not installed (package iproute2)"
    for start in range(0, len(connections), _AT_ONCE):
        chosen = " or ".join("( %s )" % _filter(ends) for ends in connections[start : start + _AT_ONCE])
        system.run([program, "-K", "-H", "-n", "-t", "state", "connected", chosen])
        # If the kernel closes nothing, the output of ss depends on its release.
        left = system.run([program, "-H", "-n", "-t", "state", "established", chosen])
        if left.rc != 0 or left.stdout.strip():
            return "the kernel closes no sockets (CONFIG_INET_DIAG_DESTROY)"
    return None


def _filter(ends: FlowEnds) -> str:
    return "src %s and dst %s" % (_spoken(ends.address, ends.port), _spoken(ends.peer, ends.peer_port))


def _spoken(address: str, port: int) -> str:
    return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)
