# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The chains of opened ports, from openings to DesiredState.

DB-PUBLISH-… in nat leads a packet to the container, ahead of Docker's own chains and of DOCKER-FILTER. DB-PUBLISH-… in filter
accepts only such packets: it matches the dialled host port, and the container's address and port. DB-HAIRPIN-… brings replies back
through the host where they would not come by themselves.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from ..address import FAMILIES, IPV4, IPV6
from ..netfilter.rules.desired import Chain, DesiredState, Hook, Line
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.blocks.owners import FILTER, NAT, PortForwardingOwner
from ..policy.blocks.port_rules import Match, Rules
from ..policy.language.open_ports import Endpoint, Opening, OpenPort

DOCKER_USER = "DOCKER-USER"
# Before a policy's rules about DNATed traffic (100), after its egress rules.
PRIORITY = 50
MARK = "drawbridge:for:"
_LOOPBACK = {IPV4: "127.0.0.0/8", IPV6: "::1/128"}
_FULL = {IPV4: 32, IPV6: 128}


def open_wanted(names: PortForwardingOwner, openings: Sequence[Opening], rules: Rules, parents: Mapping[int, str], mark: str) -> DesiredState:
    """Return chains and hooks; only the owned names if no opening leads anywhere. ``rules`` gets the sets that lines need.

    parents: by family, the chain of filter that all forwarded packets pass first. mark: the chains' owner.
    """
    ways = [(opening.port, end) for opening in openings for end in opening.ends]
    families = tuple(family for family in FAMILIES if any(end.family == family for _port, end in ways))
    if not families:
        return DesiredState([], [], names.owned)
    nat = [_not_loopback(family, mark) for family in families]
    accept: List[Line] = []
    hairpin: List[Line] = []
    for port, end in ways:
        nat += _led(port, end, rules)
        accept += _accepted(port, end, rules)
        hairpin += _returned(port, end)
    chains = [
        Chain(NAT, names.publish, nat, families),
        Chain(FILTER, names.publish, accept, families),
        Chain(NAT, names.hairpin, hairpin, families),
    ]
    return DesiredState(chains, _hooks(names, families, parents), names.owned, shared=_shared(families, parents))


def _hooks(names: PortForwardingOwner, families: Tuple[int, ...], parents: Mapping[int, str]) -> List[Hook]:
    docker = ("DOCKER", "DOCKER-INGRESS")
    return [
        Hook(NAT, "PREROUTING", names.publish, ahead_of=docker, families=families),
        Hook(NAT, "OUTPUT", names.publish, ahead_of=docker, families=families),
        # Docker sometimes inserts its MASQUERADE above everything. It does the same.
        Hook(NAT, "POSTROUTING", names.hairpin, ahead_of=("ACCEPT", "RETURN"), families=families),
        *(Hook(FILTER, parents[family], names.publish, PRIORITY, families=(family,)) for family in families),
    ]


def _shared(families: Tuple[int, ...], parents: Mapping[int, str]) -> List[Tuple[str, str]]:
    return [(FILTER, DOCKER_USER)] if any(parents[family] == DOCKER_USER for family in families) else []


def _not_loopback(family: int, mark: str) -> Line:
    return Line('-d %s -m comment --comment "%s%s" -j RETURN' % (_LOOPBACK[family], MARK, mark), (family,))


def _led(port: OpenPort, end: Endpoint, rules: Rules) -> List[Line]:
    """Lead packets to the container. The host itself may always use the port: it reaches the container without us too."""
    destination = _dialled_address(port, end)
    dialled = "-p %s -m %s --dport %s -m addrtype" % (port.target.protocol, port.target.protocol, port.target.ports)
    verdict = "DNAT --to-destination %s" % socket_text(end, port.container_port)
    lines = []
    if not port.entry.sources.everybody:
        own = "%s %s --src-type LOCAL --dst-type LOCAL -j %s" % (destination, dialled, verdict)
        lines.append(Line(own.strip(), (end.family,), port.entry.path))
    seen = [Match((end.family,), destination, dialled + " --dst-type LOCAL")]
    return lines + rules.from_sources(seen, port.entry.sources, _sources_path(port), verdict)


def _accepted(port: OpenPort, end: Endpoint, rules: Rules) -> List[Line]:
    """Accept flows that were led here, in both directions. Drop flows whose client may no longer use the port."""
    protocol, address = port.target.protocol, "%s/%d" % (end.address, _FULL[end.family])
    dialled = "-m conntrack --ctstate DNAT %s--ctorigdstport %s" % (
        "--ctorigdst %s " % port.address if port.address else "",
        port.target.ports,
    )
    there = "-o %s -p %s -m %s --dport %d %s --ctdir ORIGINAL" % (end.bridge, protocol, protocol, port.container_port, dialled)
    back = "-s %s -i %s -p %s -m %s --sport %d %s --ctdir REPLY -j ACCEPT" % (
        address, end.bridge, protocol, protocol, port.container_port, dialled
    )
    lines = [Line(back, (end.family,), port.entry.path)]
    lines += rules.from_sources([Match((end.family,), "-d " + address, there)], port.entry.sources, _sources_path(port), "ACCEPT")
    if not port.entry.sources.everybody:
        lines.append(Line("-d %s %s -j DROP" % (address, there), (end.family,), port.entry.path))
    return lines


def _returned(port: OpenPort, end: Endpoint) -> List[Line]:
    """Masquerade clients on the container's own network. Otherwise it would answer them directly, from an address that they did not dial."""
    sources = [""] if port.masquerade else ["-s %s " % subnet for subnet in end.subnets]
    return [
        Line(
            "%s-d %s/%d -o %s -p %s -m %s --dport %d -m conntrack --ctstate DNAT --ctorigdstport %s -j MASQUERADE"
            % (
                source, end.address, _FULL[end.family], end.bridge, port.target.protocol, port.target.protocol,
                port.container_port, port.target.ports,
            ),
            (end.family,),
            port.entry.path,
        )
        for source in sources
    ]


def _dialled_address(port: OpenPort, end: Endpoint) -> str:
    return "-d %s/%d" % (port.address, _FULL[end.family]) if port.address else ""


def socket_text(end: Endpoint, port: int) -> str:
    """Return an address and port as iptables takes and prints them."""
    return "[%s]:%d" % (end.address, port) if end.family == IPV6 else "%s:%d" % (end.address, port)


def _sources_path(port: OpenPort) -> str:
    return port.entry.path + ".sources" if port.entry.path else "sources"


def parents(rulesets: Mapping[int, Ruleset], made: Sequence[int] = ()) -> Dict[int, str]:
    """Return, by family, the chain that forwarded packets pass first. Many engines keep no IPv6 rules. There we do not use DOCKER-USER,
    which only the engine would make, so that nothing of ours stays behind in it; unless it is ``made`` for that family anyway."""
    there = {family for family, ruleset in rulesets.items() if ruleset.chain(FILTER, DOCKER_USER) is not None}
    has = {family: family in (IPV4, *made, *there) for family in rulesets}
    return {family: DOCKER_USER if has.get(family) else "FORWARD" for family in FAMILIES}
