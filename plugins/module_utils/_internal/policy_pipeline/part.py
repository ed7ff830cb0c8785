# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The parts of a policy beside its rules. All parts have the same steps; a part does nothing in a step that it does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.desired import DesiredState
from ..transaction.converge import Outcome, Planned
from ..transaction.host_change import HostChange

if TYPE_CHECKING:
    # A module that uses something else from a part's file does not load this.
    from ..engine.facts.gather import EngineFacts


class Compiled(NamedTuple):
    """The desired state of the host's netfilter, and warnings for the user."""

    wanted: DesiredState
    warnings: List[str]


class Report(NamedTuple):
    """A part's share of the task's result. diffs: shown after the rules' diff. words: shown ahead of it."""

    changed: bool = False
    values: Mapping[str, object] = {}
    warnings: Sequence[str] = ()
    diffs: Sequence[object] = ()
    words: Optional[Dict[str, str]] = None


class Part(HostChange):
    """One part. The methods are in the order of the steps; ``changes`` and ``narrow`` come between ``prove`` and ``after``.

    No step undoes a part: the checkpoint remembers the part's changes.
    """

    def check(self) -> None:
        """Check the part, before the lock is taken and before anything is changed. Raises DrawbridgeError for what could not be done."""

    def compile(self, compiled: Compiled, _asked: EngineFacts, _netfilter: Netfilter) -> Compiled:
        """Return the desired state with this part's added. The lock is held. Raises DrawbridgeError for what the host cannot do."""
        return compiled

    def prove(self, change: Planned, asked: EngineFacts) -> None:
        """Look at the plan before anything of it is in force, in check mode as well. The lock is held. Raises DrawbridgeError to stop the run."""

    def after(self, outcome: Outcome, asked: EngineFacts) -> None:
        """Do the rest once the rules are in force, without the lock. In check mode, only find out what would be done."""

    def report(self) -> Report:
        """Return what was done, or would be."""
        return Report()
