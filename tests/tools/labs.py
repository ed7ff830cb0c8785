# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Two labs side by side: ``python3 -m tests.tools.labs up|down|status``, and the lab's tests shared among them.

The first is the one that DRAWBRIDGE_LAB names, or the one without a name. One lab leaves much of two cores idle: its
tests wait for starts, timeouts and answers.
"""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab import layout
from tests.tools import closing
from tests.tools.env import BUILD, ROOT

NAMES = (layout.LAB, layout.LAB[:7] + "2")
LOGS = BUILD / "logs"
LAB = (layout.PYTHON, "-m", "tests.lab")


def environment(lab: str) -> dict[str, str]:
    """The environment in which everything works with this lab."""
    return dict(os.environ, DRAWBRIDGE_LAB=lab)


def title(lab: str) -> str:
    return "lab %s" % lab if lab else "the lab"


def is_up(lab: str) -> bool:
    done = subprocess.run([*LAB, "status"], cwd=str(ROOT), env=environment(lab), check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def each(command: Sequence[str], labs: Sequence[str] = NAMES) -> int:
    """Run a command of the lab for each of these labs, one after the other; the worst exit code."""
    codes = []
    for lab in labs:
        print("%s:" % title(lab), flush=True)
        codes.append(subprocess.run([*LAB, *command], cwd=str(ROOT), env=environment(lab), check=False,
                                    stdin=subprocess.DEVNULL).returncode)
    return max(codes)


def share(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run this command of pytest on every lab at once; each test file runs on the lab that takes it first.

    Prints what each run printed, then the seconds of each file, then the closing line of all. The worst exit code.
    """
    with tempfile.TemporaryDirectory(prefix="drawbridge-shares-") as shares:
        outputs = [LOGS / ("lab-%d.log" % number) for number in range(1, 1 + len(NAMES))]
        runs = [start([*command, "-p", "tests.tools.shares", "--shares", shares], dict(environment(lab), **variables), output)
                for lab, output in zip(NAMES, outputs)]
        try:
            codes = [run.wait() for run in runs]
        finally:  # also when the gate is ended: what there is by then says where
            texts = [output.read_text(encoding="utf-8", errors="replace") for output in outputs]
            for lab, text in zip(NAMES, texts):
                print("%s\n%s\n" % ((" %s " % title(lab)).center(80, "#"), closing.without(text)))
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


if __name__ == "__main__":
    sys.exit(each(sys.argv[1:]))
