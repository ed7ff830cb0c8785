# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Lines whose canonical spelling needs no look: they are spelt as iptables-save prints them already.

Only the plain shapes that our own compilers write in bulk count. A kernel test loads each shape with every iptables at hand and compares. What is not plain
goes to the judge.
"""

from __future__ import annotations

import re
from functools import lru_cache

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


# A host's address as iptables-save prints it, without a closer look.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = re.compile(r"(?:%s\.){3}%s/32" % (_OCTET, _OCTET))


# A line is asked about where it arrives, and again where it is compared.
@lru_cache(maxsize=1 << 16)
def is_plain(line: str) -> bool:
    """Whether iptables-save prints this line as it stands."""
    found = _PLAIN.fullmatch(line)
    if found is None:
        return False
    source, destination = found.group("source"), found.group("destination")
    return (source is None or _is_canonical(source)) and (destination is None or _is_canonical(destination))


def _is_canonical(network: str) -> bool:
    if _HOST.fullmatch(network):
        return True
    try:
        parsed = parse_network(network)
    except DrawbridgeError:
        return False
    return parsed.prefix > 0 and str(parsed) == network
