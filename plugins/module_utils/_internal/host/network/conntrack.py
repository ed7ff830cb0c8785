# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The flows in the conntrack table.

Deleting an entry is rarely useful: the next packet of either side creates it again.
If that packet is the server's, the new entry has client and server exchanged.
"""

from __future__ import annotations

import re
from socket import AF_INET6, inet_ntop, inet_pton
from typing import Iterable, List, NamedTuple, Optional

from ..system.system import System

# The table of this thread's network namespace.
TABLE = "/proc/thread-self/net/nf_conntrack"
_END = r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) "
_FLOW = re.compile(r"^ipv([46]) +\d+ (tcp|udp|sctp) +\d+ (?:\d+ )?([A-Z_]+ )?%s.*?%s(.*)" % (_END, _END), re.MULTILINE)
# The number of attempts to delete entries. A packet may create an entry again between two commands.
ROUNDS = 5


class Flow(NamedTuple):
    """A flow in the directions of its first packet and of its replies. Addresses are in their shortest spelling.

    state: the state of TCP and SCTP flows, empty for other protocols and for offloaded flows.
    answers_from, answers_from_port: the server, behind any NAT.
    answers_to, answers_to_port: the client as the server sees it.
    offloaded: whether the flow's packets bypass all rules.
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
    offloaded: bool = False

    @property
    def is_translated(self) -> bool:
        """Tell whether the server differs from the address and port that the client connected to."""
        return (self.answers_from, self.answers_from_port) != (self.destination, self.port)


def flows(system: System) -> Optional[List[Flow]]:
    """Return TCP, UDP and SCTP flows of both families, None if neither the kernel nor the conntrack command lists them."""
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
    """Parse lines of /proc/net/nf_conntrack or of ``conntrack -o extended``."""
    return [
        Flow(
            int(family), protocol, state.strip(), _short(source), int(source_port), _short(destination), int(port),
            _short(server), int(server_port), _short(client), int(client_port), "OFFLOAD]" in rest,
        )
        for family, protocol, state, source, destination, source_port, port, server, client, server_port, client_port, rest
        in _FLOW.findall(text)
    ]


def run_commands(system: System, program: str, lines: List[str]) -> None:
    """Run conntrack commands, one right after the other. To find out which failed, the caller looks at the flows."""
    if system.run([program, "-R", "-"], stdin="".join(line + "\n" for line in lines)).rc != 0:
        # Older releases of conntrack cannot read commands from a file.
        for line in lines:
            system.run([program, *line.split(" ")])


def there(protocol: str, source: str, source_port: int, destination: str, port: int) -> str:
    """Return the arguments of a conntrack command for an entry's original direction."""
    return "-p %s -s %s --sport %d -d %s --dport %d" % (protocol, source, source_port, destination, port)


def deleted(flow: Flow) -> str:
    """Return the conntrack command that deletes a flow's entry."""
    return "-D " + there(flow.protocol, flow.source, flow.source_port, flow.destination, flow.port)


def put_back(system: System, offloaded: Iterable[Flow]) -> Optional[str]:
    """Delete the entries of these flows, so that their packets pass the rules again. Return why that failed, None if it worked.

    The kernel notices within a second or two. If a flow must not get a new entry, the caller has to prevent that.
    """
    wanted = frozenset(offloaded)
    for _round in range(ROUNDS if wanted else 0):
        left = [flow for flow in flows(system) or [] if flow in wanted]
        if not left:
            return None
        program = system.which("conntrack")
        if program is None:
            return "conntrack is not installed (package conntrack)"
        run_commands(system, program, [deleted(flow) for flow in left])
    return "conntrack keeps their entries" if wanted else None


def _short(address: str) -> str:
    """Return the shortest spelling of an address: /proc has IPv6 addresses in full."""
    return inet_ntop(AF_INET6, inet_pton(AF_INET6, address)) if ":" in address else address
