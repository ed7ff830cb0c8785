# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Warn about ``external_interfaces`` that receive no packets, or not all packets. Packets that come in by other interfaces are not judged."""

from __future__ import annotations

from typing import Iterable, List, Mapping

from ...host.network.links import seen_as, vrf_members
from ...host.system.system import System
from ..values.check import names_interface


def unseen(system: System, external: Iterable[str]) -> List[str]:
    """Return warnings: for each of the ``external_interfaces`` that no packet comes in by on this host now, and for a VRF named only in part."""
    wanted = list(external)
    return _warnings(wanted, system.interfaces(), seen_as()) + _halves(wanted, vrf_members()) if wanted else []


def _warnings(external: List[str], there: List[str], others: Mapping[str, str]) -> List[str]:
    found = []
    for name in external:
        meant = [item for item in there if names_interface(name, item)]
        if not meant:
            found.append("external_interfaces: there is no %s on this host now; what comes in by other interfaces is not judged" % name)
        elif all(item in others for item in meant):
            found.append(
                "external_interfaces: what %s receives comes in by %s, and is not judged; name that one" % (name, others[meant[0]])
            )
    return found


def _halves(external: List[str], members: Mapping[str, str]) -> List[str]:
    """Rules see a packet first under the member's name, then under the VRF's. Some rules see it only once."""
    found = []
    for member, vrf in sorted(members.items()):
        named = [any(names_interface(name, item) for name in external) for item in (member, vrf)]
        if named == [True, False]:
            found.append("external_interfaces: what %s receives comes in by the VRF %s too, and is not judged there; name both" % (member, vrf))
        elif named == [False, True]:
            found.append("external_interfaces: what comes in by the VRF %s comes in by its member %s first, and is not judged there; name both"
                         % (vrf, member))
    return found
