# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Limits of an entry: how many new connections a source may begin in a time, and how many it may have open at once."""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Pattern, Tuple

from ...address import IPV4, IPV6, quoted
from ...errors import DrawbridgeError
from . import check

# The key of an entry, and the keys of its value.
LIMITED: check.Keys = {"limit": "limit"}
LIMIT_KEYS: check.Keys = {"rate": "limit_rate", "burst": "limit_burst", "connections": "limit_connections", "per": "limit_prefixes"}
PREFIX_KEYS: check.Keys = {"ipv4": "prefix_ipv4", "ipv6": "prefix_ipv6"}
RATE = re.compile(r"([0-9]{1,4})/(second|minute|hour|sec|min)\Z")
# Up to here iptables prints every rate as the same rate. Above it rounds.
MOST_AT_ONCE = 1000
MAX_CONNECTIONS = 65535
# Bits of an address. A source in IPv6 is a network: whoever has one has all of its addresses.
WHOLE = {IPV4: 32, IPV6: 128}
DEFAULT_PREFIX = {IPV4: 32, IPV6: 64}
_KEY = {IPV4: "ipv4", IPV6: "ipv6"}
_SECONDS = {"sec": 1, "min": 60, "hour": 3600}


class Limit(NamedTuple):
    """rate: as iptables spells it, ``10/sec``; None for any. burst: how many may come at once on top of a rate. connections: how many of one source
    may be open at once; None for any. ipv4, ipv6: the bits of an address that make one source."""

    rate: Optional[str]
    burst: int
    connections: Optional[int]
    ipv4: int
    ipv6: int

    def prefix(self, family: int) -> int:
        return self.ipv4 if family == IPV4 else self.ipv6

    @property
    def seconds_to_fill(self) -> float:
        """How long it takes until a source that used up the burst has all of it again."""
        return 0.0 if self.rate is None else self.burst / self._per_second

    @property
    def generosity(self) -> Tuple[float, float, int]:
        """The greater, the more it lets in."""
        return self._per_second, float("inf") if self.connections is None else float(self.connections), self.burst

    @property
    def _per_second(self) -> float:
        if self.rate is None:
            return float("inf")
        count, _slash, unit = self.rate.partition("/")
        return int(count) / _SECONDS[unit]


def parse_limit(value: object, path: str) -> Limit:
    """Parse ``limit: {rate: 10/second, burst: 20, connections: 50, per: {ipv4: 32, ipv6: 64}}``."""
    given = check.mapping(value, path, LIMIT_KEYS)
    if "rate" not in given and "connections" not in given:
        raise DrawbridgeError("a limit needs a rate, connections or both", path, "rate: 10/second")
    if "burst" in given and "rate" not in given:
        raise DrawbridgeError("a burst without a rate", path + ".burst", "rate: 10/second")
    rate = parse_rate(given["rate"], path + ".rate", RATE, MOST_AT_ONCE) if "rate" in given else None
    at_once = 0 if rate is None else int(rate.partition("/")[0])
    if "burst" in given:
        at_once = check.number(given["burst"], path + ".burst", 1, MOST_AT_ONCE)
    connections = check.number(given["connections"], path + ".connections", 1, MAX_CONNECTIONS) if "connections" in given else None
    prefixes = _prefixes(given.get("per", {}), path + ".per")
    return Limit(rate, at_once, connections, prefixes[IPV4], prefixes[IPV6])


def _prefixes(value: object, path: str) -> Dict[int, int]:
    given = check.mapping(value, path, PREFIX_KEYS)
    return {
        family: check.number(given[key], "%s.%s" % (path, key), 0, WHOLE[family]) if key in given else DEFAULT_PREFIX[family]
        for family, key in _KEY.items()
    }


def parse_rate(value: object, path: str, pattern: Pattern[str], most: int) -> str:
    """Return the rate as iptables spells it."""
    found = pattern.match(value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found.group(1)) <= most:
        raise DrawbridgeError("%s is not a rate" % quoted(value), path, "10/minute; second, minute and hour are known, and at most %d of each" % most)
    return "%d/%s" % (int(found.group(1)), {"second": "sec", "minute": "min"}.get(found.group(2), found.group(2)))
