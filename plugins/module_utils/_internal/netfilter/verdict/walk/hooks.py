# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A packet on a hook: the tables of iptables and nftables, tracking and translation, in the kernel's order. Pure."""

from __future__ import annotations

from typing import Iterable, List, Optional

from ..matching.packet import NEW, Connection, Packet
from ..matching.translation import DESTINATION, HOOK_KINDS, apply_translation
from ..snapshot.foreign_tables import CHANGES, MARKS, REJECTS, STOPS, TRANSLATES, ForeignChain
from .choices import Choices, Question
from .nft_walk import NftWalk
from .order import NAT, TRACKING, Entry, commute
from .path import DROPPED, REJECTED, UNKNOWN, Ended, Step
from .table_walk import ACCEPT, TableWalk
from .world import World


class Hooks:
    """One run of one packet. flow: what tracking knows of it already; None for the first packet of a flow."""

    def __init__(self, world: World, packet: Packet, choices: Choices, flow: Optional[Connection] = None, is_valid: bool = True) -> None:
        self.world = world
        self.packet = packet
        self.choices = choices
        self.path: List[Step] = []
        self._flow = flow
        self._is_valid = is_valid
        # Those of the present priority that have been asked, the last one of them now.
        self._asked_at_once: List[Entry] = []

    def _hook(self, hook: str) -> None:
        self.packet.hook = hook
        for entry in self._ordered(hook):
            self._enter(hook, entry)

    def _ordered(self, hook: str) -> Iterable[Entry]:
        for group in self.world.order.on(hook):
            self._asked_at_once = []
            for entry in self._sorted(group, hook):
                self._asked_at_once.append(entry)
                yield entry

    def _sorted(self, group: List[Entry], hook: str) -> List[Entry]:
        """Of one priority the kernel asks first what was registered last. That is not to be read anywhere, so each order is followed that may matter."""
        found: List[Entry] = []
        for entry in group:
            place = len(found)
            while place and not commute(found[place - 1], entry) and self._comes_first(entry, found[place - 1], hook):
                place -= 1
            found.insert(place, entry)
        return found

    def _comes_first(self, entry: Entry, other: Entry, hook: str) -> bool:
        return self._ask("", "%s is asked before %s on the hook %s, where both have one priority" % (entry.words, other.words, hook.lower()))

    def _enter(self, hook: str, entry: Entry) -> None:
        if entry.kind == TRACKING:
            self._track()
        elif entry.kind == NAT:
            self._nat(hook)
        elif self._is_active(entry):
            verdict = self._asked(hook, entry)
            if verdict != ACCEPT:
                self._stopped(verdict)

    def _asked(self, hook: str, entry: Entry) -> str:
        """The verdict of a table of iptables, or of a chain of nftables."""
        if entry.base is not None and entry.nft is not None:
            return NftWalk(self.world, self.packet, self.choices, self.path).walk(entry.nft, entry.base)
        if entry.table is None:
            return ACCEPT
        return TableWalk(self.world, self.packet, self.choices, self.path).walk(entry.variant, entry.name, entry.table, hook)

    def _is_active(self, entry: Entry) -> bool:
        return not entry.is_doubtful or self._ask("", "%s is active: nft does not tell whether its table is dormant" % entry.words)

    def _stopped(self, verdict: str) -> None:
        """The last step drops or rejects the packet. Whether it met those of the same priority before is not known, but for iptables' two variants."""
        step = self.path[-1]
        for other in self._asked_at_once[:-1]:
            if other.table is None or self._asked_at_once[-1].table is None:
                self._comes_first(self._asked_at_once[-1], other, self.packet.hook)
        raise Ended(REJECTED if verdict == "REJECT" else DROPPED, "%s: %s" % (step.place, step.text))

    def _track(self) -> None:
        packet = self.packet
        if packet.connection is not None or packet.is_untracked or not self._is_valid:
            return
        if packet.is_never_tracked:
            packet.is_untracked = True
        elif self._flow is not None or self._opens_flow():
            packet.connection = self._flow or Connection(packet.ends)

    def _opens_flow(self) -> bool:
        return self.packet.opens_flow

    def _nat(self, hook: str) -> None:
        """The first packet of a flow decides about its translation. Later ones are translated alike, and see no rule."""
        packet, connection, kind = self.packet, self.packet.connection, HOOK_KINDS[hook]
        if connection is None:
            return
        if connection.state == NEW and kind not in connection.chosen:
            connection.chosen.add(kind)
            self._nat_rules(hook, kind, connection)
            return
        before = packet.ends
        change = apply_translation(packet, connection, kind)
        if packet.ends != before:
            self.path.append(Step("", "", None, "connection tracking translates it like the flow's first packet", change))

    def _nat_rules(self, hook: str, kind: str, connection: Connection) -> None:
        """All chains of the type nat, until one of them translates the packet."""
        for group in self.world.order.nat_on(hook):
            self._asked_at_once = []
            for entry in self._sorted(group, hook):
                if (connection.destination if kind == DESTINATION else connection.source) is not None:
                    return
                if self._is_active(entry):
                    verdict = self._asked(hook, entry)
                    if verdict != ACCEPT:
                        self._stopped(verdict)

    def _foreign(self, chain: ForeignChain) -> None:
        """A chain whose rules are not modelled may do what it may do."""
        packet = self.packet
        if chain.does & {STOPS, REJECTS} and self._ask(str(chain), "it may drop the packet"):
            self.path.append(Step("", "", None, str(chain), "may drop it"))
            self._foreign_stop(chain)
        if TRANSLATES in chain.does and self._ask(str(chain), "it may translate the packet"):
            raise Ended(UNKNOWN, "%s may translate the packet" % str(chain))
        if CHANGES in chain.does and self._ask(str(chain), "it may change the packet"):
            raise Ended(UNKNOWN, "%s may change the packet" % str(chain))
        if MARKS in chain.does:
            packet.mark = None

    def _foreign_stop(self, chain: ForeignChain) -> None:
        raise Ended(DROPPED, "%s drops it" % str(chain))

    def _ask(self, place: str, words: str) -> bool:
        return self.choices.ask(Question(place, words, place + words))

    def _ask_routing(self, words: str) -> bool:
        return self._ask("routing", words)
