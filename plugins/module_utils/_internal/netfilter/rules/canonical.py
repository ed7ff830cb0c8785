# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Lines whose canonical spelling needs no look: they are spelt as iptables-save prints them already.

Only the plain shapes that our own compilers write in bulk count. A kernel test loads thousands of lines of these shapes with
every iptables at hand and compares. What is not plain goes to the judge.

This is about how a line is spelt, not what it says, and each of 10,000 lines comes by here: so it is told by patterns. To read each with
``saved_rule`` takes four times as long. What a pattern does not know is not plain.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Optional, Pattern

from ...address import parse_network
from ...errors import DrawbridgeError

_PORTS = r"[0-9]{1,5}(?::[0-9]{1,5})?"
_INTERFACE = r"(?:(?:! )?-%s (?=\S{1,15} )[A-Za-z0-9_][A-Za-z0-9_.-]*\+? )?"
_COMMENT = r"(?:-m comment --comment (?:[A-Za-z0-9_][A-Za-z0-9_-]{0,200}|\"(?=[^\"]*[ .:/])[A-Za-z0-9_ .:/-]{1,200}\") )?"
# In the order in which iptables prints them. Each piece may be missing, but for the last.
_PLAIN = (
    r"(?:(?:! )?-s (?P<source>[0-9a-f:.]+/[0-9]{1,3}) )?"
    r"(?:(?:! )?-d (?P<destination>[0-9a-f:.]+/[0-9]{1,3}) )?"
    + _INTERFACE % "i"
    + _INTERFACE % "o"
    + r"(?:-p (?:"
    r"icmp (?:-m icmp --icmp-type [0-9]{1,2} )?|"
    r"ipv6-icmp (?:-m icmp6 --icmpv6-type [0-9]{1,3} )?|"
    r"(?P<protocol>tcp|udp|sctp) "
    r"(?:-m (?P=protocol) (?:(?:! )?--sport " + _PORTS + r" )?(?:(?:! )?--dport " + _PORTS + r" )?(?<!-m tcp )(?<!-m udp )(?<!-m sctp ))?"
    r"(?:-m tcp (?:! )?--tcp-flags FIN,SYN,RST,ACK SYN )?"
    r"))?"
    r"(?:-m addrtype (?:! )?--(?:src|dst)-type (?:LOCAL|LOCAL,ANYCAST|LOCAL,BROADCAST,ANYCAST,MULTICAST) )?"
    r"(?:-m conntrack (?=--)(?:--ctstate (?:NEW|DNAT|RELATED|RELATED,ESTABLISHED) )?(?:--ctproto 2 )?(?:--ctorigdst (?P<dialled>[0-9a-f:.]+) )?"
    r"(?:--ctorigdstport " + _PORTS + r" )?(?:--ctstatus CONFIRMED )?(?:--ctdir (?:ORIGINAL|REPLY) )?)?"
    r"(?:-m set (?:! )?--match-set (?=\S{1,31} )[A-Za-z0-9_@][A-Za-z0-9_.:-]* (?:src|dst|src,src|dst,dst) )*"
    r"(?:-m rpfilter (?:--loose )?--invert )?"
    + _COMMENT
    + r"(?:-j (?:ACCEPT|DROP|RETURN)|-[jg] DB-[A-Za-z0-9_.-]{1,25})"
)
_PORT_RANGE = re.compile(r"port ([0-9]+):?([0-9]*)")


# A host's address as iptables-save prints it, told without a closer look.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = r"(?:%s\.){3}%s/32" % (_OCTET, _OCTET)
_IS_HOST = re.compile(_HOST)
# A pattern of most lines of long lists: plain, with numbers that need no closer look, and a verdict at the end.
COMMON = (
    r"(?:-s %s )?(?:-d %s )?" % (_HOST, _HOST)
    + r"(?:-p (?P<protocol>tcp|udp|sctp) -m (?P=protocol) --dport (?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}) )?"
    + _COMMENT
    + r"-j (?:ACCEPT|DROP|RETURN)"
)


@lru_cache(maxsize=None)
def _compiled(pattern: str) -> Pattern[str]:
    """Compiled once, and only where it is used: for a short task that is not nothing."""
    return re.compile(pattern)


# A line is asked about where it arrives, and again where it is compared.
@lru_cache(maxsize=1 << 16)
def is_plain(line: str) -> bool:
    """Whether iptables-save prints this line as it stands. The sets and the chain that it names have to exist."""
    if _compiled(COMMON).fullmatch(line):
        return True
    found = _compiled(_PLAIN).fullmatch(line)
    if found is None:
        return False
    source, destination, dialled = found.group("source", "destination", "dialled")
    if not _is_canonical(source) or not _is_canonical(destination) or not _is_canonical(dialled and dialled + _full(dialled)):
        return False
    return "port " not in line or all(_is_port_range(*ends) for ends in _PORT_RANGE.findall(line))


def _full(address: str) -> str:
    return "/128" if ":" in address else "/32"


def _is_canonical(network: Optional[str]) -> bool:
    if network is None or _IS_HOST.fullmatch(network):
        return True
    try:
        parsed = parse_network(network)
    except DrawbridgeError:
        return False
    return parsed.prefix > 0 and str(parsed) == network


def _is_port_range(first: str, last: str) -> bool:
    if not last:
        return str(int(first)) == first and int(first) <= 65535
    ends = [int(first), int(last)]
    if ends[-1] > 65535 or "%d%d" % tuple(ends) != first + last:
        return False
    # A range of one port is printed otherwise; so are some that are open at an end, by some versions.
    return 0 < ends[0] < ends[1] < 65535


def leads_to(line: str) -> Optional[str]:
    """The chain that a plain line jumps or goes to; None for a verdict."""
    target = line.rpartition(" ")[2]
    return target if target.startswith("DB-") else None
