# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Say the policy's change in words: as values of the result, and for people ahead of the rules' diff."""

from __future__ import annotations

from typing import List, Optional

from ..engine.facts.gather import EngineFacts
from ..errors import DrawbridgeError
from ..netfilter.kernel.ipset import Ipset
from ..policy.readback.policy_diff import of_plan
from ..policy.readback.wording import Words
from ..transaction.converge import Outcome
from .desired import Desired
from .part import Part, Report


class InWords(Part):
    """The words for one policy's change."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._words: Optional[Words] = None
        self._warnings: List[str] = []

    def after(self, outcome: Outcome, asked: EngineFacts) -> None:
        """Read the words. They are no reason to take the change back."""
        try:
            self._words = of_plan(outcome.plan, Ipset(self._desired.system), asked.published, self._desired.policy)
        except DrawbridgeError as error:
            self._warnings.append("what the change means cannot be said in words: %s" % error)

    def report(self) -> Report:
        if self._words is None:
            return Report(warnings=self._warnings)
        shown = self._words.as_diff() if self._desired.shows_diff else None
        return Report(values={"changes": self._words.as_changes()}, words=shown)
