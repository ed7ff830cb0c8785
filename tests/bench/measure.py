# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Ratios of what is measured in turns: each round times both sides, one after the other, so that a busy machine hits both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# Times that are to be short, times of others that are to be long, and rates, of which more is better.
AT_MOST, AT_LEAST, AT_LEAST_RATE = "<=", ">=", "> ="


@dataclass(frozen=True)
class Finding:
    """One line of the report. ours, theirs: what each round came to, in one unit. target: None for what is shown beside us."""

    what: str
    ours: Sequence[float]
    theirs: Sequence[float]
    target: float | None = None
    sense: str = AT_MOST
    note: str = ""

    @property
    def ratios(self) -> list[float]:
        """Round by round."""
        return [one / other for one, other in zip(self.ours, self.theirs, strict=True)]

    @property
    def median(self) -> float:
        """What is compared with the target."""
        return statistics.median(self.ratios)

    @property
    def best(self) -> float:
        """Each side's quickest round against the other's: what noise spoils least."""
        quickest = max if self.sense == AT_LEAST_RATE else min
        return quickest(self.ours) / quickest(self.theirs)

    @property
    def met(self) -> str:
        """yes, NO, or nothing where there is no target."""
        if self.target is None:
            return ""
        within = self.median <= self.target if self.sense == AT_MOST else self.median >= self.target
        return "yes" if within else "NO"


def timed(work: Callable[[], object]) -> float:
    """Seconds that the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(what: str, rounds: Sequence[Mapping[str, float]], of: str, to: str, target: float | None = None,
            sense: str = AT_MOST, note: str = "") -> Finding:
    """One side of rounds of times against another."""
    return Finding(what, [item[of] for item in rounds], [item[to] for item in rounds], target, sense, note)


def milliseconds(rounds: Sequence[Mapping[str, float]]) -> str:
    """Each side's median, for a note."""
    return "ms: " + ", ".join(f"{side} {statistics.median(item[side] for item in rounds) * 1000:.0f}" for side in rounds[0])


def render(findings: Sequence[Finding]) -> str:
    """The table: what, median of the ratios, their spread, quickest against quickest, the target and whether it is met."""
    width = max(len(item.what) for item in findings)
    lines = [f"{'':<{width}}   median  min - max        best    target   met"]
    for item in findings:
        spread = f"{min(item.ratios):.2f} - {max(item.ratios):.2f}"
        target = f"{item.sense.replace(' ', '')} {item.target:g}" if item.target is not None else ""
        lines.append(f"{item.what:<{width}}  {item.median:>7.2f}  {spread:<14} {item.best:>6.2f}   {target:<8} {item.met}".rstrip())
        if item.note:
            lines.append(f"    {item.note}")
    return "\n".join(lines)
