# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The WireGuard peer that an address belongs to."""

from __future__ import annotations

from ...address import contains, parse_network
from ..system.system import System
from .tunnel import OtherEnd, OuterPacket, Tunnel


def wireguard(system: System, interface: str, inner: str) -> Tunnel:
    """Return the tunnel as ``wg`` shows it. If this host sends keepalives to the peer, the host itself keeps the path open."""
    program = system.which("wg")
    output = None if program is None else system.run([program, "show", interface, "dump"])
    lines = [] if output is None or output.rc != 0 else [line.split("\t") for line in output.stdout.splitlines()]
    if not lines or len(lines[0]) < 3 or not lines[0][2].isdigit():
        return Tunnel(interface, "wireguard", [], "wg does not tell its port and peers (package wireguard-tools)")
    peers = [fields for fields in lines[1:] if len(fields) >= 8]
    peer = max(peers, key=lambda fields: _length(fields[3], inner), default=None)
    if peer is None or _length(peer[3], inner) < 0:
        return Tunnel(interface, "wireguard", [OuterPacket("udp", None, None, int(lines[0][2]))])
    address, _colon, port = peer[2].rpartition(":")
    endpoint = address.strip("[]")
    if peer[7] != "off":
        return Tunnel(interface, "wireguard", [], "", [OtherEnd("udp", endpoint, int(port))] if endpoint and port.isdigit() else ())
    return Tunnel(interface, "wireguard", [OuterPacket("udp", None if endpoint in ("", "(none)") else endpoint, None, int(lines[0][2]))])


def _length(allowed: str, inner: str) -> int:
    """Return the longest prefix length of a peer's allowed networks that contain this address, -1 if none does."""
    mine = parse_network(inner)
    networks = [parse_network(text) for text in allowed.split(",") if "/" in text]
    return max([network.prefix for network in networks if contains(network, mine)], default=-1)
