# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The last good content of a feed: what the kernel's set holds. Nothing else is kept, neither on the host nor on the controller."""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

from ...errors import DrawbridgeError
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.rules.desired import SetType
from .feed import Feed, judged

_TYPE = SetType("hash:net")
_AGAIN = "mend the feed; the set needs good content once, or a list in place of the feed"


def kept(ipset: Ipset, names: Iterable[Sequence[str]], feed: Feed, path: str) -> Tuple[Dict[int, FrozenSet[str]], str]:
    """Return what the host holds, and a warning that says so.

    names: for each family the kernel's names that the set may have; of two that are there, the one counts that rules name.
    Raises DrawbridgeError if the host holds nothing, or nothing that the feed's bounds allow.
    """
    live = ipset.headers()
    found: List[str] = []
    for candidates in names:
        there = [name for name in candidates if name in live and live[name].type == _TYPE]
        found += sorted(there, key=lambda name: not live[name].references)[:1]
    if not found:
        raise DrawbridgeError("the feed cannot be used, and the host has no content from before: %s" % feed.failure, path, _AGAIN)
    entries = ipset.entries(found)
    try:
        good = judged(_plain(entries), feed.bounds)
    except DrawbridgeError as error:
        words = "the feed cannot be used, and neither can what the host has from before (%s): %s" % (error.message, feed.failure)
        raise DrawbridgeError(words, path, _AGAIN) from None
    count = sum(map(len, good.values()))
    return good, "%s: the feed cannot be used, so the %d entries from before are kept: %s" % (path, count, feed.failure)


def _plain(entries: Mapping[str, Iterable[str]]) -> List[str]:
    return [entry for held in entries.values() for entry in sorted(held)]
