# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The opened ports of one owner: a task's one port, or a policy's ports."""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence

from ..engine.api.client import WholeEngine
from ..host.system.system import System
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.reconcile.plan import Plan
from ..netfilter.rules.desired import DesiredState
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.blocks.owners import PortForwardingOwner
from ..policy.blocks.port_rules import Rules
from ..policy.language.open_ports import Opening, OpenPort
from . import hairpin
from .chains import open_wanted, parents
from .close_connections import end_connections, holders
from .conflicts import refuse_opened, refuse_other_owner
from .lookup import Refused, able, notes, openings
from .opened import OpenedPort, leads, leads_of

Mark = Callable[[Opening], str]


class Forwarder:
    """found: where the ports lead, after a call of ``wanted``. switched: bridge ports whose mode was switched, or would be, as they were
    before; after a call of ``follow``."""

    def __init__(self, system: System, engine: WholeEngine, names: PortForwardingOwner, ports: Sequence[OpenPort], mark: Mark, refused: Refused) -> None:
        """mark: tells an opening's owner from others whose chains would have the same names. refused: gets the error why one cannot be opened."""
        self._system = system
        self._engine = engine
        self._names = names
        self._ports = list(ports)
        self._mark = mark
        self._refused = refused
        self.found: List[Opening] = []
        self.switched: List[hairpin.Port] = []

    def wanted(self, netfilter: Netfilter, rules: Rules, made: Sequence[int] = ()) -> DesiredState:
        """Return chains and hooks. ``rules`` gets the sets that lines need. made: families in which others make
        DOCKER-USER. Raises DrawbridgeError for what is wrong with all ports."""
        rulesets = netfilter.rulesets()
        mark = ""
        if self._ports:
            self.found = self._openings(rulesets)
            mark = self._mark(self.found[0]) if self.found else ""
        return open_wanted(self._names, self.found, rules, parents(rulesets, made), mark)

    def _openings(self, rulesets: Dict[int, Ruleset]) -> List[Opening]:
        chain = self._names.publish
        led = {(lead.protocol, lead.port, lead.address) for lead in leads(rulesets) if lead.chain == chain}

        def held(port: OpenPort) -> bool:
            return (port.target.protocol, port.number, port.address) in led

        found = openings(self._system, self._engine, self._ports, self._refused, held)
        for opening in found[:1]:
            refuse_other_owner(opening.port, chain, self._mark(opening), rulesets)
        free = able([opening.port for opening in found], lambda ports: refuse_opened(ports, chain, rulesets), self._refused, held)
        return [opening for opening in found if opening.port in free]

    def follow(self, plan: Plan, check_mode: bool) -> List[str]:
        """Do what is needed beside the rules, once they are in force. Returns warnings."""
        rulesets = _before(plan)
        closed = self._closed(plan)
        left = {lead.to for lead in [*leads(rulesets), *self._opened] if lead not in closed}
        if hairpin.is_ours_to_set(self._system, rulesets):
            alone = holders(self._system, self._engine, [lead for lead in closed if lead.to not in left])
            on = [opening.container for opening in self.found if opening.container is not None]
            self.switched = hairpin.wrong_ports(self._system, on, alone)
        told = notes(self._system, self.found) if plan.is_change else []
        return told if check_mode else told + hairpin.switch(self._system, self.switched)

    def end(self, plan: Plan) -> List[str]:
        """End connections through closed ports, once the rules are in force. Returns warnings."""
        closed = self._closed(plan)
        return end_connections(self._system, closed, holders(self._system, self._engine, closed)) if closed else []

    @property
    def _opened(self) -> List[OpenedPort]:
        return leads_of(self._names.publish, self.found)

    def _closed(self, plan: Plan) -> List[OpenedPort]:
        opened = self._opened
        return [lead for lead in leads(_before(plan)) if lead.chain == self._names.publish and lead not in opened]


def _before(plan: Plan) -> Dict[int, Ruleset]:
    return {family: part.ruleset for family, part in plan.families.items()}
