# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether a policy would shut out the connection that brought it: asked before anything is written."""

from __future__ import annotations

from typing import Callable, FrozenSet, Optional

from ..netfilter.address import parse_network
from ..netfilter.model import IPV4, IPV6
from .host import HostFacts
from .model import Policy, Sources, Target

# Whether a set that the policy does not define, but the host has, holds an address: (name, family, address).
InHostSet = Callable[[str, int, str], bool]

_BITS = {IPV4: 32, IPV6: 128}


def shut_out(
    policy: Policy, host: HostFacts, local_address: str, local_port: int, remote_address: str, in_host_set: InHostSet
) -> Optional[str]:
    """The place in the policy that would refuse a new TCP connection from ``remote_address`` to the host's service at
    ``local_address:local_port``; None where it is let through.

    The caller has found that the connection comes from outside.
    """
    services = policy.host_services
    if services is None or _is_in(remote_address, frozenset(host.subnets)):
        return None
    family = parse_network(remote_address).family
    about = [entry for entry in services.allow if _is_about(entry.target, family, local_address, local_port)]
    if any(_lets_in(policy, entry.sources, family, remote_address, in_host_set) for entry in about):
        return None
    if about:
        return about[-1].path
    return services.path + ".default" if services.denies else None


def _is_about(target: Target, family: int, address: str, port: int) -> bool:
    if target.protocol != "tcp" or target.ports is None or not target.ports.first <= port <= target.ports.last:
        return False
    if target.address is None:
        return True
    return target.address.family == family and target.address.address in (None, address)


def _lets_in(policy: Policy, sources: Sources, family: int, remote: str, in_host_set: InHostSet) -> bool:
    if sources.everybody or _is_in(remote, sources.addresses[family]):
        return True
    for reference in sources.sets:
        named = policy.address_sets.get(reference.name)
        if _is_in(remote, named.addresses[family]) if named else in_host_set(reference.name, family, remote):
            return True
    return False


def _is_in(address: str, networks: FrozenSet[str]) -> bool:
    """Asks for each prefix length instead of looking at each network."""
    family = IPV6 if ":" in address else IPV4
    return address in networks or any(
        str(parse_network("%s/%d" % (address, length))) in networks for length in range(_BITS[family] + 1)
    )
