# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Routing: whether the host uses routing tables other than the usual ones, and the routes by an interface."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Collection, List, NamedTuple

from ..system.system import System
from .netlink import DUMP, REQUEST, ask, attributes

_RTM_GETRULE = 34
# struct fib_rule_hdr. It has one byte for the table's number. Larger numbers are in an attribute.
_HEAD = struct.Struct("=8BI")
_FRA_TABLE = 15
_DEFAULT, _MAIN, _LOCAL = 253, 254, 255


def has_rules_of_its_own() -> bool:
    """Tell whether a routing rule of either family uses another table than the usual ones. TPROXY and VRFs have such rules."""
    answers = ask(_RTM_GETRULE, REQUEST | DUMP, bytes(_HEAD.size))
    return any(_table(answer) not in (0, _DEFAULT, _MAIN, _LOCAL) for answer in answers)


def _table(answer: bytes) -> int:
    found = dict(attributes(answer[_HEAD.size:])).get(_FRA_TABLE)
    return struct.unpack("=I", found)[0] if found else answer[4]


# RTF_LOCAL and RTF_ANYCAST: the host's own addresses.
_NOT_A_WAY = 0x80000000 | 0x00100000


class Route(NamedTuple):
    """gateway: empty for networks on the link itself."""

    network: str
    gateway: str


def routes_by(system: System, interfaces: Collection[str]) -> List[Route]:
    """Return the main table's routes by one of these interfaces.

    Default routes, their halves (/1) and the link-local and multicast routes of each link are left out.
    """
    found = {*_ipv4(system, interfaces), *_ipv6(system, interfaces)}
    return sorted(route for route in found if int(route.network.rpartition("/")[2]) > 1)


def _ipv4(system: System, interfaces: Collection[str]) -> List[Route]:
    rows = [line.split() for line in (system.read("/proc/thread-self/net/route") or "").splitlines()[1:]]
    return [
        Route("%s/%d" % (_ipv4_text(row[1]), bin(int(row[7], 16)).count("1")), _ipv4_text(row[2]) if int(row[2], 16) else "")
        for row in rows if len(row) > 7 and row[0] in interfaces
    ]


def _ipv4_text(word: str) -> str:
    return socket.inet_ntoa(int(word, 16).to_bytes(4, sys.byteorder))


def _ipv6(system: System, interfaces: Collection[str]) -> List[Route]:
    rows = [line.split() for line in (system.read("/proc/thread-self/net/ipv6_route") or "").splitlines()]
    return [
        Route("%s/%d" % (_ipv6_text(row[0]), int(row[1], 16)), _ipv6_text(row[4]) if int(row[4], 16) else "")
        for row in rows
        if len(row) > 9 and row[9] in interfaces and not int(row[8], 16) & _NOT_A_WAY and not row[0].startswith(("fe8", "ff"))
    ]


def _ipv6_text(digits: str) -> str:
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
