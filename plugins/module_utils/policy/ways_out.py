# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Checks and warnings about the ways out of containers that need a look at the host."""

from __future__ import annotations

from typing import List

from ..docker.bridges_table import bridges_tables
from ..host.system import System
from ..netfilter.host import Netfilter
from ..netfilter.model import Wanted
from ..netfilter.shadow import shadow_warnings
from .egress import Egress
from .host import HostFacts
from .masquerade_rules import warnings_about, with_masquerade
from .model import Policy
from .owners import POLICY_EGRESS, POLICY_MASQUERADE


def with_ways_out(
    wanted: Wanted, policy: Policy, facts: HostFacts, netfilter: Netfilter, warnings: List[str]
) -> Wanted:
    """``wanted`` with the policy's masquerading; ``warnings`` takes what the user has to know.

    Raises DrawbridgeError where the kernel would not enforce what egress says.
    """
    if policy.egress is not None:
        _check_egress(netfilter.system, policy.egress, facts, warnings)
        warnings += shadow_warnings(chain for chain in wanted.chains if chain.name.startswith(POLICY_EGRESS.prefix))
    if policy.masquerade is None:
        return wanted
    warnings += warnings_about(policy.masquerade, facts, netfilter.rulesets, lambda: bridges_tables(netfilter.system))
    return with_masquerade(wanted, policy.masquerade, facts, netfilter.nft.is_installed, POLICY_MASQUERADE)


def _check_egress(system: System, egress: Egress, facts: HostFacts, warnings: List[str]) -> None:
    from .bridged import refuse_unseen_peers  # pylint: disable=import-outside-toplevel
    from .egress_rules import unmatched, without_effect  # pylint: disable=import-outside-toplevel

    refuse_unseen_peers(system, egress, facts)
    warnings += unmatched(egress, facts) + without_effect(egress)
