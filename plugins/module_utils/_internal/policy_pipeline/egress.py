# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part for a policy's egress: checks and warnings that need a look at the host. Its chains are compiled with the others."""

from __future__ import annotations

from ..engine.facts.gather import EngineFacts
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.shadowing import shadow_warnings
from ..policy.blocks.owners import POLICY_EGRESS
from ..policy.chains.egress import unmatched, without_effect
from ..policy.preflight.bridged import refuse_unseen_peers
from .desired import Desired
from .part import Compiled, Part


class WaysOut(Part):
    """The egress of one policy."""

    def __init__(self, desired: Desired) -> None:
        self._egress = desired.policy.egress

    def compile(self, compiled: Compiled, asked: EngineFacts, netfilter: Netfilter) -> Compiled:
        """Add warnings. Raises DrawbridgeError if the kernel would not enforce the egress rules."""
        if self._egress is None:
            return compiled
        refuse_unseen_peers(netfilter.system, self._egress, asked.facts)
        mine = (chain for chain in compiled.wanted.chains if chain.name.startswith(POLICY_EGRESS.prefix))
        warnings = unmatched(self._egress, asked.facts) + without_effect(self._egress) + shadow_warnings(mine)
        return compiled._replace(warnings=compiled.warnings + warnings)
