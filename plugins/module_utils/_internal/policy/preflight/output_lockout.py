# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Refuse a ``host_egress`` that would keep the host from answering the task's own SSH connection, before anything is written.

Replies pass. What connection tracking takes for the host's own does not: an open connection whose first packet it saw was the host's, one that it does
not know yet, and tunnels that the host itself keeps open.
"""

from __future__ import annotations

from typing import List, Optional

from ...address import FAMILIES, IPV4, IPV6, is_link_local, parse_network
from ...errors import DrawbridgeError
from ...host.network.answering_interface import answered_by
from ...host.network.conntrack import Flow, flows
from ...host.network.ssh import AcceptedSocket
from ...host.system.system import System
from ...host.tunnels.arrival import came_in_by
from ...host.tunnels.tunnel import OtherEnd
from ..readback.first_packet import FirstPackets, Packet, Verdict
from .ssh_layers import Layers

_CUT = "this keeps the host from sending to %s, which the SSH connection needs by which this task came in%s; nothing was changed"
_UNKNOWN = "the SSH connection by which this task came in may need what host_egress does not let the host send: %s"
_LET_OUT = "let the host reach it, or set allow_lockout"
_BEGUN = ("connect anew, so that connection tracking sees who began; where it follows nothing yet, apply the policy without host_egress first;"
          " or set allow_lockout")
_DIALS = "a program of the host passes it on that dials out itself, and whom is not known"
_NOT_TOLD = "connection tracking does not tell whether %s began what it sends to %s"


def refuse_cut_off(system: System, judge: FirstPackets, accepted: AcceptedSocket, found: Layers) -> List[str]:
    """Return warnings about what is uncertain. Raises DrawbridgeError with the place in the policy if the host could not answer."""
    lookup = _Sent(system, judge)
    warnings = [_UNKNOWN % _DIALS] if found.dials and lookup.limits_anything() else []
    for opened in found.opened:
        verdicts = [lookup.verdict(end) for end in opened.ends]
        if opened.is_sure and all(verdict.refused is not None for verdict in verdicts):
            raise _refusal(verdicts[0], opened.ends[0], " (%s, which the host keeps open)" % opened.by, _LET_OUT)
        warnings += [_UNKNOWN % opened.by] if any(verdict.refused is not None or verdict.in_doubt for verdict in verdicts) else []
    remote = accepted.connection.remote_address
    # The socket answers by its own link.
    link = came_in_by(accepted.pid, accepted.descriptor) if is_link_local(parse_network(remote)) else None
    warnings += lookup.answers(OtherEnd("tcp", remote, accepted.remote_port), accepted.connection.local_port, "the connection", link)
    for layer in found.layers:
        for packet in (packets[0] for packets in layer.flows if layer.by):
            # What is led to a container is not the host's to answer.
            if packet.source is not None and packet.to_host and packet.translated is None:
                warnings += lookup.carries(packet, packet.source, layer.by)
    return list(dict.fromkeys(warnings))


def _refusal(verdict: Verdict, end: OtherEnd, why: str, hint: str) -> DrawbridgeError:
    place = verdict.refused.path if verdict.refused is not None else None
    where = "%s (%s)" % (end.address, "port %d/%s" % (end.port, end.protocol) if end.port else "protocol " + end.protocol)
    return DrawbridgeError(_CUT % (where, why), place or "policy", hint)


class _Sent:
    """What the host sends, judged as if it were the first packet. Flows are looked up where that matters."""

    def __init__(self, system: System, judge: FirstPackets) -> None:
        self._system, self._judge = system, judge
        self._known: Optional[List[Flow]] = None
        self._asked = False

    def limits_anything(self) -> bool:
        """Whether something that the host sends by TCP may be dropped."""
        return any(self._judge.judge_sent(Packet(family, "tcp", None, None, None, to_host=False)).in_doubt for family in FAMILIES)

    def verdict(self, end: OtherEnd, link: Optional[str] = None) -> Verdict:
        """link: the interface by which packets leave, if routes do not tell."""
        leaves_by = link or answered_by(self._system, end.address).interface
        family = IPV6 if ":" in end.address else IPV4
        return self._judge.judge_sent(Packet(family, end.protocol, None, end.address, end.port or None, to_host=False, leaves_by=leaves_by))

    def answers(self, end: OtherEnd, port: int, called: str, link: Optional[str] = None) -> List[str]:
        """Return a warning, or none. port: the host's. Raises DrawbridgeError if the host's packets would not be taken for answers, and be dropped."""
        verdict = self.verdict(end, link)
        if verdict.refused is None:
            return []
        known = self._flows()
        if known is None:
            return [_UNKNOWN % _NOT_TOLD % (called, end.address)]
        if any(_is_begun_by(flow, end, port) for flow in known):
            return []
        raise _refusal(verdict, end, ": connection tracking does not know that the other end began it", _BEGUN)

    def carries(self, packet: Packet, source: str, by: str) -> List[str]:
        """The same for what carries the connection. packet: one that comes in from this source."""
        if packet.port is not None:
            mine = [flow for flow in self._flows() or [] if flow.protocol == packet.protocol]
            if any((flow.source, flow.port) == (source, packet.port) for flow in mine):
                return []
            for end in [OtherEnd(flow.protocol, source, flow.port) for flow in mine if (flow.destination, flow.source_port) == (source, packet.port)]:
                verdict = self.verdict(end)
                if verdict.refused is not None:
                    raise _refusal(verdict, end, " (%s, which the host began)" % by, _LET_OUT)
        verdict = self.verdict(OtherEnd(packet.protocol, source, 0))
        return [_UNKNOWN % ("%s, if the host is the first to send to %s" % (by, source))] if verdict.refused is not None or verdict.in_doubt else []

    def _flows(self) -> Optional[List[Flow]]:
        if not self._asked:
            self._known, self._asked = flows(self._system), True
        return self._known


def _is_begun_by(flow: Flow, end: OtherEnd, port: int) -> bool:
    return (flow.protocol, flow.source, flow.source_port, flow.answers_from_port) == (end.protocol, end.address, end.port, port)
