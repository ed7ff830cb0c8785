# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part for a policy's tests: they are proved by the plan, before anything of it is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from ..engine.facts.gather import EngineFacts
from ..host.system.parallel import begun
from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.verdict.snapshot.texts import Snapshot, read_host
from ..policy.proof.planned_host import entry_of, with_policy
from ..policy.proof.prove import Proof, Scene, prove
from .desired import Desired
from .part import Compiled, Part, Report

if TYPE_CHECKING:
    from ..transaction.converge import Planned


class PolicyTests(Part):
    """The tests of one policy."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._read: Optional[Callable[[], Snapshot]] = None
        self._proof = Proof(0, 0, [])

    def compile(self, compiled: Compiled, _asked: EngineFacts, _netfilter: Netfilter) -> Compiled:
        """Begin to read the host, while its rules are planned."""
        self._read = begun(lambda: read_host(self._desired.system))
        return compiled

    def prove(self, change: Planned, asked: EngineFacts) -> None:
        """Prove the tests. Raises DrawbridgeError if one fails."""
        desired = self._desired
        if self._read is None:
            return
        planner, _live, plan = change
        snapshot = with_policy(self._read(), plan, desired.policy, planner.netfilter.variant)
        scene = Scene(
            desired.policy, asked.facts, asked.published, snapshot, lambda family, step: entry_of(plan, planner.wanted, family, step), desired.check_mode
        )
        self._proof = prove(scene)

    def report(self) -> Report:
        return Report(values={"tests": {"passed": self._proof.tests, "packets": self._proof.packets}}, warnings=self._proof.warnings)
