# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Entries of sets that end at a time. Pure.

Here such an entry is spelt ``192.0.2.7 until 2026-12-01T18:00:00Z``. The kernel counts seconds down and has the time as the entry's comment:
``192.0.2.7 timeout 3600 comment "until 2026-12-01T18:00:00Z"``. So it reads the same however much of it is left, and whatever the clock says
by then. An entry without a time stays.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from math import ceil
from typing import Dict, FrozenSet, Iterable, Optional, Set, Tuple

# The options of a set whose entries may end.
TIMED = "timeout 0 comment"
# The kernel counts no further: 24 days.
MOST_SECONDS = 2147483
# An entry that ends later than this behind its time was counted by a clock that was behind, and is written again.
_LATE = 5
_UNTIL = " until "
_SPELT = "%Y-%m-%dT%H:%M:%SZ"
_TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_OPTION = re.compile(r"(?:\A| )%s(?:\s|\Z)" % TIMED)
_COUNTED = re.compile(r'(\S+) timeout ([0-9]+) comment "until (%s)"' % _TIME)
_WRITTEN = re.compile(r"(add|del) (\S+) (\S+) until (%s)" % _TIME)


def spelt(seconds: float) -> str:
    """Return a time, in seconds since 1970, as text."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime(_SPELT)


def seconds_of(time: str) -> int:
    """Return the seconds since 1970 of such a text."""
    return int(datetime.strptime(time, _SPELT).replace(tzinfo=timezone.utc).timestamp())


def with_end(entry: str, time: Optional[str]) -> str:
    """Return the entry with the time at which it ends, if there is one."""
    return entry if time is None else entry + _UNTIL + time


def split_end(entry: str) -> Tuple[str, Optional[str]]:
    """Return an entry and the time at which it ends; None if it stays."""
    alone, _until, time = entry.partition(_UNTIL)
    return alone, time or None


def is_timed(options: str) -> bool:
    """Whether a set's options, as ipset prints them, let its entries end."""
    return _OPTION.search(options) is not None


def read(entries: Iterable[str], now: float) -> FrozenSet[str]:
    """Return the entries of a timed set, from ipset's spelling. Those that are over are left out: the kernel drops them within a second. One that the
    kernel keeps for longer than its time has the time at which it would end."""
    found: Set[str] = set()
    ends: Dict[str, int] = {}
    for entry in entries:
        counted = _COUNTED.fullmatch(entry)
        if counted is None:
            found.add(entry[: -len(" timeout 0")] if entry.endswith(" timeout 0") else entry)
            continue
        alone, left, time = counted.groups()
        if time not in ends:
            ends[time] = seconds_of(time)
        end = ends[time]
        if now + int(left) > end + _LATE:
            found.add(with_end(alone, spelt(now + int(left))))
        elif end > now:
            found.add(with_end(alone, time))
    return frozenset(found)


def in_force(entries: FrozenSet[str], now: float) -> FrozenSet[str]:
    """Return the entries that are not over."""
    times = {time for _alone, time in map(split_end, entries) if time is not None}
    over = {time for time in times if seconds_of(time) <= now}
    return frozenset(entry for entry in entries if split_end(entry)[1] not in over) if over else entries


def written(line: str, now: float) -> str:
    """Return a line for ipset, with the seconds that are left of an entry. What is over is not added, but taken out."""
    found = _WRITTEN.fullmatch(line) if _UNTIL in line else None
    if found is None:
        return line
    verb, name, alone, time = found.groups()
    left = ceil(seconds_of(time) - now)
    if verb == "del" or left <= 0:
        return "del %s %s" % (name, alone)
    return 'add %s %s timeout %d comment "until %s"' % (name, alone, min(left, MOST_SECONDS), time)
