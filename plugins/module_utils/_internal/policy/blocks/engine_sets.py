# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The sets that follow the engine, not the policy: published ports, Docker's bridges, containers' networks.

With sets, a new container or network is one more entry, and no rule changes.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop
from typing import Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ...address import FAMILIES, IPV4, IPV6, halves, in_a_set, parse_network
from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...netfilter.rules.desired import AddressSet, Chain, SetType
from ...netfilter.rules.saved_rule import called_sets
from ..values import reserved_names

# All interfaces of one prefix share a hash bucket. With 64 entries in a bucket, the kernel refuses every new entry of the set.
# Half of that leaves room for new interfaces, which are added before old ones are deleted.
INTERFACES_PER_PREFIX = 32
# With eleven prefix lengths a set has 32 * (2**11 - 1) entries. More do not fit ipset's default maxelem.
MAX_BRIDGES = INTERFACES_PER_PREFIX * 11

# For a set of ports alone (bitmap:port) the kernel looks at TCP and UDP only. Other packets never match.
SCTP = "sctp"
NETWORKS = SetType("hash:net")
INTERFACES = SetType("hash:net,iface")
_PORT_TYPES = {"tcp": SetType("bitmap:port", "range 0-65535"), "udp": SetType("bitmap:port", "range 0-65535"), SCTP: SetType("hash:net,port")}
_BITS = {IPV4: 32, IPV6: 128}
EVERY_ADDRESS = {IPV4: ("0.0.0.0/1", "128.0.0.0/1"), IPV6: ("::/1", "8000::/1")}


def host_sets(host: HostFacts) -> Dict[str, AddressSet]:
    """Return the sets by name. If the engine could not be asked, they have no content, and the live content stays."""
    types = {**{name: _PORT_TYPES[protocol] for protocol, name in reserved_names.PORTS.items()}, reserved_names.ADDRESS_PORTS: SetType("hash:ip,port")}
    ports = _published(host)
    subnets = [(network.bridge, subnet) for network in host.networks for subnet in network.subnets]
    # First the set that lets a network's own containers pass. It has to be there before the sets that reject all others.
    found = [_set(host, reserved_names.SAME_NETWORK, INTERFACES, by_family(subnets))]
    found += [_set(host, name, set_type, {family: frozenset(ports.get((name, family), ())) for family in FAMILIES}) for name, set_type in types.items()]
    found += [
        _set(host, reserved_names.ENGINE_OWN, _PORT_TYPES[SCTP], {family: _listened(family, host) for family in FAMILIES}),
        _set(host, reserved_names.CONTAINER_NETWORKS, NETWORKS, _networks(host.subnets)),
        _set(host, reserved_names.ROUTED_NETWORKS, NETWORKS, _networks(host.routed)),
        _set(host, reserved_names.BEHIND_CONTAINERS, NETWORKS, _networks(host.behind)),
        _interfaces(host, reserved_names.BRIDGES, dict.fromkeys(FAMILIES, host.bridges)),
        _interfaces(host, reserved_names.CLOSED_BRIDGES, host.closed_bridges),
        _interfaces(host, reserved_names.FOREIGN_BRIDGES, dict.fromkeys(FAMILIES, host.foreign_bridges)),
    ]
    found.append(_set(host if host.swarm_nodes is not None else host._replace(known=False), reserved_names.SWARM_NODES, NETWORKS, _nodes(host)))
    return {item.name: item for item in found}


def _interfaces(host: HostFacts, name: str, interfaces: Mapping[int, Sequence[str]]) -> AddressSet:
    return _set(host, name, INTERFACES, {family: bridge_entries(family, interfaces.get(family, ())) for family in FAMILIES})


def by_family(ends: Iterable[Tuple[str, str]]) -> Dict[int, FrozenSet[str]]:
    """Turn pairs of interface and the address or network behind it into entries of a ``hash:net,iface``, per family."""
    spelt = [("%s,%s" % (in_a_set(parse_network(address)), interface), IPV6 if ":" in address else IPV4) for interface, address in ends]
    return {family: frozenset(entry for entry, of in spelt if of == family) for family in FAMILIES}


def named_sets(chains: List[Chain], sets: Dict[str, AddressSet]) -> Dict[str, AddressSet]:
    """Return the sets that a line names. The others are not made."""
    named = {name for chain in chains for line in chain.lines for name in called_sets(line.text)}
    return {name: item for name, item in sets.items() if name in named}


def _set(host: HostFacts, name: str, set_type: SetType, entries: Dict[int, FrozenSet[str]]) -> AddressSet:
    content: Dict[int, Optional[FrozenSet[str]]] = {
        family: entries[family] if host.known else None for family in FAMILIES
    }
    return AddressSet(name, set_type, content)


def _published(host: HostFacts) -> Dict[Tuple[str, int], Set[str]]:
    found: Dict[Tuple[str, int], Set[str]] = {}
    for port in host.published:
        if port.protocol in reserved_names.PORTS:
            name, entries = known_by(*port)
            found.setdefault((name, port.family), set()).update(entries)
    return found


def _listened(family: int, host: HostFacts) -> FrozenSet[str]:
    return frozenset(
        "%s,%s:%d" % (address, own.protocol, own.port)
        for own in host.engine_own if own.family == family
        for address in ([own.address] if own.address else EVERY_ADDRESS[family])
    )


def known_by(family: int, address: Optional[str], port: int, protocol: str) -> Tuple[str, Tuple[str, ...]]:
    """Return the guard's set for a published port, and the port's entries in that set.

    A port published on one address only has the address in its entry: on other addresses the same port is somebody else's.
    """
    if address is not None:
        return reserved_names.ADDRESS_PORTS, ("%s,%s:%d" % (address, protocol, port),)
    if protocol == SCTP:
        return reserved_names.PORTS[protocol], tuple("%s,%s:%d" % (half, protocol, port) for half in EVERY_ADDRESS[family])
    return reserved_names.PORTS.get(protocol, ""), (str(port),)


def _networks(subnets: Iterable[str]) -> Dict[int, FrozenSet[str]]:
    networks = [parse_network(subnet) for subnet in subnets]
    return {
        family: frozenset(text for network in networks if network.family == family for text in halves(network))
        for family in FAMILIES
    }


def _nodes(host: HostFacts) -> Dict[int, FrozenSet[str]]:
    nodes = [parse_network(address) for address in host.swarm_nodes or ()]
    return {family: frozenset(node.address for node in nodes if node.family == family) for family in FAMILIES}


def bridge_entries(family: int, bridges: Sequence[str]) -> FrozenSet[str]:
    """Return entries of a ``hash:net,iface`` that match every address on each interface.

    One prefix holds 32 interfaces: the first 32 go to /0, the next 32 to both /1, the next to all four /2, …
    Raises DrawbridgeError if there are more than MAX_BRIDGES.
    """
    if len(bridges) > MAX_BRIDGES:
        raise DrawbridgeError("more than %d Docker bridge networks on one host" % MAX_BRIDGES)
    return frozenset(
        "%s,%s" % (prefix, bridge)
        for index, bridge in enumerate(sorted(bridges))
        for prefix in _prefixes(family, index // INTERFACES_PER_PREFIX)
    )


def _prefixes(family: int, length: int) -> List[str]:
    """Return all prefixes of one length. Together they cover the whole address space."""
    bits = _BITS[family]
    address_family = AF_INET if family == IPV4 else AF_INET6
    return [
        "%s/%d" % (inet_ntop(address_family, (number << (bits - length)).to_bytes(bits // 8, "big")), length)
        for number in range(2**length)
    ]
