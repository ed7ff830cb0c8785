# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a policy says of times, by the host's clock: what is over is left out, and what the kernel cannot count to is refused."""

from __future__ import annotations

from typing import List, Mapping, Tuple

from ...address import FAMILIES
from ...errors import DrawbridgeError
from ...netfilter.rules.timed_entries import MOST_SECONDS, seconds_of, spelt
from .model import NamedAddresses, Policy

_SHOWN = 5


def without_over(policy: Policy, now: float) -> Tuple[Policy, List[str]]:
    """Return the policy without what is over, and warnings that name it. now: in seconds since 1970. Raises DrawbridgeError for a time that is too
    far ahead."""
    timed = {name: item for name, item in policy.address_sets.items() if item.ends}
    if not timed:
        return policy, []
    sets, warnings = dict(policy.address_sets), []
    for name, item in timed.items():
        over = _over(item.ends, now, item.path)
        if over:
            sets[name] = _without(item, over)
            more = " and %d more" % (len(over) - _SHOWN) if len(over) > _SHOWN else ""
            told = ", ".join("%s (until %s)" % (address, item.ends[address]) for address in over[:_SHOWN])
            warnings.append("%s: over, and left out: %s%s; take it out of the policy, or give it a later time" % (item.path, told, more))
    return policy._replace(address_sets=sets), warnings


def _without(item: NamedAddresses, over: List[str]) -> NamedAddresses:
    gone = frozenset(over)
    return item._replace(
        addresses={family: item.addresses[family] - gone for family in FAMILIES},
        ends={address: time for address, time in item.ends.items() if address not in gone},
    )


def _over(ends: Mapping[str, str], now: float, path: str) -> List[str]:
    """Return what is over, sorted."""
    over = {}
    for time in set(ends.values()):
        left = seconds_of(time) - now
        if left > MOST_SECONDS:
            raise DrawbridgeError(
                "%s is too far ahead: the kernel counts %d days at most" % (time, MOST_SECONDS // 86400), path,
                "an earlier time than %s; a later run may put it off" % spelt(now + MOST_SECONDS),
            )
        over[time] = left <= 0
    return sorted(address for address, time in ends.items() if over[time])
