# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The flows that connection tracking knows. Only read: an entry that is deleted is made anew by the next packet of either side, and if
that is the server's, with client and server exchanged."""

from __future__ import annotations

import re
from socket import AF_INET6, inet_ntop, inet_pton
from typing import List, NamedTuple, Optional

from .system import System

# Of the network namespace that this thread is in.
TABLE = "/proc/thread-self/net/nf_conntrack"
_END = r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) "
_FLOW = re.compile(r"^ipv([46]) +\d+ (tcp|udp|sctp) +\d+ (?:\d+ )?([A-Z_]+ )?%s.*?%s" % (_END, _END), re.MULTILINE)


class Flow(NamedTuple):
    """A flow as its first packet was sent, and as its replies are. Addresses are in their shortest spelling.

    state: of TCP and SCTP, empty for others. answers_from, answers_from_port: the server, behind any translation. answers_to,
    answers_to_port: the client as the server sees it.
    """

    family: int
    protocol: str
    state: str
    source: str
    source_port: int
    destination: str
    port: int
    answers_from: str
    answers_from_port: int
    answers_to: str = ""
    answers_to_port: int = 0

    @property
    def is_translated(self) -> bool:
        """Whether the server is another than the one that the client dialled."""
        return (self.answers_from, self.answers_from_port) != (self.destination, self.port)


def flows(system: System) -> Optional[List[Flow]]:
    """TCP, UDP and SCTP flows of both families; None where neither the kernel nor the command conntrack tells them."""
    text = system.read(TABLE)
    if text is None:
        program = system.which("conntrack")
        if program is None:
            return None
        listed = [system.run([program, "-L", "-o", "extended", "-f", family]) for family in ("ipv4", "ipv6")]
        if any(output.rc != 0 for output in listed):
            return None
        text = "".join(output.stdout for output in listed)
    return parse_flows(text)


def parse_flows(text: str) -> List[Flow]:
    """From lines as /proc/net/nf_conntrack and conntrack -o extended have them."""
    return [
        Flow(
            int(family), protocol, state.strip(), _short(source), int(source_port), _short(destination), int(port),
            _short(server), int(server_port), _short(client), int(client_port),
        )
        for family, protocol, state, source, destination, source_port, port, server, client, server_port, client_port
        in _FLOW.findall(text)
    ]


def _short(address: str) -> str:
    """/proc writes IPv6 addresses in full."""
    return inet_ntop(AF_INET6, inet_pton(AF_INET6, address)) if ":" in address else address
