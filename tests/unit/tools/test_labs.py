# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lab's tests are shared by two runs of pytest: each file runs once, and the output ends with one closing line for both."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import closing, labs, parallel, shares
from tests.tools.env import ROOT
from tests.tools.gatelist import AGAIN

FILES = {
    "test_one.py": "def test_it(): pass\ndef test_other(): pass\n",
    "test_two.py": "def test_it(): assert False, 'as it should'\n",
    "test_three.py": "import pytest\n@pytest.mark.skip\ndef test_it(): pass\n",
    "test_four.py": "def test_it(shared): pass\ndef test_skipped_by_name(): pass\n",
}
CONFTEST = """
import os, pathlib, pytest
@pytest.fixture(scope="session")
def shared():
    yield
    pathlib.Path(__file__).with_name("ended-" + os.environ["DRAWBRIDGE_LAB"]).touch()
"""


@pytest.fixture(name="shared")
def sharing_tests(tmp_path, monkeypatch):
    """Let both runs share these files → exit code."""
    monkeypatch.setattr(labs, "NAMES", ("a", "b"))
    monkeypatch.setattr(parallel, "LOGS", tmp_path / "logs")
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "conftest.py").write_text(CONFTEST, encoding="ascii")

    def run(files):
        for name, text in files.items():
            (folder / name).write_text(text, encoding="ascii")
        command = [sys.executable, "-m", "pytest", str(folder), "--rootdir", str(folder), "-c", os.devnull, "-rf", "-p", "no:cacheprovider",
                   "-k", "not by_name"]
        return labs.share(command, {"PYTHONPATH": str(ROOT)})
    return run


def test_each_file_runs_once_and_the_sum_is_told(shared, capfd, tmp_path):
    assert shared(FILES) == 1
    text = capfd.readouterr().out
    counts, _seconds = closing.read(text)
    assert counts == {"failed": 1, "passed": 3, "skipped": 1, "deselected": 1}
    assert text.splitlines()[-1].startswith("=") and sum(map(bool, map(closing.LINE.match, text.splitlines()))) == 1
    assert re.search(r"^FAILED \S*test_two.py::test_it", text, re.M) and "as it should" in text
    told = text[text.index("seconds of each file:"):]
    assert all(told.count(name) == 1 for name in FILES)
    # What the session shares is ended by the run that began it.
    assert len(list((tmp_path / "tests").glob("ended-*"))) == 1


def test_run_that_dies_is_an_error(shared, capfd):
    assert shared({"test_dies.py": "import os\ndef test_it(): os._exit(3)\n", "test_fine.py": FILES["test_one.py"]}) == 3
    counts, _seconds = closing.read(capfd.readouterr().out)
    assert counts["errors"] == 1


def test_files_with_most_tests_come_first():
    one, two, three = (Path(name) for name in ("test_b.py", "test_a.py", "test_c.py"))
    assert shares.in_order({one: [1], two: [1], three: [1, 2]}) == [three, two, one]


def test_second_lab_has_a_name_that_a_lab_can_have():
    first, second = labs.NAMES
    assert first != second and len(second) <= 8


ONCE = """
import pytest
from pathlib import Path

def failed_before():
    noted = Path(__file__).with_suffix(".noted")
    if noted.exists():
        return True
    noted.touch()
    return False
"""


def test_what_failed_is_run_again_and_attacks_are_not(tmp_path):
    """As the gates run the kernel's and the lab's tests."""
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "integration" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    for name, mark in (("test_late.py", ""), ("test_attack.py", "@pytest.mark.attack\n")):
        (tmp_path / name).write_text("%s\n%sdef test_it(): assert failed_before(), 'too late'\n" % (ONCE, mark), encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", *AGAIN, "-c", str(ROOT / "pytest.ini"), "--rootdir", str(tmp_path)]
    output = subprocess.run(
        [*argv, "-o", "cache_dir=%s" % (tmp_path / "cache"), str(tmp_path)],
        env=dict(os.environ, PYTHONPATH=str(ROOT)), capture_output=True, text=True, check=False).stdout
    counts, _seconds = closing.read(output)
    assert counts == {"failed": 1, "passed": 1, "rerun": 1}, output
    assert "RERUN test_late.py::test_it" in output and output.count("too late") >= 2
    assert re.search(r"^FAILED \S*test_attack.py::test_it", output, re.M)


def test_a_long_closing_line_is_one():
    counts = {"failed": 1, "passed": 249, "skipped": 8, "rerun": 2, "deselected": 110, "warnings": 4, "errors": 3}
    assert closing.read(closing.write(counts, 4393.06)) == (counts, 4393.06)
