# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a feed may bring into an address set: how many entries, and from where. The controller judges by it what it fetched, the host what it kept."""

from __future__ import annotations

import socket
from bisect import bisect_right
from typing import Dict, FrozenSet, Iterable, List, NamedTuple, Optional, Set, Tuple

from ...address import FAMILIES, IPV4, IPV6, Network, ends, halves, parse_network, quoted
from ...errors import DrawbridgeError

# Networks that nobody on the internet has (IANA's special-purpose registries). In IPv6 only 2000::/3 is given out.
_RESERVED = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    "::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1",
)  # fmt: skip
# The widest network that one entry may be. No registry gives away more at once.
_WIDEST = {IPV4: 8, IPV6: 16}
# What all entries together may cover, as a power of two: half of the addresses that there are. More is everybody, in pieces.
_MOST_COVERED = {IPV4: 31, IPV6: 124}
_AF = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}


class Bounds(NamedTuple):
    """least, most: the number of entries. inside: networks that have to contain every entry; without any, an entry has to be somebody's on the internet."""

    least: int
    most: int
    inside: Tuple[Network, ...] = ()


class Feed(NamedTuple):
    """How a set is fed. failure: why nothing of what the feed says can be used; None if the set's addresses are what it says."""

    bounds: Bounds
    failure: Optional[str] = None


class _Spans:
    """Networks as spans of numbers, per family, joined where they meet."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._first: Dict[int, List[int]] = {family: [] for family in FAMILIES}
        self._last: Dict[int, List[int]] = {family: [] for family in FAMILIES}
        for family, (first, last) in sorted((network.family, ends(network)) for network in networks):
            if self._last[family] and first <= self._last[family][-1] + 1:
                self._last[family][-1] = max(last, self._last[family][-1])
            else:
                self._first[family].append(first)
                self._last[family].append(last)

    def hold(self, network: Network) -> bool:
        """Whether all of the network is in one of them."""
        first, last = ends(network)
        index = bisect_right(self._first[network.family], first) - 1
        return index >= 0 and last <= self._last[network.family][index]

    def meet(self, network: Network) -> bool:
        """Whether any address of the network is in one of them."""
        first, last = ends(network)
        index = bisect_right(self._first[network.family], last) - 1
        return index >= 0 and first <= self._last[network.family][index]


def judged(entries: Iterable[object], bounds: Bounds) -> Dict[int, FrozenSet[str]]:
    """Return the entries per family, as ipset spells them. Raises DrawbridgeError with the reason if a single one of them may not be there."""
    allowed = _Spans(bounds.inside)
    reserved = _Spans(map(parse_network, _RESERVED))
    found: Set[Network] = set()
    for entry in entries:
        network = _network(entry)
        if bounds.inside:
            if not allowed.hold(network):
                raise DrawbridgeError("%s is not inside the networks that inside names" % quoted(entry))
        elif network.prefix < _WIDEST[network.family]:
            raise DrawbridgeError("%s is too wide for one entry" % quoted(entry))
        elif reserved.meet(network):
            raise DrawbridgeError("%s is private or reserved, and inside names nothing that it is in" % quoted(entry))
        found.add(network)
        if len(found) > bounds.most:
            raise DrawbridgeError("it has more than %d entries" % bounds.most)
    if len(found) < bounds.least:
        raise DrawbridgeError("it has %d entries, fewer than %d" % (len(found), bounds.least))
    if not bounds.inside:
        _refuse_everybody(found)
    return {family: frozenset(spelt for network in found if network.family == family for spelt in halves(network)) for family in FAMILIES}


def _network(entry: object) -> Network:
    if not isinstance(entry, str):
        raise DrawbridgeError("it has %s among its entries" % quoted(entry))
    try:
        network = parse_network(entry)
    except DrawbridgeError as error:
        raise DrawbridgeError(error.message) from None
    if socket.inet_pton(_AF[network.family], entry.partition("/")[0]) != socket.inet_pton(_AF[network.family], network.address):
        raise DrawbridgeError("%s has bits set behind its prefix" % quoted(entry))
    return network


def _refuse_everybody(networks: Iterable[Network]) -> None:
    covered = dict.fromkeys(FAMILIES, 0)
    for network in networks:
        first, last = ends(network)
        covered[network.family] += last - first + 1
    for family, size in covered.items():
        if size > 1 << _MOST_COVERED[family]:
            raise DrawbridgeError("its entries cover more than half of all IPv%d addresses" % family)
