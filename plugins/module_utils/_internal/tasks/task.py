# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a module is asked to do and what it returns, without Ansible: the event service does the same work."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from ..host.system.paths import COMMIT
from ..host.system.system import System
from ..netfilter.kernel.cross_check import NEVER
from ..persistence.lookup import checked_timeout
from ..transaction.converge import Settings


class Task(NamedTuple):
    """What a module is asked to do, and where.

    params: by option, what its argument spec says; Ansible has checked it. shows_diff: whether somebody reads the diff, so that it may
    cost something.
    """

    params: Dict[str, Any]
    check_mode: bool
    system: System
    shows_diff: bool = False

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
    """values: what the module returns, ``changed`` among them. warnings: shown to the user beside it. failure: why the task
    failed although there is something to return."""

    values: Dict[str, Any]
    warnings: List[str] = []
    failure: Optional[str] = None

    def with_diffs(self, added: Sequence[object]) -> Result:
        """The same with more for ``--diff`` behind what it shows already."""
        return self._replace(values=dict(self.values, diff=[*self._shown, *added])) if added else self

    def explained(self, words: Optional[Dict[str, str]]) -> Result:
        """The same with what the change means ahead of what ``--diff`` shows already, if there is anything."""
        return self if words is None else self._replace(values=dict(self.values, diff=[words, *self._shown]))

    @property
    def _shown(self) -> List[object]:
        shown = self.values["diff"]
        return shown if isinstance(shown, list) else [shown]
