# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part for open connections that a policy denies."""

from __future__ import annotations

from typing import List

from ..engine.facts.gather import EngineFacts
from ..netfilter.kernel.ipset import Ipset
from ..netfilter.kernel.netfilter import Netfilter
from ..policy.revocation.revoke import Revoked, end, find, keeping
from ..transaction.converge import Outcome
from .desired import Desired
from .part import Compiled, Part, Report


class Revocation(Part):
    """Ends or keeps open connections that one policy denies."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._revoked = Revoked(None, [])
        self._warnings: List[str] = []

    def compile(self, compiled: Compiled, _asked: EngineFacts, _netfilter: Netfilter) -> Compiled:
        return compiled if self._desired.ends_connections else compiled._replace(wanted=keeping(compiled.wanted))

    def after(self, outcome: Outcome, _asked: EngineFacts) -> None:
        if not outcome.plan.is_change:
            return
        system = self._desired.system
        if self._desired.ends_connections:
            self._revoked = find(system, Ipset(system), outcome.plan)
        self._warnings = [*self._revoked.warnings, *([] if self._desired.check_mode else end(system, self._revoked))]

    def report(self) -> Report:
        connections_closed = self._revoked.total
        return Report(values={} if connections_closed is None else {"connections_closed": connections_closed}, warnings=self._warnings)
