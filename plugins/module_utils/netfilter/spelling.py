# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Lines whose canonical spelling needs no look: they are spelt as iptables-save prints them already.

Only the plain shapes that our own compilers write in bulk count. A kernel test loads each shape with every iptables at hand and compares. What is not plain
goes to the judge.
"""

from __future__ import annotations

import re

from ..errors import DrawbridgeError
from .address import parse_network

_ADDRESS = r"(?:! )?-%s (?P<%s>[0-9a-f:.]+/[0-9]{1,3})"
_NUMBER = r"(?:0|[1-9][0-9]{0,4})"
_PORTS = _NUMBER + "(?::" + _NUMBER + ")?"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.:-]*"
_PLAIN = re.compile(
    r"(?:%s(?: |$))?(?:%s(?: |$))?" % (_ADDRESS % ("s", "source"), _ADDRESS % ("d", "destination"))
    + r"(?:(?:! )?-i [A-Za-z0-9_.-]+ )?(?:(?:! )?-o [A-Za-z0-9_.-]+ )?"
    + r"(?:(?:-p (?P<protocol>tcp|udp|sctp) )(?:-m (?P=protocol) (?:(?:! )?--dport " + _PORTS + r" ))?)?"
    + r"(?:-m conntrack --ctstate (?:NEW|DNAT|RELATED,ESTABLISHED) )?"
    + r"(?:-m set (?:! )?--match-set " + _NAME + r" (?:src|dst|src,src|dst,dst) )*"
    + r"(?:-m comment --comment (?:[A-Za-z0-9_-]+|\"[A-Za-z0-9_ .:/-]*[ .:/][A-Za-z0-9_ .:/-]*\") )?"
    + r"-j (?:ACCEPT|DROP|RETURN|DB-[A-Za-z0-9_.-]+)"
)


def is_plain(line: str) -> bool:
    """Whether iptables-save prints this line as it stands."""
    found = _PLAIN.fullmatch(line)
    if found is None:
        return False
    source, destination = found.group("source"), found.group("destination")
    return (source is None or _is_canonical(source)) and (destination is None or _is_canonical(destination))


def _is_canonical(network: str) -> bool:
    try:
        parsed = parse_network(network)
    except DrawbridgeError:
        return False
    return parsed.prefix > 0 and str(parsed) == network
