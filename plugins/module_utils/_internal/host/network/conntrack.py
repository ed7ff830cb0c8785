# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The flows that connection tracking knows. Hardly ever is an entry deleted: the next packet of either side makes it anew, and if that is
the server's, with client and server exchanged."""

from __future__ import annotations

import re
from socket import AF_INET6, inet_ntop, inet_pton
from typing import Iterable, List, NamedTuple, Optional

from ..system.system import System

# Of the network namespace that this thread is in.
TABLE = "/proc/thread-self/net/nf_conntrack"
_END = r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) "
_FLOW = re.compile(r"^ipv([46]) +\d+ (tcp|udp|sctp) +\d+ (?:\d+ )?([A-Z_]+ )?%s.*?%s(.*)" % (_END, _END), re.MULTILINE)
# How often to try to delete entries: a packet on its way may make one anew between two commands.
ROUNDS = 5


class Flow(NamedTuple):
    """A flow as its first packet was sent, and as its replies are. Addresses are in their shortest spelling.

    state: of TCP and SCTP, empty for others and for what is offloaded. answers_from, answers_from_port: the server, behind any translation. answers_to,
    answers_to_port: the client as the server sees it. offloaded: whether its packets take a shorter way, past every rule.
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
            _short(server), int(server_port), _short(client), int(client_port), "OFFLOAD]" in rest,
        )
        for family, protocol, state, source, destination, source_port, port, server, client, server_port, client_port, rest
        in _FLOW.findall(text)
    ]


def run_commands(system: System, program: str, lines: List[str]) -> None:
    """Run conntrack's commands, one right after the other. Which of them failed is for the caller to see from the flows."""
    if system.run([program, "-R", "-"], stdin="".join(line + "\n" for line in lines)).rc != 0:
        # Older releases cannot read them.
        for line in lines:
            system.run([program, *line.split(" ")])


def there(protocol: str, source: str, source_port: int, destination: str, port: int) -> str:
    """An entry's first direction, as conntrack's commands have it."""
    return "-p %s -s %s --sport %d -d %s --dport %d" % (protocol, source, source_port, destination, port)


def deleted(flow: Flow) -> str:
    """conntrack's command that deletes a flow's entry."""
    return "-D " + there(flow.protocol, flow.source, flow.source_port, flow.destination, flow.port)


def put_back(system: System, offloaded: Iterable[Flow]) -> Optional[str]:
    """Have the rules see what these flows still send, by deleting their entries → why that could not be done, None where it was.

    The kernel notices within a second or two. What an entry is made anew for is for the caller to prevent.
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
    """/proc writes IPv6 addresses in full."""
    return inet_ntop(AF_INET6, inet_pton(AF_INET6, address)) if ":" in address else address
