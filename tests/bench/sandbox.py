# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A process in namespaces of its own, where rules, sets and packets touch nothing of the machine's: run measurements there.

python -m tests.bench.sandbox MEASUREMENT COUNT [WORD] prints the findings as JSON on its last line. WORD: of the packets, the revision that they are
compared with; of the fleet, how many hosts it has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from .measure import Finding

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".build" / "collections"
# Its processes end with this one, however this one ends: the namespace's first process is ended, and the kernel ends the others.
WITH_ITS_PROCESSES = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def findings(measurement: str, count: int, *word: str) -> list[Finding]:
    """What a measurement came to in a new network namespace, with a /run of its own for locks and namespaces."""
    begin = WITH_ITS_PROCESSES if measurement == "fleet" else ["unshare"]
    argv = [*begin, "--net", "--mount", "--", sys.executable, "-m", __name__, measurement, str(count), *word]
    path = os.pathsep.join([str(ROOT), str(COLLECTIONS)])
    done = subprocess.run(argv, cwd=ROOT, env=dict(os.environ, PYTHONPATH=path), stdout=subprocess.PIPE, text=True, check=True)
    return [Finding(**item) for item in json.loads(done.stdout.splitlines()[-1])]


def _main(measurement: str, count: int, word: str = "") -> None:
    from . import before, cross_check, fleet, inside, packets, policy_tests

    for argv in (["mount", "-t", "tmpfs", "tmpfs", "/run"], ["ip", "link", "set", "lo", "up"]):
        subprocess.run(argv, check=True)
    measures = {"rules": inside.rules, "sets": inside.sets, "packets": packets.packets, "cross_check": cross_check.findings, "fleet": fleet.fleet,
                "policy_tests": policy_tests.findings}
    of_word = {"packets": before.packets_before, "fleet": fleet.of_hosts}
    found = of_word[measurement](word, count) if word else measures[measurement](count)
    print(json.dumps([vars(item) for item in found]))


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
