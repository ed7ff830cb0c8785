# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Close TCP sockets of other processes on this host. Both ends learn at once that the connection is over."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Sequence

from ..system.system import System

# This many fit on a command line, with room to spare.
_AT_ONCE = 200


class FlowEnds(NamedTuple):
    """A connection as this host sees it."""

    address: str
    port: int
    peer: str
    peer_port: int


# Sockets whose own end is not on the loopback.
NOT_LOOPBACK = "not ( src 127.0.0.0/8 or src [::1] )"


def close(system: System, connections: List[FlowEnds]) -> Optional[str]:
    """Close this host's sockets of these connections. Return why some are still open, None if all are closed."""
    return close_matching(system, [_filter(ends) for ends in connections])


def close_matching(system: System, filters: Sequence[str]) -> Optional[str]:
    """Close the sockets that any of these filters matches, in the words of ss. Return why some are still open, None if all are closed."""
    if not filters:
        return None
    program = system.which("ss")
    if program is None:
        return "ss is not installed (package iproute2)"
    for start in range(0, len(filters), _AT_ONCE):
        chosen = " or ".join("( %s )" % one for one in filters[start:start + _AT_ONCE])
        system.run([program, "-K", "-H", "-n", "-t", "state", "connected", chosen])
        # If the kernel closes nothing, the output of ss depends on its release.
        left = system.run([program, "-H", "-n", "-t", "state", "established", chosen])
        if left.rc != 0 or left.stdout.strip():
            return "the kernel closes no sockets (CONFIG_INET_DIAG_DESTROY)"
    return None


def with_peer(address: str) -> str:
    """Return the filter for sockets whose other end has this address."""
    return ("dst [%s]" if ":" in address else "dst %s") % address


def _filter(ends: FlowEnds) -> str:
    return "src %s and dst %s" % (_spoken(ends.address, ends.port), _spoken(ends.peer, ends.peer_port))


def _spoken(address: str, port: int) -> str:
    return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)
