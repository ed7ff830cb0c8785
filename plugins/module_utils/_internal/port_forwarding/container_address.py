# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ask the engine for a container's address. A process with NET_ADMIN in the container's namespace could give itself any address."""

from __future__ import annotations

import re
from typing import Iterator, List, NamedTuple, Optional, Tuple

from ..address import FAMILIES, IPV4, IPV6, parse_network, quoted
from ..engine.api.answers import Network
from ..engine.api.client import Inspector
from ..engine.containers.target import Target
from ..errors import DrawbridgeError
from ..host.system.json_values import JsonObject, mapping
from ..policy.language.open_ports import Endpoint, OpenPort

_ADDRESS = {IPV4: "IPAddress", IPV6: "GlobalIPv6Address"}
_BRIDGE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
# A container may be in the network of another one, and so on. Engines make no circles; a hostile engine would.
_MAX_STEPS = 8


class _Attached(NamedTuple):
    """A container's end on one bridge network. The order is the one in which the engine chooses the end to reach it by."""

    internal: bool
    priority: int
    name: str
    network: Network
    end: JsonObject


def endpoints(port: OpenPort, target: Target, inspector: Inspector, networks: List[Network]) -> Tuple[Endpoint, ...]:
    """Return the container's addresses in the port's families. Raises DrawbridgeError if it has none."""
    attached = sorted(_attached(port, target, inspector, networks))
    found = [end for family in port.families for end in _first(attached, family)]
    if not found:
        raise _error(port, target, "has no address that the port could lead to", "give it a bridge network of that family")
    internal = [item for item in attached if item.internal and _is_used(item, found)]
    if internal and not port.masquerade:
        raise _error(
            port,
            target,
            "is on the internal network %s, where it has no way back to who is not on it" % quoted(internal[0].name),
            "masquerade: true makes the host the one that it answers",
        )
    return tuple(found)


def _attached(port: OpenPort, target: Target, inspector: Inspector, networks: List[Network]) -> Iterator[_Attached]:
    known = {network.id: network for network in networks}
    details = _owner(port, target, inspector)
    ends = mapping(mapping(details.get("NetworkSettings")).get("Networks"))
    on = []
    for name, value in ends.items():
        end = mapping(value)
        network = known.get(str(end.get("NetworkID")))
        if network is not None and network.bridge is not None and _BRIDGE.fullmatch(network.bridge):
            priority = end.get("GwPriority")
            yield _Attached(network.internal, -priority if isinstance(priority, int) else 0, name, network, end)
            on.append(name)
    if not on:
        names = ", ".join(quoted(name) for name in sorted(ends) if name != "none")
        reason = "is on %s, which is no bridge network of this host" % names if names else "has no network"
        raise _error(port, target, reason, "a port can only be led to a bridge network")


def _owner(port: OpenPort, target: Target, inspector: Inspector) -> JsonObject:
    """Return the details of the container whose network this one is in: its own, or another container's."""
    details = target.details
    for _step in range(_MAX_STEPS):
        kind, _colon, other = str(mapping(details.get("HostConfig")).get("NetworkMode")).partition(":")
        if kind == "host":
            raise _error(
                port, target, "is on the host's network: what it serves is the host's own", "host_policy's host_services says who may reach that"
            )
        if kind != "container":
            return details
        details = inspector.inspect(other)
    raise _error(port, target, "is in the network of a container that cannot be found", None)


def _first(attached: List[_Attached], family: int) -> Iterator[Endpoint]:
    """Yield the end that the engine would publish a port to."""
    for item in attached:
        address = _address(item.end, family)
        if address is not None:
            subnets = [parse_network(subnet) for subnet in item.network.subnets]
            yield Endpoint(family, address, str(item.network.bridge), tuple(str(one) for one in subnets if one.family == family))
            return


def _address(end: JsonObject, family: int) -> Optional[str]:
    text = end.get(_ADDRESS[family])
    if not isinstance(text, str) or not text:
        return None
    network = parse_network(text)
    return network.address if network.is_host and network.family == family else None


def _is_used(item: _Attached, ends: List[Endpoint]) -> bool:
    return any(_address(item.end, family) == end.address for family in FAMILIES for end in ends)


def _error(port: OpenPort, target: Target, reason: str, hint: Optional[str]) -> DrawbridgeError:
    return DrawbridgeError("container %s %s" % (quoted(target.name), reason), port.entry.path or None, hint)
