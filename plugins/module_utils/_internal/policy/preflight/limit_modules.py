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


def check_limits(system: System, policy: Policy) -> None:
    """Raises DrawbridgeError if the kernel lacks a module that the policy's limits use."""
    used = _used(_limits(policy))
    if used:
        look_for_modules(system, used).refuse()


def _limits(policy: Policy) -> List[Limit]:
    ports, services = policy.published_ports, policy.host_services
    entries = [*(() if ports is None else (*ports.allow, *ports.routed)), *(() if services is None else services.allow)]
    return [entry.limit for entry in entries if entry.limit is not None]


def _used(limits: List[Limit]) -> List[Need]:
    rates = [HASHLIMIT] if any(limit.rate is not None for limit in limits) else []
    return rates + ([CONNLIMIT] if any(limit.connections is not None for limit in limits) else [])
