# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The runner of the gates: all run, failures show whole, the output ends with pytest's closing line."""
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools import gates
from tests.tools.gatelist import BY_NAME, GATES, Gate


@pytest.fixture(name="logs", autouse=True)
def fixture_logs(tmp_path, monkeypatch):
    monkeypatch.setattr(gates, "LOGS", tmp_path)
    return tmp_path


def gate(monkeypatch, name, code, **settings):
    """A gate that runs this code instead of one of the list's functions."""
    made = Gate(name, settings.pop("minutes", 1), "does " + name, lambda: None, **settings)
    monkeypatch.setitem(BY_NAME, name, made)
    commands = dict(getattr(gates.command_of, "codes", {}))
    commands[name] = code

    def command_of(asked):
        return [sys.executable, "-c", commands[asked.name]]
    command_of.codes = commands
    monkeypatch.setattr(gates, "command_of", command_of)
    return made


def test_every_gate_runs_when_one_fails_and_only_its_output_is_whole(monkeypatch, capsys):
    chosen = [
        gate(monkeypatch, "one", "print('first'); print('last'); raise SystemExit(3)"),
        gate(monkeypatch, "two", "print('hidden'); print('shown')"),
    ]
    runs = gates.run_all(chosen)
    assert gates.summary(chosen, runs, 0) == 1
    assert {run.gate.name: run.result for run in runs} == {"one": "FAIL", "two": "ok"}
    text = capsys.readouterr().out
    assert "first\nlast" in text and "shown" in text and "hidden" not in text
    assert "FAILED: one;" in text


def alive(pid):
    """Whether a process runs: one that ended and that nobody asked for does not."""
    try:
        state = Path("/proc/%s/stat" % pid).read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_gate_is_ended_at_twice_its_budget_with_what_it_started(monkeypatch, tmp_path):
    noted = tmp_path / "pid"
    code = ("import os, subprocess; started = subprocess.Popen(['sleep', '600']); open('%s.new', 'w').write(str(started.pid));"
            " os.rename('%s.new', '%s'); started.wait()" % (noted, noted, noted))
    monkeypatch.setattr(gates.Run, "minutes", lambda self: 2.1 if noted.exists() else 0)
    [run] = gates.run_all([gate(monkeypatch, "long", code)])
    assert run.result == "FAIL (ended at twice its budget)"
    limit = time.monotonic() + 30
    while alive(noted.read_text(encoding="ascii")):
        assert time.monotonic() < limit


def test_gate_is_not_run_without_what_it_needs(monkeypatch, tmp_path):
    runs = gates.run_all([
        gate(monkeypatch, "base", "raise SystemExit(1)"),
        gate(monkeypatch, "upper", "open('%s/ran', 'w')" % tmp_path, needs=("base",)),
    ])
    assert [(run.gate.name, run.result) for run in runs] == [("base", "FAIL"), ("upper", "FAIL")]
    assert "not run: needs base" in runs[1].output
    assert not (tmp_path / "ran").exists()


def test_gate_that_wants_to_be_alone_is(monkeypatch):
    code = "import time; print(time.time()); time.sleep(0.3); print(time.time())"
    runs = gates.run_all([gate(monkeypatch, "beside", code), gate(monkeypatch, "alone", code, alone=True),
                          gate(monkeypatch, "after", code)])
    times = {run.gate.name: [float(line) for line in run.output.split()] for run in runs}
    alone = times.pop("alone")
    assert all(end <= alone[0] or start >= alone[1] for start, end in times.values())


@pytest.mark.parametrize("outputs, line", [
    (["==== 3 passed in 1.50s ====", "=== 1 failed, 2 passed, 1 warning in 61.00s (0:01:01) ==="],
     " 1 failed, 5 passed, 1 warnings in 62.50s "),
    (["==== 3 passed in 1.50s ====", "killed"], " 3 passed, 1 errors in 1.50s "),
    (["===== no tests ran in 0.01s ====="], " 1 errors in 0.01s "),
])
def test_closing_line_is_the_sum(monkeypatch, outputs, line):
    runs = []
    for number, text in enumerate(outputs):
        bad = "passed in" not in text
        code = "print(%r); raise SystemExit(%d)" % (text, bad)
        runs += gates.run_all([gate(monkeypatch, "py%d" % number, code, pytest=True)])
    assert gates.closing_line(runs) == line.center(80, "=")


def test_summary_ends_with_the_closing_line(monkeypatch, capsys):
    chosen = [gate(monkeypatch, "py", "print('= 2 passed in 0.10s =')", pytest=True), gate(monkeypatch, "other", "")]
    assert gates.summary(chosen, gates.run_all(chosen), 0) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip("=") == " 2 passed in 0.10s "


def test_asking_for_a_gate_brings_what_it_needs():
    assert [chosen.name for chosen in gates.choose(["lab"])] == ["lab-up", "lab"]
    with pytest.raises(SystemExit, match="there is no gate nothing"):
        gates.choose(["nothing"])


def test_what_needs_the_lab_comes_after_it_and_alone():
    names = [one.name for one in GATES]
    for one in GATES:
        assert all(names.index(need) < names.index(one.name) for need in one.needs)
        assert one.alone or "lab-up" not in one.needs


def test_gate_that_never_ended_is_a_failure(monkeypatch, capsys):
    chosen = [gate(monkeypatch, "stopped", "")]
    assert gates.summary(chosen, [], 0) == 1
    assert "FAILED: stopped;" in capsys.readouterr().out


@pytest.mark.parametrize("up, ran", [(True, ["lab-up", "lab"]), (False, ["lab-up", "lab", "lab-down"])])
def test_lab_is_taken_down_by_the_run_that_started_it_even_after_a_failure(monkeypatch, capsys, up, ran):
    for name, code in (("lab-up", ""), ("lab", "raise SystemExit(1)"), ("lab-down", "")):
        monkeypatch.setitem(BY_NAME, name, gate(monkeypatch, name, code, needs=BY_NAME[name].needs))
    monkeypatch.setattr(gates, "GATES", tuple(BY_NAME.values()))
    monkeypatch.setattr(gates.labs, "is_up", lambda lab: up)
    monkeypatch.setattr(gates.signal, "signal", lambda *_arguments: None)
    assert gates.main(["lab"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if " starts, budget " in line] == ran
    assert "%d gates in" % len(ran) in lines[-1]


def test_only_labs_that_were_down_are_taken_down(monkeypatch):
    monkeypatch.setattr(gates.labs, "NAMES", ("a", "b"))
    monkeypatch.setattr(gates.labs, "is_up", lambda lab: lab == "a")
    assert gates.labs_down() == ["b"]
    assert gates.command_of(replace(BY_NAME["lab-down"], arguments=("b",)))[-2:] == ["lab-down", "b"]


def test_what_passed_only_when_run_again_is_named(monkeypatch, capsys):
    chosen = [gate(monkeypatch, "one", "print('RERUN tests/test_it.py::test_late'); print('=== 1 passed, 1 rerun in 2.00s ===')", pytest=True)]
    assert gates.summary(chosen, gates.run_all(chosen), 0) == 0
    text = capsys.readouterr().out
    assert "failed, then passed: tests/test_it.py::test_late" in text and text.splitlines()[-1].strip("= ") == "1 passed, 1 rerun in 2.00s"
