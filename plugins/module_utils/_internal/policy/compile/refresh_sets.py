# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Update the sets that follow the engine. This does not need their policy: the engine alone determines their entries."""

from __future__ import annotations

import re
from typing import Callable, Dict, Iterable, List, Tuple

from ...address import FAMILIES
from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...host.system.system import System
from ...netfilter.kernel import ipset
from ...netfilter.kernel.ipset import Ipset, LiveSet
from ...netfilter.reconcile.plan import Plan, SetChange
from ...netfilter.reconcile.resolve import set_target
from ...netfilter.rules.desired import AddressSet
from ...netfilter.rules.ownership import called
from ..blocks.by_name import named_in
from ..blocks.engine_sets import INTERFACES, host_sets
from ..chains.egress import container_set, egress_sets, network_set
from ..language.egress import Selector
from ..values import reserved_names
from ..values.named_containers import followed

# Sets of every owner: host_policy, nat_filter_chain and container_egress.
_KERNEL_NAME = re.compile(r"DB[A-Z]+-(.+)-([46])[ab]")


class FollowedSets:
    """The sets that follow the engine, if the kernel has them. ``facts``: asks the engine."""

    def __init__(self, system: System, facts: Callable[[], HostFacts]) -> None:
        self._ipset = Ipset(system)
        self._facts = facts

    def read(self) -> Dict[str, LiveSet]:
        held = self._ipset.headers()
        return self._ipset.with_entries(held, [name for name in held if _KERNEL_NAME.fullmatch(name)])

    def plan(self, live: Dict[str, LiveSet]) -> Plan:
        named = {name: found.group(1) for name in live for found in [_KERNEL_NAME.fullmatch(name)] if found}
        if not named:
            return Plan({}, [], [], [], [])
        wanted = _wanted(sorted(set(named.values())), _addresses(live[name] for name in named), self._facts())
        changed: List[SetChange] = []
        lines: List[str] = []
        for kernel_name, name in named.items():
            held = live[kernel_name]
            if name not in wanted or held.entries is None:
                continue
            target = set_target(self._ipset, wanted[name], int(kernel_name[-2]), kernel_name, live)
            added = ipset.update_lines(target, held) if ipset.same_kind(held, target) else []
            if added:
                lines += added
                changed.append(SetChange(kernel_name, held, target))
        lines.sort(key=_turn)
        return Plan({}, changed, lines, [], [])

    def apply(self, plan: Plan) -> None:
        self._ipset.restore(plan.before)
        live = self.read() if plan.sets else {}
        for change in plan.sets:
            if change.target is not None and live[change.name].entries != change.target.entries:
                raise DrawbridgeError("the kernel does not hold what was written: %s" % change.name)


def _turn(line: str) -> Tuple[int, bool]:
    """Return the sort key of an update line.

    What entries by containers' names do not open any more goes ahead of everything, and what they open comes last. Of the rest additions come
    first: a port that moves between sets is always in one of them. Within the additions ``same-network`` comes first, within the deletions last:
    a network's own containers are known whenever other sets keep others from having its addresses.
    """
    is_deleted = line.startswith("del ")
    name = line.split(" ", 2)[1]
    if followed(called(name)) is not None:
        return 0 if is_deleted else 3, False
    return 2 if is_deleted else 1, is_deleted == ("-%s-" % reserved_names.SAME_NETWORK in name)


def _addresses(sets: Iterable[LiveSet]) -> List[Selector]:
    """Return the addresses that policies name. They are read from the sets' own entries."""
    entries = [entry.rpartition(",") for held in sets if held.type == INTERFACES for entry in held.entries or ()]
    return [Selector("address", address) for address, _comma, interface in entries if interface == reserved_names.NOWHERE]


def _wanted(named: List[str], addresses: List[Selector], host: HostFacts) -> Dict[str, AddressSet]:
    """Return the sets by name, as far as the engine alone determines them."""
    found = host_sets(host)
    # This set holds unmanaged interfaces too, which only the policy knows.
    del found[reserved_names.FOREIGN_BRIDGES]
    gone = [name for name in named if name.startswith((reserved_names.NETWORK, reserved_names.CONTAINERS))]
    if gone:
        networks = {network_set(network.name): network.name for network in host.networks}
        chosen = {container_set(selector): selector for selector in [*_selectors(host), *addresses]}
        sets = egress_sets(networks.values(), {chosen[name]: None for name in named if name in chosen}, host)
        if host.known:
            nothing = found[reserved_names.SAME_NETWORK]._replace(entries={family: frozenset() for family in FAMILIES})
            # Empty the sets of networks and containers that are gone: others may have their addresses now.
            found.update((name, nothing._replace(name=name)) for name in gone)
        found.update(sets)
    return {**found, **named_in(named, host)}


def _selectors(host: HostFacts) -> List[Selector]:
    """Return every selector that a policy may use for a running container."""
    found = [Selector("name", container.name) for container in host.containers]
    for container in host.containers:
        for key, value in container.labels.items():
            found += [Selector("label", key), Selector("label", "%s=%s" % (key, value))]
    return found
