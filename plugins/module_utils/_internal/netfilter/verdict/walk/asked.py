# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The packets that a user asks about: dictionaries, checked, with defaults. Every error names the place."""

from __future__ import annotations

import re
from typing import FrozenSet, List, Mapping, NamedTuple, Optional, Tuple

from ....address import Network, number, parse_network, quoted
from ....errors import DrawbridgeError
from ..matching.packet import WITH_PORTS

STATES = ("new", "established", "reply", "invalid")
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")
_KEYS = ("from", "to", "port", "protocol", "source_port", "interface", "state", "mark", "icmp_type", "tcp_flags")
_PING = {4: (8, 0), 6: (128, 0)}
_ICMP = {4: "icmp", 6: "ipv6-icmp"}
_ECHO = {"echo-request": _PING, "echo-reply": {4: (0, 0), 6: (129, 0)}}
# An address, perhaps in brackets, a port and a protocol.
_PLACE = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*))(?::([0-9]+))?(?:/([a-z][a-z0-9-]*))?")


class Asked(NamedTuple):
    """A packet as asked about. source: None for a packet of the host whose address routing chooses. is_local: whether the host sends it.
    interface: empty where the way back to the source tells it."""

    family: int
    protocol: str
    source: Optional[int]
    destination: int
    sport: Optional[int]
    dport: Optional[int]
    icmp: Optional[Tuple[int, int]]
    flags: FrozenSet[str]
    interface: str
    state: str
    mark: int
    is_local: bool


def parse_asked(packets: List[object], path: str = "packets") -> List[Asked]:
    """Return the packets. Raises DrawbridgeError with the place, as ``packets[3].port``."""
    return [parse_packet(item, "%s[%d]" % (path, place)) for place, item in enumerate(packets)]


def parse_packet(item: object, path: str) -> Asked:
    """Return one packet. path: its place in the user's data. Raises DrawbridgeError."""
    if not isinstance(item, Mapping):
        raise DrawbridgeError("%s is not a packet" % quoted(item), path, "write it as {from: 203.0.113.9, to: 192.0.2.10:8080}")
    for key in item:
        if key not in _KEYS:
            raise DrawbridgeError("no such key", "%s.%s" % (path, key), "keys are %s" % ", ".join(_KEYS))
    destination, port, protocol = _to(item, path)
    source = _from(item, destination.family, path)
    if protocol in WITH_PORTS and port is None:
        raise DrawbridgeError("a packet of %s needs a port" % protocol, "%s.port" % path, "write it behind the address: 192.0.2.10:8080")
    if protocol not in WITH_PORTS and port is not None:
        raise DrawbridgeError("%s has no ports" % protocol, "%s.port" % path)
    state = str(item.get("state", "new"))
    if state not in STATES:
        raise DrawbridgeError("%s is no state" % quoted(state), "%s.state" % path, "states are %s" % ", ".join(STATES))
    family = destination.family
    return Asked(
        family, protocol, None if source is None else number(source.address)[0], number(destination.address)[0],
        _number(item, "source_port", 65535, path), port, _icmp(item, family, protocol, path), _flags(item, protocol, state, path),
        _text(item, "interface", path), state, _number(item, "mark", 0xFFFFFFFF, path) or 0, source is None,
    )  # fmt: skip


def _to(item: Mapping[object, object], path: str) -> Tuple[Network, Optional[int], str]:
    """Return the destination, the port, and the protocol, which is tcp for a port and a ping without one."""
    text = _text(item, "to", path)
    if not text:
        raise DrawbridgeError("it is missing", "%s.to" % path, "write an address, and a port behind it: 192.0.2.10:8080")
    found = _PLACE.fullmatch(text)
    address = (found.group(1) or found.group(2) or "") if found else text
    network = _host(address, "%s.to" % path)
    port = _number(item, "port", 65535, path)
    if found and found.group(3):
        if port is not None:
            raise DrawbridgeError("the port stands in to as well", "%s.port" % path)
        port = int(found.group(3))
        if port > 65535:
            raise DrawbridgeError("%d is no port" % port, "%s.to" % path)
    given = _text(item, "protocol", path) or (found.group(4) if found else "") or ""
    return network, port, _protocol(given, network.family, port, path)


def _protocol(given: str, family: int, port: Optional[int], path: str) -> str:
    if not given:
        return "tcp" if port is not None else _ICMP[family]
    if given in ("icmp", "icmpv6", "ipv6-icmp", "1", "58"):
        return _ICMP[family]
    name = {"6": "tcp", "17": "udp", "132": "sctp"}.get(given, given)
    if name in WITH_PORTS or name.isdigit() and int(name) <= 255 or name in ("esp", "ah", "gre"):
        return name
    raise DrawbridgeError("%s is no protocol" % quoted(given), "%s.protocol" % path, "write tcp, udp, sctp, icmp or a number")


def _from(item: Mapping[object, object], family: int, path: str) -> Optional[Network]:
    text = _text(item, "from", path)
    if not text:
        raise DrawbridgeError("it is missing", "%s.from" % path, "write an address, or host for packets of the host itself")
    if text == "host":
        return None
    source = _host(text, "%s.from" % path)
    if source.family != family:
        raise DrawbridgeError("%s is of another family than the destination" % text, "%s.from" % path)
    return source


def _host(text: str, path: str) -> Network:
    network = parse_network(text, path)
    if not network.is_host:
        raise DrawbridgeError("%s is a network" % quoted(text), path, "a packet has one address: choose one")
    return network


def _icmp(item: Mapping[object, object], family: int, protocol: str, path: str) -> Optional[Tuple[int, int]]:
    text = _text(item, "icmp_type", path)
    if protocol != _ICMP[family]:
        if text:
            raise DrawbridgeError("%s has no types" % protocol, "%s.icmp_type" % path)
        return None
    if not text:
        return _PING[family]
    if text in _ECHO:
        return _ECHO[text][family]
    kind, _slash, code = text.partition("/")
    if not kind.isdigit() or code and not code.isdigit() or int(kind) > 255 or int(code or 0) > 255:
        raise DrawbridgeError("%s is no type" % quoted(text), "%s.icmp_type" % path, "write echo-request, or numbers: 3 or 3/4")
    return int(kind), int(code or 0)


def _flags(item: Mapping[object, object], protocol: str, state: str, path: str) -> FrozenSet[str]:
    if "tcp_flags" not in item:
        usual = {"new": ("SYN",), "reply": ("SYN", "ACK")}.get(state, ("ACK",))
        return frozenset(usual if protocol == "tcp" else ())
    given = item["tcp_flags"]
    names = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else [None]
    found = frozenset(str(name).strip().upper() for name in names if name != "")
    if not found.issubset(_FLAGS) or protocol != "tcp":
        raise DrawbridgeError("%s are no flags of %s" % (quoted(given), protocol), "%s.tcp_flags" % path, "flags are %s" % ", ".join(_FLAGS))
    return found


def _text(item: Mapping[object, object], key: str, path: str) -> str:
    value = item.get(key)
    if value is None:
        return ""
    if isinstance(value, (Mapping, list)):
        raise DrawbridgeError("%s is no text" % quoted(value), "%s.%s" % (path, key))
    return str(value).strip()


def _number(item: Mapping[object, object], key: str, most: int, path: str) -> Optional[int]:
    text = _text(item, key, path)
    if not text:
        return None
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise DrawbridgeError("%s is no number from 0 to %d" % (quoted(text), most), "%s.%s" % (path, key))
    return value
