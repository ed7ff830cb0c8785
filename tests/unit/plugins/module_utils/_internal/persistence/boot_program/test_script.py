# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The boot program in the Python file that hosts get it from, and the sources that it is made of."""
import shutil
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.boot_program.script import SCRIPT

from tests.tools import boot_program

PARTS = sorted(path for path in boot_program.SOURCES.iterdir() if path.suffix == ".sh")


def test_it_is_what_the_sources_give():
    assert boot_program.SCRIPT.read_text(encoding="utf-8") == boot_program.module(), "run make shell"
    assert boot_program.text() == SCRIPT


def test_every_source_is_in_it():
    awk = sorted((boot_program.SOURCES / "awk").iterdir())
    assert len(PARTS) > 5 and len(awk) > 3
    for path in PARTS + awk:
        last = path.read_text(encoding="utf-8").splitlines()[-1]
        assert "\n%s\n" % last in SCRIPT, path.name


def test_no_word_for_readers_of_the_sources_is_in_it():
    assert not [line for line in SCRIPT.splitlines() if line.lstrip().startswith(("##", "# shellcheck", ". ./"))]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_a_verb_that_it_does_not_know_is_told(shell, tmp_path):
    """The whole text is read before, by the shell that a host has as sh."""
    if shutil.which(shell) is None:
        pytest.skip("%s is not installed" % shell)
    (tmp_path / "sh").symlink_to(shutil.which(shell))
    (tmp_path / "boot.sh").write_text(SCRIPT, encoding="utf-8")
    commands = {"one text": [str(tmp_path / "sh"), str(tmp_path / "boot.sh"), "dance"], "the sources": [str(tmp_path / "sh"), "boot.sh", "dance"]}
    for what, command in commands.items():
        done = subprocess.run(command, cwd=boot_program.SOURCES, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("drawbridge: what to do? boot, again,"), what
        assert done.stderr.count("\n") == 1, what
