# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Netfilter on this host: one object for all reads and writes."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional

from ...address import FAMILIES, IPV6
from ...host.system.parallel import on_all
from ...host.system.system import System
from ..rules.desired import TableKey
from ..rules.ownership import owned_set_prefix
from ..rules.saved_ruleset import Ruleset
from .cross_check import NEVER, CrossCheck
from .ipset import Ipset, LiveSet
from .iptables import Transport, detect
from .judge import Judge
from .nft_table import Nft


class Live(NamedTuple):
    """The kernel's content. sets: the headers of all sets, and the entries of the requested ones. tables: the requested nftables tables."""

    rulesets: Dict[int, Ruleset]
    sets: Dict[str, LiveSet]
    tables: Dict[TableKey, Optional[str]] = {}


class Netfilter:
    """One variant of iptables, ipset, nft and throwaway namespaces, for the network namespace of this process."""

    def __init__(self, system: System, choice: str, cross_check: str = NEVER) -> None:
        """choice: nft, legacy or auto. cross_check: whether a second reader checks the written rules. Raises DrawbridgeError if auto would
        be a guess, or if the second reader is required and not available."""
        self.system = system
        detected = detect(system, choice)
        self.warnings: List[str] = [detected.warning] if detected.warning else []
        self.variant = detected.variant
        self.transport = Transport(system, self.variant)
        self.cross_check = None if cross_check == NEVER else CrossCheck(system, self.variant, cross_check)
        self.ipset = Ipset(system)
        self.nft = Nft(system)
        self.judge = Judge(system, self.variant)
        self.families = [family for family in FAMILIES if family != IPV6 or system.read("/proc/net/if_inet6") is not None]
        if IPV6 not in self.families:
            self.warnings.append("the kernel has no IPv6: only IPv4 is managed")

    def rulesets(self) -> Dict[int, Ruleset]:
        """Return all tables of each family."""
        return self.of_each_family(self.transport.read)

    def of_each_family(self, read: Callable[[int], Ruleset]) -> Dict[int, Ruleset]:
        """Return the same, with ``read`` as the function that reads one family."""
        return dict(zip(self.families, on_all(read, self.families)))

    def sets(self, owner: str) -> Dict[str, LiveSet]:
        """Return the headers of all sets, and the entries of this owner's sets. An empty owner has no sets."""
        headers = self.ipset.headers()
        return self.ipset.with_entries(headers, [name for name in headers if owner and name.startswith(owned_set_prefix(owner))])
