# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A snapshot made ready for packets of one family: rules, sets, routes, interfaces, listeners, settings. Pure."""

from __future__ import annotations

from typing import Iterator, List, Optional

from ....address import IPV4
from ...kernel.iptables import NFT
from ...rules.saved_ruleset import Ruleset, parse
from ..matching.address_types import AddressTypes
from ..matching.conditions import Conditions
from ..matching.nft_rules import ENGINE, NOBODY, OTHER, ReadyTable
from ..matching.packet import NEW, ORIGINAL, Packet
from ..snapshot.foreign_tables import ForeignChain, doings, foreign_chains, reads_marks
from ..snapshot.interfaces import Interfaces
from ..snapshot.nft_tables import NftTable, read_tables
from ..snapshot.routes import Routes
from ..snapshot.sets import Sets
from ..snapshot.sockets import Listeners
from ..snapshot.texts import Snapshot, save_name
from .order import NftChain, Order
from .tables import Table, Variant

_FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
# The processes that listen in the engine's cgroup.
_ENGINES = ("docker-proxy", "dockerd")


class World:
    """What one family's packets meet. listeners: None if they were not read."""

    def __init__(self, family: int, snapshot: Snapshot, shared: Shared) -> None:
        self.family = family
        self.interfaces = shared.interfaces
        self.listeners = shared.listeners
        self.foreign = shared.foreign
        self.knows_foreign = shared.knows_foreign
        self._settings = shared.settings
        ending = "" if family == IPV4 else "6"
        self.routes = Routes(family, snapshot.objects("rules" + ending), snapshot.objects("routes" + ending))
        names = snapshot.save_names(family)
        found = {name: parse(snapshot.text(name) or "") for name in names}
        types = AddressTypes(self.routes, self.interfaces)
        conditions = Conditions(shared.sets, types)
        self.variants: List[Variant] = [
            Variant(_variant_name(name) if len(found) > 1 else "", {table: Table(chains, conditions.of) for table, chains in ruleset.tables.items()})
            for name, ruleset in found.items()
        ]
        # Tables of nftables that are not iptables' own.
        self.nft_tables: List[NftTable] = []
        self.order = Order(self.variants, list(self._nft_chains(shared.tables, types, found.get(save_name(NFT, family)))))

    def _nft_chains(self, tables: List[NftTable], types: AddressTypes, saved: Optional[Ruleset]) -> Iterator[NftChain]:
        """The base chains of nftables that do anything, but those that are iptables' own: iptables-save has these."""
        for table in tables:
            if self.family not in _FAMILIES.get(table.family, ()):
                continue
            chains = saved.tables.get(table.name, {}) if saved is not None and table.family != "inet" else {}
            ready = ReadyTable(table, self.family, types, self._owner)
            walked = [base for base in table.bases if base.name not in chains and (base.drops or table.chains[base.name])]
            if walked:
                self.nft_tables.append(table)
            for base in walked:
                yield NftChain(ready, base, doings(table, base), table.is_doubtful, reads_marks(table, base))

    def _owner(self, packet: Packet) -> Optional[str]:
        """Who has the socket that a packet is for. It is known where the packet opens a connection to the host."""
        connection = packet.connection
        if self.listeners is None or packet.hook != "INPUT" or packet.protocol not in ("tcp", "udp") or packet.dport is None:
            return None
        if connection is not None and connection.state != NEW and connection.direction != ORIGINAL:
            return None
        found = self.listeners.answering(self.family, packet.protocol, packet.destination, packet.dport, packet.iif)
        if found is None:
            return NOBODY
        return None if not found.process else ENGINE if found.process in _ENGINES else OTHER

    def setting(self, name: str) -> Optional[int]:
        """Return a kernel setting, None if it was not read."""
        return self._settings.get(name)


class Shared:
    """What packets of both families meet."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.interfaces = Interfaces(snapshot.objects("addresses"))
        self.sets = Sets(snapshot.text("ipset") or "")
        sockets = snapshot.text("sockets")
        self.listeners = None if sockets is None else Listeners(sockets)
        self.tables = read_tables(snapshot.objects("nftables"))
        self.foreign: List[ForeignChain] = foreign_chains(self.tables)
        self.knows_foreign = snapshot.text("nftables") is not None
        self.settings = snapshot.settings()


def _variant_name(text: str) -> str:
    return "legacy" if text.endswith("_legacy") else "nft"
