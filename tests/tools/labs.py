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
from collections.abc import Mapping, Sequence

from tests.lab import layout
from tests.tools import parallel
from tests.tools.env import ROOT
from tests.tools.parallel import Run

NAMES = (layout.LAB, layout.LAB[:7] + "2")
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
    """Run this command of pytest on every lab at once; each test file runs on the lab that takes it first. The worst exit code."""
    runs = [Run(title(lab), dict(environment(lab), **variables)) for lab in NAMES]
    return parallel.share(command, runs, "lab")


if __name__ == "__main__":
    sys.exit(each(sys.argv[1:]))
