# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Interfaces that a user calls outside, and by which no packet comes in: then those who come in otherwise are not judged at all."""

from __future__ import annotations

from typing import Iterable, List, Mapping

from ..host.links import seen_as
from ..host.system import System
from .check import names_interface


def unseen(system: System, external: Iterable[str]) -> List[str]:
    """A warning for each of the ``external_interfaces`` that no packet comes in by on this host, as it is now."""
    wanted = list(external)
    return _warnings(wanted, system.interfaces(), seen_as()) if wanted else []


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
