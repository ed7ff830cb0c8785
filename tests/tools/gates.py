# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Run the gates: ``python3 -m tests.tools.gates [NAME…]``, all of them without a name.

Every gate runs even when another failed. At most two run at a time. One that takes twice its budget is ended. The
output ends with a table and with the closing line of pytest, summed over the gates that are pytest runs.
"""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.tools import closing, labs
from tests.tools.gatelist import BUILD, BY_NAME, GATES, ROOT, Gate

SLOTS = 2
LOGS = BUILD / "logs"


def say(text: str = "") -> None:
    print(text, flush=True)


def command_of(gate: Gate) -> list[str]:
    return [sys.executable, "-m", "tests.tools.gatelist", gate.name, *gate.arguments]


class Run:
    """One gate while and after it runs."""

    def __init__(self, gate: Gate, without: Sequence[str] = ()) -> None:
        self.gate = gate
        command = command_of(gate)
        if without:
            command = [sys.executable, "-c", "import sys; sys.exit('not run: needs %s')" % " ".join(without)]
        self.log = LOGS / ("%s.%d" % (gate.name, os.getpid()))  # another run may be at the same gate
        self.started = time.monotonic()
        with open(str(self.log), "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=str(ROOT), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True)
        self.result = ""
        self.output = ""
        self.took = 0.0

    def minutes(self) -> float:
        return (time.monotonic() - self.started) / 60

    def end(self) -> None:
        """End the gate and what it started, politely first: it may have something to take down."""
        for number, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(timeout=patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass

    def poll(self) -> bool:
        """True when the gate is over; sets result and took."""
        code = self.process.poll()
        if code is None and self.minutes() > 2 * self.gate.minutes:
            self.end()
            self.result = "FAIL (ended at twice its budget)"
        elif code is None:
            return False
        else:
            self.result = "ok" if code == 0 else "FAIL"
        self.took = self.minutes()
        self.log = self.log.replace(LOGS / (self.gate.name + ".log"))
        self.output = self.log.read_text(encoding="utf-8", errors="replace").rstrip()
        return True

    def report(self) -> None:
        text = self.output
        if self.result == "ok":
            say("%-14s ok    %4.1f of %g min: %s" % (
                self.gate.name, self.took, self.gate.minutes, text.splitlines()[-1].strip() if text else "no output"))
            for line in text.splitlines():
                if line.startswith("RERUN "):
                    say("               failed, then passed: " + line.partition(" ")[2])
            return
        say("%-14s %s after %.1f of %g min; its output:" % (
            self.gate.name, self.result, self.took, self.gate.minutes))
        say("-" * 78)
        say(text)
        say("-" * 78)


def labs_down() -> list[str]:
    """The labs that do not run: where this run boots them, it takes them down as well."""
    return [lab for lab in labs.NAMES if not labs.is_up(lab)] if BY_NAME["lab-up"].has_subject() else []


def choose(names: Sequence[str]) -> list[Gate]:
    """The gates to run, with what they need, in the order of the list."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        sys.exit("gates: there is no gate %s; there are: %s" % (" ".join(unknown), " ".join(BY_NAME)))
    chosen = set(names) or {gate.name for gate in GATES if gate.default and gate.has_subject()}
    for name in list(chosen):
        chosen.update(BY_NAME[name].needs)
    if not names and not any("lab-up" in BY_NAME[name].needs for name in chosen):
        chosen.discard("lab-up")
    return [gate for gate in GATES if gate.name in chosen]


def run_all(gates: Iterable[Gate], done: list[Run] | None = None) -> list[Run]:
    """Run these gates, two at a time at most; the finished runs, in the order in which they ended.

    They are added to ``done`` as they end, so that they are known even when this is interrupted.
    """
    done = [] if done is None else done
    waiting: list[Gate] = list(gates)
    running: list[Run] = []
    heard = time.monotonic()
    try:
        while waiting or running:
            for run in [run for run in running if run.poll()]:
                running.remove(run)
                done.append(run)
                run.report()
                heard = time.monotonic()
            for gate in list(waiting):
                busy = {run.gate.name for run in running} | {other.name for other in waiting if other is not gate}
                if len(running) >= SLOTS or any(run.gate.alone for run in running):
                    break
                if busy.intersection(gate.needs) or (gate.alone and running):
                    continue
                waiting.remove(gate)
                say("%-14s starts, budget %g min: %s" % (gate.name, gate.minutes, gate.does))
                running.append(Run(gate, [run.gate.name for run in done
                                          if run.result != "ok" and run.gate.name in gate.needs]))
                heard = time.monotonic()
            if time.monotonic() - heard > 60:
                say("               … " + ", ".join("%s since %.1f min" % (r.gate.name, r.minutes()) for r in running))
                heard = time.monotonic()
            time.sleep(0.1)
    finally:
        for run in running:
            run.end()
    return done


def closing_line(runs: Iterable[Run]) -> str:
    """pytest's closing line over all gates that are pytest runs, "" where there was none."""
    counts: Counter[str] = Counter()
    seconds = 0.0
    for run in runs:
        if not run.gate.pytest:
            continue
        found = closing.read(run.output)
        if found:
            counts += found[0]
            seconds += found[1]
        if run.result != "ok" and not (found and found[0].keys() & {"failed", "errors"}):
            counts["errors"] += 1  # it never came to its own closing line, or was ended
    return closing.write(counts, seconds) if counts else ""


def summary(gates: Iterable[Gate], runs: Sequence[Run], minutes: float) -> int:
    say()
    say("%-14s %8s %8s  %s" % ("gate", "budget", "minutes", "result"))
    for run in sorted(runs, key=lambda run: list(BY_NAME).index(run.gate.name)):
        over = ", over its budget" if run.took > run.gate.minutes else ""
        say("%-14s %8g %8.1f  %s%s" % (run.gate.name, run.gate.minutes, run.took, run.result, over))
    ended = [run.gate.name for run in runs]
    failed = [run.gate.name for run in runs if run.result != "ok"]
    for gate in gates:
        if gate.name not in ended:
            say("%-14s %8g %8s  not finished" % (gate.name, gate.minutes, "-"))
            failed.append(gate.name)
    say("%d gates in %.1f minutes, %s; whole outputs are in %s" % (
        len(runs), minutes, "FAILED: " + " ".join(failed) if failed else "all ok", os.path.relpath(str(LOGS), str(ROOT))))
    line = closing_line(runs)
    if line:
        say(line)
    return 1 if failed else 0


def main(names: Sequence[str]) -> int:
    def stop(*_unused: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    gates = choose(names)
    absent = [gate.name for gate in GATES if gate.default and not gate.has_subject()]
    if absent and not names:
        say("without a subject in this tree, left out: %s" % " ".join(absent))
    ours = labs_down() if any(gate.name == "lab-up" for gate in gates) else []
    started = time.monotonic()
    runs: list[Run] = []
    try:
        run_all(gates, runs)
    except KeyboardInterrupt:
        say("stopped")
    finally:
        if ours:
            down = replace(BY_NAME["lab-down"], arguments=tuple(ours))
            gates.append(down)
            run_all([down], runs)
    return summary(gates, runs, (time.monotonic() - started) / 60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
