# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Warn of interfaces that ``host_egress`` spares because of their names, while the engine cannot say whether they are its own."""

from __future__ import annotations

import re
from typing import List

from ...address import IPV4
from ...engine.facts.facts import HostFacts
from ...host.system.system import System
from ...netfilter.kernel.ipset import Ipset
from ...netfilter.reconcile.resolve import GENERATIONS
from ...netfilter.rules.ownership import owned_set
from ..compile.compile import OWNER
from ..language.egress import HostEgress
from ..values.reserved_names import BRIDGES, FOREIGN_BRIDGES

# What Docker names a bridge that nobody gave a name. Others seldom do.
_DOCKERS = re.compile(r"br-[0-9a-f]{12}\Z")


def spared_unasked(system: System, ipset: Ipset, egress: HostEgress, host: HostFacts) -> List[str]:
    """Return a warning, or none. What the engine said at an earlier run is in the kernel's sets."""
    if host.known or egress.observes:
        return []
    live = ipset.headers()
    names = [owned_set(OWNER, name, IPV4, generation) for name in (BRIDGES, FOREIGN_BRIDGES) for generation in GENERATIONS]
    told = {entry.rpartition(",")[2] for entries in ipset.entries(name for name in names if name in live).values() for entry in entries}
    found = [name for name in system.interfaces() if name.startswith("br-") and name not in told and not _DOCKERS.match(name)]
    return [
        "%s: the engine cannot be asked, so what the host sends by %s counts as sent to containers, and is not limited, until a run can ask it"
        % (egress.block.path, ", ".join(ascii(name)[1:-1] for name in found))
    ] if found else []
