# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Netfilter on this host: everything that is read and written, behind one object."""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, NamedTuple

from ..host.netns import in_new_netns
from ..host.system import System
from .ipset import Ipset, IpsetFailed, LiveSet, create_line, parse_entries
from .judge import Judge
from .model import FAMILIES, IPV6, SetType
from .save import Ruleset
from .transport import Transport, detect


class Live(NamedTuple):
    """What the kernel holds. sets: headers of all; entries only of those asked for."""

    rulesets: Dict[int, Ruleset]
    sets: Dict[str, LiveSet]


class Netfilter:
    """One variant of iptables, ipset and throwaway namespaces of the host (or network namespace) this process is in."""

    def __init__(self, system: System, choice: str) -> None:
        """choice: nft, legacy or auto. Raises DrawbridgeError where auto would be a guess."""
        self.system = system
        detected = detect(system, choice)
        self.warnings: List[str] = [detected.warning] if detected.warning else []
        self.variant = detected.variant
        self.transport = Transport(system, self.variant)
        self.ipset = Ipset(system)
        self.judge = Judge(system, self.variant)
        self.families = [family for family in FAMILIES if family != IPV6 or system.read("/proc/net/if_inet6") is not None]
        if IPV6 not in self.families:
            self.warnings.append("the kernel has no IPv6: only IPv4 is managed")

    def rulesets(self) -> Dict[int, Ruleset]:
        """All tables of each family."""
        return {family: self.transport.read(family) for family in self.families}

    def with_entries(self, sets: Dict[str, LiveSet], names: Iterable[str]) -> Dict[str, LiveSet]:
        """The sets, with the entries of those named read from the kernel."""
        entries = self.ipset.entries(name for name in dict.fromkeys(names) if name in sets)
        return {name: live._replace(entries=entries.get(name, live.entries)) for name, live in sets.items()}

    def spell_entries(self, kind: SetType, family: int, entries: List[str]) -> List[str]:
        """Entries as ipset prints them, from a throwaway namespace. Raises DrawbridgeError naming the bad one."""
        lines = [create_line("judged", kind, family, len(entries))]
        lines.extend("add judged %s" % entry for entry in entries)

        def load() -> FrozenSet[str]:
            self.ipset.restore(lines)
            text = self.system.run([self.system.require("ipset", "ipset"), "save", "judged"]).stdout
            return parse_entries(text)["judged"]

        try:
            return sorted(in_new_netns(load))
        except IpsetFailed as error:
            raise EntryRefused(error.line or "", error.message) from None


class EntryRefused(IpsetFailed):
    """An entry that ipset does not take."""

    def __init__(self, line: str, words: str) -> None:
        super().__init__([], words)
        self.message = words.replace("add judged ", "")
        self.args = (self.message,)
        self.line = line
