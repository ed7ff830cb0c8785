# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find the named address sets of this host that an address is in."""

from __future__ import annotations

from typing import Dict, Iterable, List, Tuple

from ...errors import DrawbridgeError
from ...host.system.system import System
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.rules.ownership import called
from ...policy.readback.packet_match import Index
from ...policy.values.reserved_names import set_name

_TYPES = ("hash:ip", "hash:net")


class NamedSets:
    """The sets that a policy's entries name as ``@name``: the policy's own, and those of address_set."""

    def __init__(self, sets: Iterable[Tuple[str, int, Iterable[str]]]) -> None:
        """sets: name, family and entries of each, as ipset prints them."""
        self._sets: List[Tuple[str, int, Index]] = [
            (name, family, Index(entry for entry in entries if not entry.endswith(" nomatch"))) for name, family, entries in sets
        ]

    def of(self, family: int, address: str) -> List[str]:
        """Return the names of the sets that hold an address, sorted."""
        return sorted({name for name, its, index in self._sets if its == family and index.holds([address], 0)})


def read_sets(system: System) -> NamedSets:
    """Read the host's sets. Raises DrawbridgeError if ipset fails."""
    ipset = Ipset(system)
    wanted: Dict[str, Tuple[str, int]] = {}
    for kernel, live in ipset.headers().items():
        name = called(kernel)
        if name != kernel and live.family is not None and live.type.name in _TYPES and _is_a_users(name):
            wanted[kernel] = (name, live.family)
    entries = ipset.entries(wanted)
    return NamedSets((name, family, entries.get(kernel, ())) for kernel, (name, family) in wanted.items())


def _is_a_users(name: str) -> bool:
    try:
        set_name(name, "")
    except DrawbridgeError:
        return False
    return True
