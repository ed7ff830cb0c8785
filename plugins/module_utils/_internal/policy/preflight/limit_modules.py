# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Refuse limits that the host's kernel cannot count."""

from __future__ import annotations

from typing import List

from ...host.prerequisites.missing import look_for_modules
from ...host.prerequisites.needs import CONNLIMIT, HASHLIMIT, Need
from ...host.system.system import System
from ..language.model import Policy
from ..values.limits import Limit
from .entry_interfaces import entries_of


def check_limits(system: System, policy: Policy) -> None:
    """Raises DrawbridgeError if the kernel lacks a module that the policy's limits use."""
    used = _used([entry.limit for entry in entries_of(policy) if entry.limit is not None])
    if used:
        look_for_modules(system, used).refuse()


def _used(limits: List[Limit]) -> List[Need]:
    rates = [HASHLIMIT] if any(limit.rate is not None for limit in limits) else []
    return rates + ([CONNLIMIT] if any(limit.connections is not None for limit in limits) else [])
