# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Netfilter on this host: everything that is read and written, behind one object."""

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
    """What the kernel holds. sets: headers of all; entries only of those asked for. tables: of nftables, those asked for."""

    rulesets: Dict[int, Ruleset]
    sets: Dict[str, LiveSet]
    tables: Dict[TableKey, Optional[str]] = {}


class Netfilter:
    """One variant of iptables, ipset and throwaway namespaces of the host (or network namespace) this process is in."""

    def __init__(self, system: System, choice: str, cross_check: str = NEVER) -> None:
        """choice: nft, legacy or auto. cross_check: whether a second reader looks at what was written. Raises DrawbridgeError where auto
        would be a guess, or the second reader is asked for and not to be had."""
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
        """All tables of each family."""
        return self.of_each_family(self.transport.read)

    def of_each_family(self, read: Callable[[int], Ruleset]) -> Dict[int, Ruleset]:
        """The same, as ``read`` reads a family."""
        return dict(zip(self.families, on_all(read, self.families)))

    def sets(self, owner: str) -> Dict[str, LiveSet]:
        """Headers of all sets, with the entries of this owner's; empty for nobody's."""
        headers = self.ipset.headers()
        return self.ipset.with_entries(headers, [name for name in headers if owner and name.startswith(owned_set_prefix(owner))])
