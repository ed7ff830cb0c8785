# -*- coding: utf-8 -*-
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' sections of DOCKER-USER share one chain: the source check, ahead of the line that lets replies pass."""

from __future__ import annotations

from typing import Callable, List, Tuple

from ...engine.api.client import Engine
from ...engine.facts.gather import ask
from ...netfilter.kernel.netfilter import Netfilter
from ...netfilter.reconcile.section import RESERVED
from ...netfilter.reconcile.user_chain import PARENT, PREFIX, TABLE, Section
from ...netfilter.rules.desired import DesiredState
from ...netfilter.rules.saved_ruleset import target_of
from ..blocks.engine_sets import host_sets, named_sets
from . import source_check

# Part of the names of their sets in the kernel.
OWNER = "U"
_CHAIN = source_check.CHAIN + "-user"
_OWNED = (source_check.TABLE, _CHAIN)
_UNKNOWN = "forged addresses of containers are told by what the kernel knows from an earlier run, and by nothing where there was none"


def with_source_check(wanted: DesiredState, section: Section, netfilter: Netfilter, engine: Callable[[], Engine]) -> Tuple[DesiredState, List[str]]:
    """Return ``wanted`` with the source check, and warnings.

    A section that lets replies pass adds the check. The last section that goes removes it. ``engine`` is called only if needed.
    """
    if not section.present:
        return (wanted if _others(section, netfilter) else wanted._replace(owned=[*wanted.owned, _OWNED], owner=OWNER)), []
    if not section.established:
        return wanted, []
    engagement = ask(engine(), netfilter.system)
    facts = engagement.facts
    chain = source_check.source_check(_CHAIN, facts.other_tables)
    warnings = engagement.warnings if facts.known else ["%s; %s" % (warning.partition(";")[0], _UNKNOWN) for warning in engagement.warnings]
    return wanted._replace(
        chains=[*wanted.chains, chain],
        hooks=[*wanted.hooks, source_check.source_hook(_CHAIN)],
        owned=[*wanted.owned, _OWNED],
        owner=OWNER,
        sets=named_sets([chain], host_sets(facts)),
    ), warnings


def _others(section: Section, netfilter: Netfilter) -> bool:
    """Whether another user section exists."""
    return any(
        target.startswith(PREFIX) and target != PREFIX + section.name and target[len(PREFIX):].split("-")[0] not in RESERVED
        for ruleset in netfilter.rulesets().values()
        for target in (target_of(rule) or "" for rule in ruleset.rules(TABLE, PARENT))
    )
