# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The sets of entries that name containers: where the containers are now.

Such a set opens what it holds. So it is empty whenever nobody knows that its content is still true: without the engine's answer, and without the
event service, which would take away what is not true any more.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Iterable, List, Mapping, Tuple

from ...address import FAMILIES, IPV6, parse_network
from ...engine.facts.facts import ContainerFacts, HostFacts
from ...netfilter.rules.desired import AddressSet, SetType
from ..language.model import Policy
from ..values.entries import Entry
from ..values.named_containers import Followed, chosen_as, digest, followed, set_of_containers, set_of_host, spoken
from .engine_sets import EVERY_ADDRESS

TYPE = SetType("hash:net,port")
_NOBODY: Dict[int, FrozenSet[str]] = {family: frozenset() for family in FAMILIES}


def entries_by_name(policy: Policy) -> List[Entry]:
    """Return the entries that name containers."""
    ports = policy.published_ports
    return [] if ports is None else [entry for entry in (*ports.allow, *ports.routed) if entry.target.chosen is not None]


def by_name_sets(policy: Policy, host: HostFacts) -> Dict[str, AddressSet]:
    """Return the sets that a policy's entries name, by name."""
    paths = {name: entry.path for entry in reversed(entries_by_name(policy)) for name in (set_of_host(entry.target), set_of_containers(entry.target))}
    return {name: found._replace(path=paths[name]) for name, found in named_in(paths, host).items()}


def named_in(names: Iterable[str], host: HostFacts) -> Dict[str, AddressSet]:
    """Return those of these sets that follow containers, by name. The engine's answer alone says what they hold."""
    said = {name: found for name in names for found in [followed(name)] if found is not None}
    if not said:
        return {}
    chosen: Dict[str, List[ContainerFacts]] = {}
    if host.known and host.follows_names:
        for container in host.containers:
            for key in {digest(one) for one in chosen_as(container.name, container.labels)}:
                chosen.setdefault(key, []).append(container)
    return {name: AddressSet(name, TYPE, {**_NOBODY, **_held(what, chosen.get(what.digest, ()))}) for name, what in said.items()}


def _held(what: Followed, containers: Iterable[ContainerFacts]) -> Mapping[int, FrozenSet[str]]:
    ends = [end for container in containers for end in (_of_host(what, container) if what.of_host else _own(container))]
    spelt = ["%s,%s:%d" % (address, what.protocol, port or what.port) for address, port in ends]
    return {family: frozenset(entry for entry in spelt if (":" in entry.partition(",")[0]) == (family == IPV6)) for family in FAMILIES}


def _of_host(what: Followed, container: ContainerFacts) -> List[Tuple[str, int]]:
    return [
        (address, port.port)
        for port in container.ports if (port.protocol, port.container_port) == (what.protocol, what.port)
        for address in (EVERY_ADDRESS[port.family] if port.address is None else [port.address])
    ]


def _own(container: ContainerFacts) -> List[Tuple[str, int]]:
    return [(parse_network(address).address, 0) for _interface, address in container.ends]


def unopened(policy: Policy, host: HostFacts) -> List[str]:
    """Return a warning for each entry that opens nothing now."""
    entries = entries_by_name(policy)
    if not entries or not host.known:
        return []
    if not host.follows_names:
        return ["%s: opens nothing, as all entries that name containers: no event service of this release follows this engine here; the playbook harden and the"
                " module event_service set one up" % entries[0].path]
    ports = policy.published_ports
    sets = by_name_sets(policy, host)
    found = []
    for entry in entries:
        is_routed = ports is not None and entry in ports.routed
        held = sets[(set_of_containers if is_routed else set_of_host)(entry.target)].entries
        if not any(held[family] for family in FAMILIES):
            what = "is running on a bridge network" if is_routed else "publishes it"
            found.append("%s: opens nothing now, %s: no such container %s; the event service opens it when one does" % (entry.path, spoken(entry.target), what))
    return found
