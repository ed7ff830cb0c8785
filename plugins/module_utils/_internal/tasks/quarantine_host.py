# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The host's side of a quarantine: the table that drops everything at containers' bridge ports, and open connections."""

from __future__ import annotations

import re
from typing import FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..address import parse_network
from ..engine.containers.target import Target, held
from ..errors import DrawbridgeError
from ..host.network.close_sockets import NOT_LOOPBACK, close_matching, with_peer
from ..host.network.conntrack import Flow, flows, put_back
from ..host.network.links import bridge_ports, ends_into
from ..host.system.json_values import mapping, text
from ..host.system.netns import in_netns
from ..host.system.system import System
from ..netfilter.kernel.nft_table import Nft
from ..policy.chains.quarantine import PORTS_SET, PORTS_TABLE, is_port, ports_text

_QUOTED = re.compile(r'"([^"\s]*)"')
_ADDRESSES = ("IPAddress", "GlobalIPv6Address")
_STAYS = "connections of what was cut off stay half open until they time out: %s"


class PortsChange(NamedTuple):
    """The closed ports before and after. refused: why the host cannot close ports, None if it can."""

    before: FrozenSet[str]
    after: FrozenSet[str]
    refused: Optional[str] = None

    @property
    def is_change(self) -> bool:
        return self.before != self.after

    def as_diff(self) -> List[object]:
        """Return Ansible's diffs: one, or none without a change."""
        if not self.is_change:
            return []
        before, after = ("".join("%s\n" % port for port in sorted(ports)) for ports in (self.before, self.after))
        header = "closed bridge ports"
        return [{"before_header": header, "after_header": header, "before": before, "after": after}]


def ports_into(netns: int) -> List[str]:
    """Return the ports of this host's bridges whose other end is in the namespace that is open as ``netns``."""
    known = bridge_ports()
    return sorted(name for name in ends_into(netns) if name in known and is_port(name))


def keep_ports(system: System, ports: Iterable[str], closed: bool, writes: bool) -> PortsChange:
    """Close these ports, or open them again. Ports that are gone are forgotten, which is no change. writes: False changes nothing."""
    nft = Nft(system)
    if not nft.is_installed:
        return PortsChange(frozenset(), frozenset(), "nft is not installed (package nftables)")
    before = _closed_ports(system)
    kept = (before or frozenset()).intersection(system.interfaces())
    after = kept.union(ports) if closed else kept.difference(ports)
    if writes and (after != before if after else before is not None):
        try:
            nft.load(ports_text(after))
        except DrawbridgeError as error:
            return PortsChange(kept, kept, error.message)
    return PortsChange(kept, after)


def _closed_ports(system: System) -> Optional[FrozenSet[str]]:
    """Return the ports in the kernel's table; None without a table."""
    output = system.run([system.require("nft", "nftables"), "list", "set", "bridge", PORTS_TABLE, PORTS_SET])
    return frozenset(_QUOTED.findall(output.stdout)) if output.rc == 0 else None


def addresses(targets: Iterable[Target]) -> List[str]:
    """Return the containers' addresses by the engine's word: a container could give itself another one's."""
    found: List[str] = []
    for target in targets:
        for network in mapping(mapping(target.details.get("NetworkSettings")).get("Networks")).values():
            found += [text(mapping(network).get(key)) for key in _ADDRESSES]
    return sorted({parse_network(address).address for address in found if address})


def network_count(targets: Iterable[Target]) -> int:
    """Return the number of networks that the engine connected these containers to."""
    return sum(1 for target in targets for name in mapping(mapping(target.details.get("NetworkSettings")).get("Networks")) if name != "none")


def end_connections(system: System, cut: Sequence[Target], ends: Sequence[str]) -> Tuple[int, List[str]]:
    """End the open connections of containers that are cut off by now → how many flows the host forgot, and warnings.

    cut: one target of each namespace. ends: the containers' addresses. Inside, sockets are closed but for those of the loopback. On the host,
    sockets to the containers are closed, as docker-proxy's, and flows are forgotten.
    """
    reasons = [_closed_inside(system, target) for target in cut]
    reasons.append(close_matching(system, [with_peer(address) for address in ends]))
    mine = [flow for flow in flows(system) or [] if _is_of(flow, ends)]
    reasons.append(put_back(system, mine))
    return len(mine), [_STAYS % reason for reason in dict.fromkeys(reasons) if reason]


def _closed_inside(system: System, target: Target) -> Optional[str]:
    try:
        with held(system, target) as fd:
            return in_netns(fd, lambda: close_matching(system, [NOT_LOOPBACK]))
    except DrawbridgeError:
        # The container has ended, and its sockets with it.
        return None


def _is_of(flow: Flow, ends: Sequence[str]) -> bool:
    return not {flow.source, flow.destination, flow.answers_from, flow.answers_to}.isdisjoint(ends)
