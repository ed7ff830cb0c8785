# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Chains that count the connections of entries with a limit. An entry's lines lead there in place of returning.

Such a chain counts the first packet of each connection, and no other. It returns what is within the limit, and denies the rest.
"""

from __future__ import annotations

import hashlib
import math
from typing import Iterable, List, NamedTuple, Optional, Sequence

from ...address import FAMILIES
from ...netfilter.rules.desired import Chain, Line
from ..values.entries import Entry
from ..values.limits import WHOLE, Limit

# Between the name of the chain that a chain of limits belongs to, and its key.
LIMITS = "-L-"
# So many sources are counted at once. It bounds what forged sources cost; while it is reached, the kernel drops what new sources send.
_MOST_SOURCES = 65536
_BUCKETS = 8192
# Seconds after which a source that sends nothing is forgotten, whatever its limit.
_LONGEST = 86400
# What is not the first packet of a connection.
OTHER_PACKETS = [
    "-m conntrack --ctstate RELATED,ESTABLISHED", "-m conntrack --ctstatus CONFIRMED", "-m conntrack --ctstate INVALID,UNTRACKED",
]


class Counted(NamedTuple):
    """Where the connections of a section's entries are counted. table: of the chains. parent: the beginning of their names, 11 characters at most. of:
    the list that has the entries. stage: chains of one stage share the count of new connections; a packet passes one of them. mode: of the section.
    inside: lines ahead of what counts."""

    table: str
    parent: str
    of: str
    stage: str
    mode: Optional[str]
    inside: Sequence[Line] = ()

    def name(self, entry: Entry) -> str:
        """Return the name of the chain. Entries about one port with one limit share it."""
        return self.parent + LIMITS + _digest(self.of, entry)[:10]

    def chain(self, entry: Entry, limit: Limit, verdict: str) -> Chain:
        """Return the chain that an entry's lines go to."""
        lines = [Line(other + " -j RETURN") for other in OTHER_PACKETS] + list(self.inside)
        lines += within(limit, self.stage, self.of, entry, "RETURN")
        return Chain(self.table, self.name(entry), [*lines, Line("-j " + verdict, path=entry.path + ".limit")])


def within(limit: Limit, stage: str, of: str, entry: Entry, verdict: str) -> List[Line]:
    """Return the lines about what is within the limit, as iptables-save prints them. The last one decides."""
    name = "DB-" + _digest(stage + " " + of, entry)[:12]
    found = []
    for family in FAMILIES:
        prefix = limit.prefix(family)
        matches = []
        if limit.rate is not None:
            matches.append(_rate(limit, limit.rate, name) + ("" if prefix == WHOLE[family] else " --hashlimit-srcmask %d" % prefix))
        if limit.connections is not None:
            # Behind the rate: what that denies is not counted as a connection.
            matches.append("-m connlimit --connlimit-upto %d --connlimit-mask %d --connlimit-saddr" % (limit.connections, prefix))
        found.append(Line("%s -j %s" % (" ".join(matches), verdict), (family,), entry.path + ".limit"))
    return found


def _rate(limit: Limit, rate: str, name: str) -> str:
    # A source may be forgotten once it has all of its burst again. Sooner, it would get it too early.
    expire = min(math.ceil(limit.seconds_to_fill) + 1, _LONGEST) * 1000
    return (
        "-m hashlimit --hashlimit-upto %s --hashlimit-burst %d --hashlimit-mode srcip --hashlimit-name %s"
        " --hashlimit-htable-size %d --hashlimit-htable-max %d --hashlimit-htable-expire %d" % (rate, limit.burst, name, _BUCKETS, _MOST_SOURCES, expire)
    )


def _digest(of: str, entry: Entry) -> str:
    """The kernel keeps a bucket's limit as long as a rule names it. So a name has the limit in it, and nothing that may change without it."""
    text = " ".join([of, *map(str, entry.target), *map(str, entry.limit or ())])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def most_generous_first(entries: Iterable[Entry]) -> List[Entry]:
    """Return entries without limits, then the others by how much they let in. Entries that allow the same keep their order."""
    listed = list(entries)
    if all(entry.limit is None for entry in listed):
        return listed
    without = [entry for entry in listed if entry.limit is None]
    limited = [(entry.limit.generosity, entry) for entry in listed if entry.limit is not None]
    return without + [entry for _generosity, entry in sorted(limited, key=lambda item: item[0], reverse=True)]


def is_chain_of_limits(name: str) -> bool:
    """Whether a chain counts connections, by its name."""
    return name.startswith("DB-") and LIMITS in name
