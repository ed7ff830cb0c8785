# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The members of ``address_sets``: addresses, and addresses until a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Dict, List, Mapping, Sequence, Tuple

from ...address import FAMILIES, quoted
from ...errors import DrawbridgeError
from ...netfilter.rules.timed_entries import spelt
from . import check
from .addresses import parse_addresses, refuse
from .values import Addresses

MEMBER_KEYS: check.Keys = {"address": "network", "until": "time"}
TIME = re.compile(
    r"((?:19[7-9]|2[0-9]{2})[0-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.0+)?)?"
    r" ?(?:[Zz]|([+-])([01][0-9]|2[0-3]):?([0-5][0-9]))\Z"
)
_EXAMPLE = "2026-12-01T18:00:00Z, or with +01:00 in the place of Z"
# The time at which an address ends, by address.
Ends = Dict[str, str]


def parse_members(items: List[object], path: str) -> Tuple[Addresses, Ends]:
    """Return the addresses and networks of a list, and the times at which they end. One that is there twice ends at the later time, or stays if
    it stands there without a time."""
    timed: List[Tuple[Addresses, str]] = []

    def other(item: object, place: str) -> None:
        if not isinstance(item, dict):
            refuse(item, place)
        timed.append(_parse_member(item, place))

    staying = parse_addresses(items, path, other)
    if not timed:
        return staying, {}
    stated: List[Tuple[Addresses, Mapping[str, str]]] = [(staying, {})]
    stated += [(addresses, dict.fromkeys((each for family in FAMILIES for each in addresses[family]), time)) for addresses, time in timed]
    return {family: frozenset().union(*(addresses[family] for addresses, _ends in stated)) for family in FAMILIES}, latest(stated)


def latest(stated: Sequence[Tuple[Addresses, Mapping[str, str]]]) -> Ends:
    """Return when each address ends that several lists have, each with the times of its own."""
    if not any(ends for _addresses, ends in stated):
        return {}
    staying = {each for addresses, ends in stated for family in FAMILIES for each in addresses[family] if each not in ends}
    found: Ends = {}
    for _addresses, ends in stated:
        for each, time in ends.items():
            if each not in staying:
                found[each] = max(time, found.get(each, time))
    return found


def _parse_member(item: object, path: str) -> Tuple[Addresses, str]:
    given = check.mapping(item, path, MEMBER_KEYS)
    for key in MEMBER_KEYS:
        if key not in given:
            raise DrawbridgeError("a member has an address and until", path, "without a time write the address alone")
    place = path + ".address"
    if not isinstance(given["address"], str):
        refuse(given["address"], place)
    # The list has this one item, and its place is not part of what the user wrote.
    return parse_addresses([given["address"]], place, lambda each, _place: refuse(each, place)), parse_time(given["until"], path + ".until")


def parse_time(value: object, path: str) -> str:
    """Return a time with its zone as UTC. YAML makes a time of a text without quotes."""
    text = value.isoformat() if isinstance(value, datetime) else value
    found = TIME.match(text) if isinstance(text, str) else None
    if found is None:
        wrong = quoted(text) if isinstance(text, str) else check.kind(value)
        raise DrawbridgeError("%s is not a time with its zone" % wrong, path, _EXAMPLE)
    year, month, day, hour, minute, second, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        there = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=timezone.utc)
        utc = there + offset if sign == "-" else there - offset
    except (ValueError, OverflowError):
        raise DrawbridgeError("there is no time %s" % quoted(str(text)), path, _EXAMPLE) from None
    return spelt(utc.timestamp())
