# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A module's task and result, without Ansible: the event service does the same work."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from ..host.system.paths import COMMIT
from ..host.system.system import System
from ..netfilter.kernel.cross_check import NEVER
from ..persistence.lookup import checked_timeout
from ..transaction.converge import Planned, Settings

# Looks at a plan, and at the diffs of what changes beside rules. Raises DrawbridgeError to stop the run before anything is changed.
Examine = Callable[[Planned, List[object]], None]


class Task(NamedTuple):
    """A module's arguments and the host.

    params: values by option, checked by Ansible against the argument spec. shows_diff: whether the diff is shown, so that it may
    cost time. examine: looks at what a policy would change, for a plan that is kept.
    """

    params: Dict[str, Any]
    check_mode: bool
    system: System
    shows_diff: bool = False
    examine: Optional[Examine] = None

    def settings(self) -> Settings:
        params = self.params
        return Settings(
            params.get("transport", "auto"),
            params["lock_timeout"],
            self.check_mode,
            checked_timeout(params.get("confirm_timeout", 0), 0, "confirm_timeout"),
            params.get("armed", ""),
            params.get("settles", COMMIT),
            params.get("cross_check", NEVER),
        )


class Result(NamedTuple):
    """values: the module's return values, with ``changed``. warnings: shown to the user. failure: why the task failed, if it has
    values to return all the same."""

    values: Dict[str, Any]
    warnings: List[str] = []
    failure: Optional[str] = None

    def with_diffs(self, added: Sequence[object]) -> Result:
        """Return the result with more diffs for ``--diff``, after those that it has."""
        return self._replace(values=dict(self.values, diff=[*self._shown, *added])) if added else self

    def explained(self, words: Optional[Dict[str, str]]) -> Result:
        """Return the result with the change in words ahead of its other diffs; the same result if words is None."""
        return self if words is None else self._replace(values=dict(self.values, diff=[words, *self._shown]))

    @property
    def _shown(self) -> List[object]:
        shown = self.values["diff"]
        return shown if isinstance(shown, list) else [shown]
