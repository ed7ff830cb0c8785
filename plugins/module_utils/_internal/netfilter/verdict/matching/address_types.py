# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What rules ask of the routing: an address's type (``addrtype``), and the way back to a source (``rpfilter``). Pure."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ....address import IPV4
from ...rules.matches import OneOfMatch
from ..snapshot.interfaces import Interfaces
from ..snapshot.routes import Lookup, Routes
from .packet import Packet
from .tracking_conditions import Maybe, Predicate


class AddressTypes:
    """Answers by one family's routes."""

    def __init__(self, routes: Routes, interfaces: Interfaces) -> None:
        self._routes = routes
        self._interfaces = interfaces

    def condition(self, match: OneOfMatch, flags: Sequence[str]) -> Predicate:
        """``--src-type`` or ``--dst-type``. flags: the rule's options without words, ``--limit-iface-in`` among them or not."""
        listed = match.listed.split(",")

        def holds(packet: Packet) -> Maybe:
            address = packet.source if match.option == "--src-type" else packet.destination
            device = packet.iif if "--limit-iface-in" in flags else packet.oif if "--limit-iface-out" in flags else ""
            if packet.family == IPV4:
                return match.holds_any(self._routes.local_type(address, device).upper())
            return self._holds_ipv6(listed, address, device, packet) != match.negated

        return holds

    def _holds_ipv6(self, listed: List[str], address: int, device: str, packet: Packet) -> bool:
        """For IPv6 the kernel wants all that is listed of multicast, unicast and unspec, and one of the rest."""
        is_multicast = address >> 120 == 0xFF
        for name, held in (("MULTICAST", is_multicast), ("UNICAST", not is_multicast and address != 0), ("UNSPEC", address == 0)):
            if name in listed and not held:
                return False
        asked = {"LOCAL", "ANYCAST", "UNREACHABLE"}.intersection(listed)
        if not asked:
            return True
        if device:
            found = "local" if self._interfaces.holds(device, packet.family, address) else ""
        else:
            # A link-local address is one of a link.
            place = self._routes.find(Lookup(address, oif=packet.iif if address >> 118 == 0x3FA and packet.iif else ""), _no)
            found = "unreachable" if place is None or place.leads_nowhere else place.kind
        return found.upper() in asked

    def type_of(self, packet: Packet, address: int, device: str) -> str:
        """Return an address's type as ``fib`` of nftables tells it. device: empty unless only that interface's addresses count."""
        if packet.family == IPV4:
            return self._routes.local_type(address, device)
        if device and self._interfaces.holds(device, packet.family, address):
            return "local"
        place = self._routes.find(Lookup(address, oif=_link(packet, address, device)), _no)
        if place is None or place.leads_nowhere:
            return {"blackhole": "blackhole", "prohibit": "prohibit"}.get(place.kind if place is not None else "", "unreachable")
        if place.kind == "anycast" or place.kind == "local" and not device:
            return place.kind
        return "multicast" if address >> 120 == 0xFF else "unicast" if address else "unspec"

    def way_to(self, packet: Packet, address: int, device: str, uses_mark: bool) -> Optional[str]:
        """Return the interface by which the host sends to an address, as ``fib`` of nftables tells it: empty without any, None if it is not known.

        device: the one that it has to be, empty if it may be any.
        """
        if packet.iif == "lo":
            return "lo"
        questions = _Questions()
        mark = packet.mark if uses_mark else 0
        found = self._routes.find(Lookup(address, oif=_link(packet, address, device) if packet.family != IPV4 else "", mark=mark), questions.ask)
        if questions.were_asked:
            return None
        if found is None or found.kind != "unicast" or device and found.device != device:
            return ""
        return found.device

    def reverse_path(self, flags: Sequence[str]) -> Predicate:
        """``-m rpfilter``: whether the host would answer by the interface that the packet came by."""
        inverted = "--invert" in flags

        def holds(packet: Packet) -> Maybe:
            if packet.iif == "lo" or _has_no_address_yet(packet):
                return not inverted
            questions = _Questions()
            mark = packet.mark if "--validmark" in flags else 0
            link = _link(packet, packet.source, "") if packet.family != IPV4 else ""
            found = self._routes.find(Lookup(packet.source, oif=link, mark=mark), questions.ask)
            if questions.were_asked:
                return None
            kinds = ("unicast", "local") if "--accept-local" in flags else ("unicast",)
            right = found is not None and found.kind in kinds and ("--loose" in flags or found.device == packet.iif)
            return right != inverted

        return holds


def _has_no_address_yet(packet: Packet) -> bool:
    """Whether the sender asks for an address, which no route is looked up for."""
    if packet.family != IPV4:
        return packet.source == 0
    return packet.source >> 24 == 0 and (packet.destination == 0xFFFFFFFF or packet.destination >> 8 == 0xE00000)


def _link(packet: Packet, address: int, device: str) -> str:
    """The link that a link-local address of IPv6 is one of."""
    return (device or packet.iif) if address >> 118 == 0x3FA else ""


class _Questions:
    """Says no to every question, and remembers that there were some."""

    were_asked = False

    def ask(self, _words: str) -> bool:
        self.were_asked = True
        return False


def _no(_words: str) -> bool:
    return False
