# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""``make bench``: what Drawbridge costs beside the bare tools, as ratios measured in turns. Not a test."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.lab import lifecycle, rootfs
from tests.lab.api import Lab
from tests.lab.sh import LabError

from . import containers, light_hosts, playbooks, sandbox
from .measure import Finding, render

HOST = "trixie"
# Of a fleet that is compared with a half and a quarter of it.
LEAST = 4
# A load for each core beyond which waiting for the others is most of what is measured.
BUSY = 1.5
PARTS = {
    "playbooks": "whole playbooks over SSH to the lab host trixie, against one that only pings, same variables loaded",
    "containers": "rules inside 50 containers of the lab host trixie, against a ping and against nsenter for each",
    "rules": "10,000 rules on the host's side without Ansible, against iptables-restore of the same text",
    "sets": "a set of 100,000 addresses on the host's side without Ansible, against ipset restore of all of it",
    "cross_check": "a change on legacy iptables that python-iptables reads, too, without Ansible, against the same without it",
    "packets": "packets from a client through a router to a published port, against the same without a policy",
    "policy_tests": "a policy with 50 tests on this machine in a namespace, against the same policy without them",
    "fleet": "the playbook harden on many light hosts over SSH, against a play that only pings",
}
# Takes minutes: it has to be asked for.
ASKED_FOR = "fleet"


def main() -> int:
    """Run the chosen measurements and print a table for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS) + f" (all but {ASKED_FOR} if none is named)")
    parser.add_argument("-n", type=int, default=7, metavar="ROUNDS", help="rounds of each measurement (7)")
    parser.add_argument("--before", metavar="REVISION", help="packets: against the policy's rules as another revision makes them")
    parser.add_argument("--hosts", type=int, metavar="COUNT", help="fleet: how many hosts (100)")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown or options.n < 1:
        parser.error(f"no such part: {' '.join(unknown)}" if unknown else "at least one round")
    if options.before and options.parts != ["packets"]:
        parser.error("--before is for packets alone")
    if options.hosts is not None and (options.parts != ["fleet"] or options.hosts < LEAST):
        parser.error(f"--hosts is for fleet alone, and at least {LEAST}")
    words = [f"--before {options.before}"] if options.before else [f"--hosts {options.hosts}"] if options.hosts else []
    started = time.monotonic()
    try:
        missed = [item.what for part in options.parts or _default() for item in _part(part, options.n, *words) if item.met == "NO"]
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{time.monotonic() - started:.0f} s, {_load()}.")
    if os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
        print("The machine is busy with other things: medians far from the best, and wide spreads, say little. Measure again.")
    print("Every target is met." if not missed else "Targets missed:\n  " + "\n  ".join(missed))
    return 0


def _default() -> list[str]:
    return [part for part in PARTS if part != ASKED_FOR]


def _part(part: str, rounds: int, *words: str) -> list[Finding]:
    print(f"\n{PARTS[part]}; {_load()} before", flush=True)
    if part in ("playbooks", "containers"):
        lifecycle.up([HOST])
        measured = playbooks.all_of if part == "playbooks" else containers.findings
        found = measured(Lab.load().hosts[HOST], rounds)
    else:
        if part == "fleet":
            # There is no network in the sandbox.
            rootfs.ensure(light_hosts.SUITE)
        found = sandbox.findings(part, rounds, *(word.partition(" ")[2] for word in words))
    print(render(found), flush=True)
    print(f"  again with: .build/venv-newest/bin/python -m tests.bench -n {rounds} {' '.join([part, *words])}", flush=True)
    return found


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())
