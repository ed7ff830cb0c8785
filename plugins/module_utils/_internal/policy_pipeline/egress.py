# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part for a policy's egress and host_egress: checks and warnings that need a look at the host. Their chains are compiled with the others."""

from __future__ import annotations

from typing import List

from ..engine.facts.gather import EngineFacts
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.shadowing import shadow_warnings
from ..policy.blocks.owners import OUTPUT, POLICY_EGRESS
from ..policy.chains.egress import unmatched, without_effect
from ..policy.chains.host_output import as_judged
from ..policy.language.egress import Egress
from ..policy.preflight.bridged import refuse_unseen_peers
from ..policy.preflight.output_bridges import spared_unasked
from .desired import Desired
from .part import Compiled, Part


class WaysOut(Part):
    """The egress of one policy: of containers, and of the host itself."""

    def __init__(self, desired: Desired) -> None:
        self._egress, self._of_host = desired.policy.egress, desired.policy.host_egress

    def compile(self, compiled: Compiled, asked: EngineFacts, netfilter: Netfilter) -> Compiled:
        """Add warnings. Raises DrawbridgeError if the kernel would not enforce the egress rules."""
        warnings: List[str] = []
        chains = compiled.wanted.chains
        if self._egress is not None:
            refuse_unseen_peers(netfilter.system, self._egress, asked.facts)
            warnings += unmatched(self._egress, asked.facts) + without_effect(self._egress)
            warnings += shadow_warnings(chain for chain in chains if chain.name.startswith(POLICY_EGRESS.prefix))
        if self._of_host is not None:
            warnings += without_effect(Egress(self._of_host.block)) + shadow_warnings(as_judged(chain) for chain in chains if chain.name == OUTPUT)
            warnings += spared_unasked(netfilter.system, netfilter.ipset, self._of_host, asked.facts)
        return compiled._replace(warnings=compiled.warnings + warnings)
