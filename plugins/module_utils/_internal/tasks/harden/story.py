# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The results of several steps, put together as one."""

from __future__ import annotations

import time
from typing import Any, Dict, List

from ...errors import DrawbridgeError
from ..task import Result

# Not repeated for each step: diffs are put together, the checkpoint is the task's.
_OF_THE_WHOLE = ("diff", "checkpoint")


class Story:
    """What the steps came to so far."""

    def __init__(self, started: float) -> None:
        """started: when the task began, by the monotonic clock."""
        self._started = started
        self._results: Dict[str, Result] = {}

    def add(self, step: str, result: Result) -> None:
        """Add a step's result."""
        self._results[step] = result

    def result(self, step: str) -> Result:
        """Return the whole. The values of one step are on top, if it was taken; its own are then only whether it changed something."""
        main = self._results.get(step, Result({})).values
        steps = {name: _brief(result.values) for name, result in self._results.items() if name != step}
        if main:
            steps[step] = {"changed": main["changed"]}
        whole = {"changed": any(result.values["changed"] for result in self._results.values()), "steps": steps, "diff": self._diffs()}
        return Result(dict(main, seconds=round(time.monotonic() - self._started, 3), **whole), self._warnings())

    def failed(self, step: str, error: DrawbridgeError) -> Result:
        """Return the whole for a step that failed. If an earlier one changed something, the result says so; else raises the error."""
        if not any(result.values["changed"] for result in self._results.values()):
            raise error
        whole = self.result("")
        whole.values["steps"][step] = {"changed": False, "failed": True}
        return whole._replace(failure=str(error))

    def _warnings(self) -> List[str]:
        return list(dict.fromkeys(warning for result in self._results.values() for warning in result.warnings))

    def _diffs(self) -> List[object]:
        found: List[object] = []
        for step, result in self._results.items():
            shown = result.values.get("diff")
            if shown is None:
                found += _of_files(step, result.values)
            else:
                found += shown if isinstance(shown, list) else [shown]
        return found


def _of_files(step: str, values: Dict[str, Any]) -> List[object]:
    """Return the diff of a step that tells only what it wrote."""
    if not values.get("written"):
        return []
    return [{"before_header": step, "after_header": step, "before": "", "after": "".join("%s\n" % path for path in values["written"])}]


def _brief(values: Dict[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _OF_THE_WHOLE}
