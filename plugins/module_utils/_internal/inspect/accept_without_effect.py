# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Warn about an ACCEPT in DOCKER-USER if the engine drops packets in its own table."""

from __future__ import annotations

from typing import Iterable, List

from ..engine.daemon.backend import backends
from ..host.system.system import System
from ..netfilter.rules.desired import Chain
from ..netfilter.rules.saved_ruleset import target_of


def opens_nothing(system: System, chains: Iterable[Chain]) -> List[str]:
    """Return a warning if a chain accepts packets that the engine still drops as unpublished."""
    accepting = [chain.name for chain in chains if any(target_of(line.text) == "ACCEPT" for line in chain.lines)]
    reason = backends(system).nftables if accepting else None
    if reason is None:
        return []
    return [
        "ACCEPT in %s opens nothing here: %s, whose own table drops what comes to its networks unpublished; it only ends what"
        " DOCKER-USER says about a packet" % (", ".join(accepting), reason)
    ]
