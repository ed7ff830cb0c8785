# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the ways out of containers shut out a controller that is a container of the host which it manages."""

from __future__ import annotations

from typing import Optional

from ..host.ssh import controlling_connection
from ..host.system import System
from ..netfilter.address import Network, contains, parse_network
from .egress import Block, Egress
from .egress_rules import host_access, selected
from .host import HostFacts
from .model import ALLOW, ANY, Target
from .own_way_in import refuse


def refuse_egress_lockout(system: System, egress: Egress, facts: HostFacts) -> None:
    """Raises DrawbridgeError that names the place in the user's data. Where no SSH connection is found there is nothing to say."""
    connection = controlling_connection(system)
    if connection is None:
        return
    place = shut_in(egress, facts, connection.remote_address, connection.local_port)
    if place is not None:
        raise refuse(connection, place)


def shut_in(egress: Egress, host: HostFacts, remote_address: str, port: int) -> Optional[str]:
    """The place that refuses a container at ``remote_address`` the host's TCP ``port``; None where it is let through, or is no container."""
    remote = parse_network(remote_address)
    block = _deciding(egress, host, remote)
    if block is None:
        return None
    access = host_access(block)
    if access.verdict == ALLOW or any(_lets_in(entry.target, port) for entry in access.entries):
        return None
    return access.path


def _lets_in(target: Target, port: int) -> bool:
    if target.protocol not in ("tcp", ANY):
        return False
    return target.ports is None or target.ports.first <= port <= target.ports.last


def _deciding(egress: Egress, host: HostFacts, remote: Network) -> Optional[Block]:
    """The narrowest block about a container with this address, with what it takes from the general one."""
    behind = [network for network in host.networks for subnet in network.subnets if contains(parse_network(subnet), remote)]
    if not behind:
        return None
    network = behind[0]
    for selector, block in egress.containers.items():
        if any(bridge == network.bridge and contains(parse_network(address), remote) for bridge, address in selected(selector, host)):
            return egress.completed(block)
    return egress.completed(egress.networks.get(network.name, egress.general))
