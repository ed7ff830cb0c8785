# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Recognise plain lines: they are known to be spelt as iptables-save prints them.

Plain lines have the simple forms that our compilers write in bulk. A kernel test loads thousands of such lines with every installed
iptables, and compares the output. All other lines go to the judge.

This checks only a line's spelling, not its meaning, and runs for each of 10,000 lines. So it uses regular expressions: parsing with
``saved_rule`` takes four times as long. A line that no pattern matches is not plain.
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
# In the order in which iptables prints the parts. All but the last are optional.
_PLAIN = "".join((
    r"(?:(?:! )?-s (?P<source>[0-9a-f:.]+/[0-9]{1,3}) )?"
    r"(?:(?:! )?-d (?P<destination>[0-9a-f:.]+/[0-9]{1,3}) )?",
    _INTERFACE % "i",
    _INTERFACE % "o",
    r"(?:-p (?:"
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
    r"(?:-m rpfilter (?:--loose )?--invert )?",
    _COMMENT,
    r"(?:-j (?:ACCEPT|DROP|RETURN)|-[jg] DB-[A-Za-z0-9_.-]{1,25})",
))
_PORT_RANGE = re.compile(r"port ([0-9]+):?([0-9]*)")


# A host's IPv4 address as iptables-save prints it; it needs no further check.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = r"(?:%s\.){3}%s/32" % (_OCTET, _OCTET)
_IS_HOST = re.compile(_HOST)
# Matches most lines of long lists: plain, with a verdict at the end, and with numbers that need no further check.
COMMON = "".join((
    r"(?:-s %s )?(?:-d %s )?" % (_HOST, _HOST),
    r"(?:-p (?P<protocol>tcp|udp|sctp) -m (?P=protocol) --dport (?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}) )?",
    _COMMENT,
    r"-j (?:ACCEPT|DROP|RETURN)",
))


@lru_cache(maxsize=None)
def _compiled(pattern: str) -> Pattern[str]:
    """Compile a pattern once, and only if it is used: compiling takes a noticeable part of a short task."""
    return re.compile(pattern)


# Cached: a line is checked when it arrives, and again when it is compared.
@lru_cache(maxsize=1 << 16)
def is_plain(line: str) -> bool:
    """Return whether iptables-save prints this line unchanged. The sets and the chain that it names must exist."""
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
    # iptables prints a range of one port differently. Some versions also print ranges from 0 or to 65535 differently.
    return 0 < ends[0] < ends[1] < 65535


def leads_to(line: str) -> Optional[str]:
    """Return the chain that a plain line jumps or goes to; None for a verdict."""
    target = line.rpartition(" ")[2]
    return target if target.startswith("DB-") else None
