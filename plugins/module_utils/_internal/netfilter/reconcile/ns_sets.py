# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Address sets for rules inside containers. Each network namespace has its own sets, so the host's sets are copied in with the rules."""

from __future__ import annotations

import zlib
from typing import Dict, FrozenSet, List, Optional

from ...address import FAMILIES
from ...errors import DrawbridgeError
from ..kernel.ipset import LiveSet
from ..kernel.netfilter import Netfilter
from ..rules.desired import AddressSet, DesiredState, Line, SetType
from ..rules.ownership import taken_for_empty, user_set
from ..rules.saved_rule import called_sets, with_set_names

_EMPTY = SetType("hash:net")
_KEPT = 10


def with_host_sets(netfilter: Netfilter, section: str, wanted: DesiredState, assume_missing: bool) -> DesiredState:
    """Return the desired state with copies of the host's sets that its lines name. The copies belong to the section and are removed with it.

    Call it in the host's namespace. assume_missing: in check mode a set that an earlier task would create counts as empty, with a warning.
    """
    lines = [line for chain in wanted.chains for line in chain.lines]
    used: Dict[str, Optional[str]] = {}
    for line in lines:
        for name in called_sets(line.text):
            used.setdefault(name, line.path)
    owned = wanted._replace(owner="n%06x" % (zlib.crc32(section.encode("utf-8")) & 0xFFFFFF))
    if not used:
        return owned
    held = netfilter.ipset.headers()
    held = netfilter.ipset.with_entries(held, [user_set(name, family) for name in used for family in FAMILIES])
    sets = {_short(name): _copied(netfilter, held, name, path, assume_missing) for name, path in used.items()}
    chains = [chain._replace(lines=[_renamed(line) for line in chain.lines]) for chain in wanted.chains]
    return owned._replace(chains=chains, sets=sets)


def _short(name: str) -> str:
    """Return a short name, so that the kernel's name has room for the owner's. It is recognisable, and unique by a checksum."""
    return "%s.%06x" % (name[:_KEPT], zlib.crc32(name.encode("utf-8")) & 0xFFFFFF)


def _renamed(line: Line) -> Line:
    """Return the line with the short names of its ``@name`` sets. Names without @ are the container's own sets."""
    return line._replace(text=with_set_names(line.text, lambda name: "@" + _short(name[1:]) if name.startswith("@") else name))


def _copied(
    netfilter: Netfilter, held: Dict[str, LiveSet], name: str, path: Optional[str], assume_missing: bool
) -> AddressSet:
    twins: List[LiveSet] = [held[user_set(name, family)] for family in FAMILIES if user_set(name, family) in held]
    entries: Dict[int, Optional[FrozenSet[str]]] = {family: frozenset() for family in FAMILIES}
    if not twins:
        if not assume_missing:
            raise DrawbridgeError(
                "unknown address set '@%s'" % name, path, "keep it on the host with the module address_set"
            )
        netfilter.warnings.append(taken_for_empty(name, path))
        return AddressSet(_short(name), _EMPTY, entries, path)
    for twin in twins:
        if twin.family is not None:
            entries[twin.family] = twin.entries
    return AddressSet(_short(name), twins[0].type, entries, path)
