# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A snapshot made ready for packets of one family: rules, sets, routes, interfaces, listeners, settings. Pure."""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional

from ....address import IPV4
from ...rules.saved_ruleset import SavedChain, parse
from ..matching.address_types import AddressTypes
from ..matching.chains import Chain, MakeConditions, Rule
from ..matching.conditions import Conditions
from ..snapshot.foreign_tables import ForeignChain, foreign_chains
from ..snapshot.interfaces import Interfaces
from ..snapshot.routes import Routes
from ..snapshot.sets import Sets
from ..snapshot.sockets import Listeners
from ..snapshot.texts import Snapshot


class Table:
    """A table's chains, made ready one by one, when a packet comes to them."""

    def __init__(self, chains: Mapping[str, SavedChain], make: MakeConditions) -> None:
        self._saved = chains
        self._make = make
        self._ready: Dict[str, Chain] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._saved

    def chain(self, name: str) -> Optional[Chain]:
        if name not in self._ready:
            saved = self._saved.get(name)
            if saved is None:
                return None
            self._ready[name] = Chain(name, saved, self._make)
        return self._ready[name]

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of all chains."""
        for name in self._saved:
            chain = self.chain(name)
            yield from chain.rules if chain is not None else ()


class Variant(NamedTuple):
    """One variant of iptables. name: empty where there is only one."""

    name: str
    tables: Dict[str, Table]


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
        conditions = Conditions(shared.sets, AddressTypes(self.routes, self.interfaces))
        self.variants: List[Variant] = [
            Variant(_variant_name(name) if len(found) > 1 else "", {table: Table(chains, conditions.of) for table, chains in ruleset.tables.items()})
            for name, ruleset in found.items()
        ]

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
        self.foreign: List[ForeignChain] = foreign_chains(snapshot.objects("nftables"))
        self.knows_foreign = snapshot.text("nftables") is not None
        self.settings = snapshot.settings()


def _variant_name(text: str) -> str:
    return "legacy" if text.endswith("_legacy") else "nft"
