# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tunnels that end on this host: the outer packets of a connection that comes in by a tunnel's interface."""

from __future__ import annotations

import json
from typing import List, Optional

from ..network.links import bridge_ports, kinds
from ..system.json_values import JsonObject, mapping, objects
from ..system.system import System
from .tunnel import OuterPacket, Tunnel

# Link kinds that are not tunnels: their packets have no outer packet.
_NO_TUNNELS = frozenset(("", "bond", "bridge", "dummy", "ifb", "ipvlan", "macvlan", "macsec", "macvtap", "netkit", "team", "veth", "vlan", "vrf"))
# Tunnels that carry packets directly in IP, and their protocol. For _SIX_IN_IP it depends on the inner packet's family.
_IN_IP = {
    **dict.fromkeys(("gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan"), "gre"), "ipip": "ipencap", "vti": "esp", "vti6": "esp",
}
_SIX_IN_IP = ("sit", "ip6tnl")
_VXLAN_PORT, _GENEVE_PORT = 8472, 6081
_ANY = ("any", "0.0.0.0", "::", None)


def tunnel_of(system: System, interface: str, inner: str) -> Optional[Tunnel]:
    """Return the tunnel of an interface, None if the interface is not a tunnel. inner: the sender's address inside the tunnel."""
    known = kinds()
    kind = known.get(interface, "")
    if kind == "bridge":
        ports = [port for port, master in bridge_ports().items() if master == interface and known.get(port) not in _NO_TUNNELS]
        return _of_port(system, interface, inner, ports) if ports else None
    if kind in _NO_TUNNELS:
        return None
    if kind == "wireguard":
        from .wireguard import wireguard  # pylint: disable=import-outside-toplevel

        return wireguard(system, interface, inner)
    if kind == "tun":
        from .tun import tun  # pylint: disable=import-outside-toplevel

        return tun(system, interface)
    data = _data(system, interface)
    if kind in ("vxlan", "geneve"):
        return _in_udp(system, interface, kind, data, inner)
    if kind in _IN_IP or kind in _SIX_IN_IP:
        return _in_ip(system, interface, kind, data, inner)
    return Tunnel(interface, kind, [], "what carries a link of this kind is not known here")


def _data(system: System, interface: str) -> JsonObject:
    """Return the details that are specific to the interface's kind."""
    said = _told(system, ["-d", "link", "show", "dev", interface])
    return mapping(mapping(said[0].get("linkinfo")).get("info_data")) if said else {}


def _told(system: System, words: List[str], program: str = "ip") -> List[JsonObject]:
    """Return the JSON that an iproute2 command prints, empty if it fails."""
    output = system.run([system.require(program, "iproute2"), "-j", *words])
    try:
        answer = json.loads(output.stdout or "[]")
    except ValueError:
        return []
    return objects(answer)


def _in_ip(system: System, interface: str, kind: str, data: JsonObject, inner: str) -> Tunnel:
    protocol = _IN_IP.get(kind) or ("ipv6" if ":" in inner else "ipencap")
    local = _address(data, "local")
    remotes = _remotes(system, interface, data, inner)
    encapsulated = mapping(data.get("encap"))
    if encapsulated.get("type") in ("fou", "gue"):
        # The source port of this end is usually also its listening port.
        ports = [int(port) for item in _told(system, ["fou", "show"]) for port in [str(item.get("port", ""))] if port.isdigit()]
        own = encapsulated.get("sport")
        ports = [own] if isinstance(own, int) and own in ports else ports
        outers = [OuterPacket("udp", remote, local, port) for remote in remotes for port in ports]
        return Tunnel(interface, kind, outers, "" if outers else "no port takes what is encapsulated")
    return Tunnel(interface, kind, [OuterPacket(protocol, remote, local) for remote in remotes])


def _in_udp(system: System, interface: str, kind: str, data: JsonObject, inner: str) -> Tunnel:
    port = data.get("port") or (_VXLAN_PORT if kind == "vxlan" else _GENEVE_PORT)
    return Tunnel(interface, kind, [
        OuterPacket("udp", remote, _address(data, "local"), int(str(port))) for remote in _remotes(system, interface, data, inner)
    ])


def _remotes(system: System, interface: str, data: JsonObject, inner: str) -> List[Optional[str]]:
    """Return the outer sender: the tunnel's only other end, or the end that the inner sender is behind."""
    remote = _address(data, "remote")
    if remote is not None:
        return [remote]
    found = [_address(item, "lladdr") for item in _told(system, ["neighbour", "show", inner, "dev", interface])]
    hardware = [address for address in found if address and address.count(":") == 5 and "." not in address]
    behind = [address for address in found if address and address not in hardware]
    for address in hardware:
        entries = _told(system, ["fdb", "show", "dev", interface], "bridge")
        behind += [dst for item in entries if item.get("mac") == address for dst in [_address(item, "dst")] if dst]
    return list(dict.fromkeys(behind)) or [None]


def _of_port(system: System, bridge: str, inner: str, tunnels: List[str]) -> Optional[Tunnel]:
    """Return the tunnel of the bridge port that leads to the sender or to its router. tunnels: the ports that may be tunnels."""
    route = _told(system, ["route", "get", inner])
    neighbour = str(route[0].get("gateway", inner)) if route else inner
    hardware = [item.get("lladdr") for item in _told(system, ["neighbour", "show", neighbour, "dev", bridge])]
    behind = [str(item.get("ifname")) for item in _told(system, ["fdb", "show", "br", bridge], "bridge") if item.get("mac") in hardware]
    if not behind:
        return Tunnel(bridge, "bridge", [], "which of its ports the connection comes in by is not known, and %s is one" % tunnels[0])
    return next((tunnel_of(system, port, inner) for port in tunnels if port in behind), None)


def _address(data: JsonObject, key: str) -> Optional[str]:
    for name in (key, key + "6"):
        value = data.get(name)
        if isinstance(value, str) and value not in _ANY:
            return value
    return None
