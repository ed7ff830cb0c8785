# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Find out whether egress shuts out a controller that is a container of the managed host."""

from __future__ import annotations

from typing import Optional

from ...address import Network, contains, parse_network
from ...engine.facts.facts import HostFacts
from ..chains.egress import host_access, selected
from ..language.egress import Block, Egress
from ..values.values import ALLOW, ANY, Target


def shut_in(egress: Egress, host: HostFacts, remote_address: str, port: int) -> Optional[str]:
    """Return the place that denies a container at ``remote_address`` the host's TCP ``port``; None if it is let through or is no container."""
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
    """Return the narrowest block about a container with this address, completed from the general block."""
    behind = [network for network in host.networks for subnet in network.subnets if contains(parse_network(subnet), remote)]
    if not behind:
        return None
    network = behind[0]
    for selector, block in egress.containers.items():
        if any(bridge == network.bridge and contains(parse_network(address), remote) for bridge, address in selected(selector, host)):
            return egress.completed(block)
    return egress.completed(egress.networks.get(network.name, egress.general))
