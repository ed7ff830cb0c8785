# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a policy says of times, by the host's clock: what is over is left out, and what the kernel cannot count to is refused."""

from __future__ import annotations

from typing import List, Mapping, Tuple

from ...address import FAMILIES
from ...errors import DrawbridgeError
from ...netfilter.rules.timed_entries import MOST_SECONDS, seconds_of, spelt
from ..values.entries import Entry, joined
from ..values.values import NOBODY
from .model import NamedAddresses, Policy

_SHOWN = 5


def without_over(policy: Policy, now: float) -> Tuple[Policy, List[str]]:
    """Return the policy without what is over, and warnings that name it. now: in seconds since 1970. Raises DrawbridgeError for a time that is too
    far ahead."""
    warnings: List[str] = []
    sets = dict(policy.address_sets)
    for name, item in policy.address_sets.items():
        over = _over(item.ends, now, item.path)
        if over:
            sets[name] = _without(item, over)
            more = " and %d more" % (len(over) - _SHOWN) if len(over) > _SHOWN else ""
            told = ", ".join("%s (until %s)" % (address, item.ends[address]) for address in over[:_SHOWN])
            warnings.append("%s: over, and left out: %s%s; take it out of the policy, or give it a later time" % (item.path, told, more))
    ports, services = policy.published_ports, policy.host_services
    if ports is not None:
        ports = ports._replace(allow=_in_force(ports.allow, now, warnings), routed=_in_force(ports.routed, now, warnings))
    if services is not None:
        services = services._replace(allow=_in_force(services.allow, now, warnings))
    return policy._replace(address_sets=sets, published_ports=ports, host_services=services), warnings


def _in_force(entries: Tuple[Entry, ...], now: float, warnings: List[str]) -> Tuple[Entry, ...]:
    """Return the entries. Those that are over let nobody in: their ports stay closed, as they were when they ended. Adds warnings about them."""
    if all(entry.until is None for entry in entries):
        return entries
    found = []
    for entry in entries:
        if entry.until is not None and _is_over(entry.until, now, entry.path + ".until"):
            warnings.append("%s: it was over at %s, and lets nobody in; take it out of the policy, or give it a later time" % (entry.path, entry.until))
            entry = entry._replace(sources=NOBODY, comments=(), interfaces=(), until=None, limit=None)
        found.append(entry)
    return joined(found)


def _without(item: NamedAddresses, over: List[str]) -> NamedAddresses:
    gone = frozenset(over)
    return item._replace(
        addresses={family: item.addresses[family] - gone for family in FAMILIES},
        ends={address: time for address, time in item.ends.items() if address not in gone},
    )


def _over(ends: Mapping[str, str], now: float, path: str) -> List[str]:
    """Return what is over, sorted."""
    over = {time: _is_over(time, now, path) for time in sorted(set(ends.values()))}
    return sorted(address for address, time in ends.items() if over[time])


def _is_over(time: str, now: float, path: str) -> bool:
    left = seconds_of(time) - now
    if left > MOST_SECONDS:
        raise DrawbridgeError(
            "%s is too far ahead: the kernel counts %d days at most" % (time, MOST_SECONDS // 86400), path,
            "an earlier time than %s; a later run may put it off" % spelt(now + MOST_SECONDS),
        )
    return left <= 0
