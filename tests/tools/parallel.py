# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Several runs of pytest at once, which share the test files among them (shares.py): tests wait much of their time."""
from __future__ import annotations

import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tools import closing
from tests.tools.env import BUILD, ROOT

LOGS = BUILD / "logs"


@dataclass(frozen=True)
class Run:
    """One of the runs: what it is called, and its environment."""

    title: str
    variables: Mapping[str, str]


def share(command: Sequence[str], runs: Sequence[Run], log: str) -> int:
    """Run this command of pytest as often as there are runs; each test file runs where it is taken first. log: how the outputs' names begin.

    Prints what each run printed, then the seconds of each file, then the closing line of all. The worst exit code.
    """
    with tempfile.TemporaryDirectory(prefix="drawbridge-shares-") as shares:
        outputs = [LOGS / ("%s-%d.log" % (log, number)) for number in range(1, 1 + len(runs))]
        started = [start([*command, "-p", "tests.tools.shares", "--shares", shares], run.variables, output)
                   for run, output in zip(runs, outputs)]
        try:
            codes = [process.wait() for process in started]
        finally:  # also when the gate is ended: what there is by then says where
            texts = [output.read_text(encoding="utf-8", errors="replace") for output in outputs]
            for run, text in zip(runs, texts):
                print("%s\n%s\n" % ((" %s " % run.title).center(80, "#"), closing.without(text)))
            print(seconds_table(Path(shares)))
            print(summed(texts), flush=True)
    return max(map(abs, codes))


def start(command: Sequence[str], variables: Mapping[str, str], output: Path) -> subprocess.Popen[bytes]:
    """Start a command that writes into this file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as file:
        return subprocess.Popen(command, cwd=str(ROOT), env=variables, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)


def seconds_table(shares: Path) -> str:
    """How long each file took, the longest first."""
    seconds = {path.parent.name: float(path.read_text(encoding="ascii")) for path in shares.glob("*/seconds")}
    lines = ["%7.1f s  %s" % (seconds[name], name) for name in sorted(seconds, key=lambda name: seconds[name], reverse=True)]
    return "\n".join(["seconds of each file:", *lines, "%7.1f s  all" % sum(seconds.values())])


def summed(texts: Sequence[str]) -> str:
    """The closing line of runs that share the tests. What a mark deselects, each of them deselects."""
    counts: Counter[str] = Counter()
    seconds = 0.0
    for text in texts:
        found = closing.read(text)
        if found is None:
            counts["errors"] += 1
            continue
        deselected = max(counts.pop("deselected", 0), found[0].pop("deselected", 0))
        counts += found[0] + Counter(deselected=deselected)
        seconds += found[1]
    return closing.write(counts, seconds)
