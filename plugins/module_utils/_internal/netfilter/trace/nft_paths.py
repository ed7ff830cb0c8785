# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Puts packets' paths together from what nftables' trace says of them. Pure."""

from __future__ import annotations

from typing import Dict, List, Optional

from ..verdict.walk.path import ACCEPTED, DROPPED, NOWHERE, REJECTED, UNKNOWN, EndPoint, Step
from .headers import Header, read_header
from .hits import ACCEPT, DROP, GOES_ON, QUEUE, RULES, Hit, SeenPacket
from .kernel_messages import Message, interface_name
from .nft_probes import BEGIN_IN, BEGIN_OUT, END_IN, END_OUT
from .steps import Texts, arrives, leaves, rejects, translated

TRACE = 10 << 8 | 17
# The attributes of a message, and its types.
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _ID, _NETWORK, _TRANSPORT, _IIF, _OIF, _POLICY = 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16
_OF_POLICY, _OF_RULE = 1, 3
_FAMILIES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
_VERDICTS = {0: DROP, 1: ACCEPT, 3: QUEUE}


def read_hit(message: Message, protocol: str) -> Optional[Hit]:
    """Return what a message says; None if it tells of no rule and no policy."""
    if message.kind != TRACE:
        return None
    kind, handle = message.number(_TYPE), message.number(_HANDLE)
    if kind == _OF_POLICY:
        verdict = DROP if message.number(_POLICY) == 0 else ACCEPT
    elif kind == _OF_RULE and handle:
        # An attribute within an attribute: its head has four bytes.
        code = int.from_bytes(message.values.get(_VERDICT, b"")[4:8], "big", signed=True)
        verdict = _VERDICTS.get(code & 0xFF, GOES_ON) if code >= 0 else GOES_ON
    else:
        return None
    network, transport = message.values.get(_NETWORK), message.values.get(_TRANSPORT, b"")
    header = read_header(network, protocol, transport) if network else None
    return Hit(
        message.number(_ID), _FAMILIES.get(message.family, "other"), message.text(_TABLE), message.text(_CHAIN), handle if kind == _OF_RULE else None,
        verdict, header, interface_name(message.number(_IIF)), interface_name(message.number(_OIF)),
    )  # fmt: skip


class _Growing:
    """A packet on its way."""

    def __init__(self, hit: Hit, header: Header) -> None:
        self.first = self.last = header
        self.iif = hit.iif
        self.path: List[Step] = []
        self.verdict, self.reason, self.end = UNKNOWN, "", NOWHERE
        self.is_known = self.is_over = False


class NftPaths:
    """done: the packets whose way is over, in the order that they came. table: the probe's."""

    def __init__(self, table: str, texts: Texts, protocol: str) -> None:
        self.done: List[SeenPacket] = []
        self._table, self._texts, self._protocol = table, texts, protocol
        self._open: Dict[int, _Growing] = {}

    def add(self, hit: Hit) -> None:
        """Take note of one thing that the kernel says."""
        if hit.table == self._table:
            self._at_probe(hit)
        elif hit.identity in self._open:
            self._at_rule(self._open[hit.identity], hit)

    def end(self) -> None:
        """Nothing more is heard: what is still on its way went where nobody looks."""
        for identity in list(self._open):
            self._close(identity)

    def _at_probe(self, hit: Hit) -> None:
        found = self._open.get(hit.identity)
        if hit.chain in (BEGIN_IN, BEGIN_OUT):
            by_loopback = found is not None and hit.iif == "lo" and found.is_over
            if hit.handle is None or hit.header is None or by_loopback:
                return
            # The kernel gives the number of a packet that is gone to another one.
            self._close(hit.identity)
            self._open[hit.identity] = _Growing(hit, hit.header)
        elif found is not None:
            # A packet that is not of the state that is asked for is traced no further, and gets to neither end.
            found.is_known = True
            self._moved(found, hit)
            if hit.handle is not None and hit.chain in (END_IN, END_OUT):
                self._ends(found, hit)

    def _ends(self, found: _Growing, hit: Hit) -> None:
        found.verdict, found.is_over = ACCEPTED, True
        if hit.chain == END_IN:
            self._closed(hit.identity, found, "comes to the host", arrives(found.last, self._protocol))
        elif hit.oif == "lo":
            # It comes back by loopback, and begins again at PREROUTING.
            found.reason, found.end = "leaves by lo", leaves(found.last, "lo")
        else:
            self._closed(hit.identity, found, "leaves by %s" % hit.oif, leaves(found.last, hit.oif))

    def _closed(self, identity: int, found: _Growing, reason: str, end: EndPoint) -> None:
        found.reason, found.end = reason, end
        self._close(identity)

    def _at_rule(self, found: _Growing, hit: Hit) -> None:
        self._moved(found, hit)
        if hit.handle is not None:
            found.path.append(self._texts.rule(hit.family, hit.table, hit.chain, hit.handle))
        elif hit.verdict == DROP:
            found.path.append(self._texts.policy(hit.family, hit.table, hit.chain))
        if hit.verdict == DROP:
            step = found.path[-1]
            found.verdict, found.is_known = REJECTED if rejects(step) else DROPPED, True
            self._closed(hit.identity, found, "%s: %s" % (step.place, step.text), NOWHERE)

    def _moved(self, found: _Growing, hit: Hit) -> None:
        if hit.header is not None:
            translated(found.path, found.last, hit.header)
            found.last = hit.header

    def _close(self, identity: int) -> None:
        found = self._open.pop(identity, None)
        if found is None:
            return
        if found.verdict == UNKNOWN:
            where = found.path[-1].place if found.path else "the way in"
            found.reason = "nothing was seen of it after %s: routing, another firewall or the end of the trace took it" % where
        if found.is_known:
            self.done.append(SeenPacket(found.first, found.last, found.iif, found.verdict, found.reason, found.end, found.path, RULES, []))
