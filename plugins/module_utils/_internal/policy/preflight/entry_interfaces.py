# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Check the interfaces that entries name: refuse those by which rules would let in somebody else than the entry says, warn about those by which nobody
comes in."""

from __future__ import annotations

from typing import Dict, List, Mapping, Set, Tuple

from ...engine.facts.facts import HostFacts
from ...errors import DrawbridgeError
from ...host.network.links import seen_as, vrf_members
from ...host.system.system import System
from ..language.model import Policy
from ..values.check import names_interface
from ..values.entries import Entry
from ..values.values import NamedInterface

# The interfaces of an entry, by their names: entries often name the same ones.
_Named = Dict[Tuple[str, ...], Tuple[NamedInterface, ...]]


def check_entry_interfaces(system: System, policy: Policy, host: HostFacts) -> List[str]:
    """Return a warning for each interface by which nobody comes in now. Raises DrawbridgeError with the place in the policy."""
    named: _Named = {tuple(item.name for item in entry.interfaces): entry.interfaces for entry in entries_of(policy) if entry.interfaces}
    if not named:
        return []
    members = vrf_members()
    for interfaces in named.values():
        if not policy.external_interfaces:
            _refuse_bridges(interfaces, host)
        _refuse_parts_of_vrfs(interfaces, members)
    each = {item.name: item for interfaces in named.values() for item in interfaces}
    return _warnings(list(each.values()), system.interfaces(), seen_as())


def entries_of(policy: Policy) -> List[Entry]:
    """Return the entries about what comes in."""
    ports, services = policy.published_ports, policy.host_services
    return [*(() if ports is None else (*ports.allow, *ports.routed)), *(() if services is None else services.allow)]


def _refuse_bridges(interfaces: Tuple[NamedInterface, ...], host: HostFacts) -> None:
    """What comes from Docker's bridges passes whatever an entry says, unless ``external_interfaces`` says what is judged."""
    for item in interfaces:
        own = next((bridge for bridge in host.bridges if names_interface(item.name, bridge)), None)
        if own is not None:
            raise DrawbridgeError(
                "%s takes in %s, a bridge of Docker's: what comes from containers is not from outside, and passes anyway" % (item.name, own),
                item.path,
                "name interfaces to the outside only; egress limits containers",
            )


def _refuse_parts_of_vrfs(interfaces: Tuple[NamedInterface, ...], members: Mapping[str, str]) -> None:
    """Rules see a packet first under the member's name, then under the VRF's, and some only under the VRF's: then its members are not told apart."""
    together: Dict[str, Set[str]] = {}
    for member, vrf in members.items():
        together.setdefault(vrf, {vrf}).add(member)
    for vrf, group in sorted(together.items()):
        meant = {name: item for name in sorted(group) for item in interfaces if names_interface(item.name, name)}
        missing = sorted(group - set(meant))
        if meant and missing:
            raise DrawbridgeError(
                "rules see what comes in by %s as the VRF %s's, whose interfaces they cannot tell apart" % (", ".join(sorted(group - {vrf})), vrf),
                meant[min(meant)].path,
                "name all of them, or none: %s is missing" % ", ".join(missing),
            )


def _warnings(interfaces: List[NamedInterface], there: List[str], others: Mapping[str, str]) -> List[str]:
    found = []
    for item in interfaces:
        meant = [name for name in there if names_interface(item.name, name)]
        if not meant:
            found.append("%s: there is no %s on this host now, by which anybody could come in" % (item.path, item.name))
        elif all(name in others for name in meant):
            found.append("%s: what %s receives comes in by %s, and is not let in; name that one" % (item.path, item.name, others[meant[0]]))
    return found
