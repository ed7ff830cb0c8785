# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy and the engine's view of the host → everything that is wanted of its netfilter."""

from __future__ import annotations

from typing import Dict, List, Tuple

from ..netfilter.model import AddressSet, Chain, Hook, SetType, Wanted
from . import forward, guard, inbound
from .host import HostFacts
from .lines import Rules
from .model import Policy
from .outside import OUTSIDE
from .sets import host_sets, named_sets

NAMED_SET = SetType("hash:net")
# What a host's policy may write and remove, and what its sets in the kernel are called after.
OWNER = "P"
OWNED = [
    (guard.TABLE, guard.CHAIN),
    (guard.TABLE, guard.CHAIN + OUTSIDE),
    (guard.TABLE, guard.LOCAL),
    (guard.TABLE, guard.PORTS),
    (forward.TABLE, forward.CHAIN),
    (forward.TABLE, forward.CHAIN + OUTSIDE),
    (forward.TABLE, forward.DIALLED),
    (inbound.TABLE, inbound.CHAIN),
    (inbound.TABLE, inbound.CHAIN + OUTSIDE),
]


def compile_policy(policy: Policy, host: HostFacts) -> Wanted:
    """Chains, the hooks into them, and the sets that their lines name.

    A set that no line names is left out; a name that is none of the policy's is left to the netfilter code, which knows
    the sets on the host (``Line.path`` says where the user wrote it).
    """
    rules = Rules()
    hooks: List[Hook] = []
    shared: List[Tuple[str, str]] = []
    ports = policy.published_ports
    if ports is not None:
        _add(rules, hooks, guard.guard(policy, ports, rules), guard.HOOK)
        if _add(rules, hooks, forward.forward(policy, ports, rules), forward.HOOK):
            shared.append((forward.TABLE, forward.PARENT))
    if policy.host_services is not None:
        _add(rules, hooks, inbound.inbound(policy, policy.host_services, host, rules), inbound.HOOK)
    sets = {**_own(policy), **rules.sets, **host_sets(host)}
    return Wanted(rules.chains, hooks, OWNED, OWNER, shared, named_sets(rules.chains, sets))


def no_policy() -> Wanted:
    """What a host without a policy has: nothing of ours."""
    return Wanted([], [], OWNED, OWNER)


def _add(rules: Rules, hooks: List[Hook], chains: List[Chain], hook: Hook) -> bool:
    if chains:
        rules.chains.extend(chains)
        hooks.append(hook)
    return bool(chains)


def _own(policy: Policy) -> Dict[str, AddressSet]:
    return {
        name: AddressSet(name, NAMED_SET, dict(item.addresses), item.path) for name, item in policy.address_sets.items()
    }
