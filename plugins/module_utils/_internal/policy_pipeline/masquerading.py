# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part for a policy's masquerading."""

from __future__ import annotations

from ..engine.daemon.nftables_backend import bridges_tables
from ..engine.facts.gather import EngineFacts
from ..netfilter.kernel.netfilter import Netfilter
from ..policy.blocks.owners import POLICY_MASQUERADE
from ..policy.chains.masquerade import warnings_about, with_masquerade
from .desired import Desired
from .part import Compiled, Part


class Masquerading(Part):
    """The masquerading of one policy."""

    def __init__(self, desired: Desired) -> None:
        self._said = desired.policy.masquerade

    def compile(self, compiled: Compiled, asked: EngineFacts, netfilter: Netfilter) -> Compiled:
        """Add the rules or the table for it."""
        if self._said is None:
            return compiled
        warnings = warnings_about(self._said, asked.facts, netfilter.rulesets, lambda: bridges_tables(netfilter.system))
        wanted = with_masquerade(compiled.wanted, self._said, asked.facts, netfilter.nft.is_installed, POLICY_MASQUERADE)
        return Compiled(wanted, compiled.warnings + warnings)
