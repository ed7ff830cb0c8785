# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a policy consists of beside its rules: each part takes the same steps, and does nothing in those that it has no use for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..netfilter.kernel.netfilter import Netfilter
from ..netfilter.rules.desired import DesiredState
from ..transaction.converge import Outcome
from ..transaction.host_change import HostChange

if TYPE_CHECKING:
    # What other modules use of a part's file does not load this.
    from ..engine.facts.gather import EngineFacts


class Compiled(NamedTuple):
    """Everything that is wanted of the host's netfilter, and what the user should know about it."""

    wanted: DesiredState
    warnings: List[str]


class Report(NamedTuple):
    """What a part adds to the task's result. diffs: shown behind the diff of the rules. words: shown ahead of it."""

    changed: bool = False
    values: Mapping[str, object] = {}
    warnings: Sequence[str] = ()
    diffs: Sequence[object] = ()
    words: Optional[Dict[str, str]] = None


class Part(HostChange):
    """One part. The methods are in the order of the steps; ``changes`` and ``narrow`` come between ``compile`` and ``after``.

    There is no step that takes a part back: what a part changes ahead of the rules or behind them, the checkpoint remembers.
    """

    def check(self) -> None:
        """Before the lock, and before anything is changed. Raises DrawbridgeError for what could not be done."""

    def compile(self, compiled: Compiled, _asked: EngineFacts, _netfilter: Netfilter) -> Compiled:
        """What is wanted, with what this part wants. With the lock held. Raises DrawbridgeError for what the host cannot do."""
        return compiled

    def after(self, outcome: Outcome, asked: EngineFacts) -> None:
        """Once the rules are in force, without the lock. In check mode: only find out what would be done."""

    def report(self) -> Report:
        """What was done, or would be."""
        return Report()
