# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The program's archive: the same each time, whole, and nothing in it that is not of use."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.archive import archive, closure, relative_imports


@pytest.fixture(name="program", scope="module")
def program_on_a_disk(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "events.pyz"
    path.write_bytes(archive("service.program"))
    return path


def test_it_is_the_same_each_time(program):
    assert archive("service.program") == program.read_bytes()


def test_it_runs_from_anywhere_with_nothing_else(program, tmp_path):
    done = subprocess.run([sys.executable, "-I", str(program), "--help"], capture_output=True, text=True, check=True, cwd=tmp_path, env={})
    assert "--docker-host" in done.stdout


def test_every_import_is_in_it(program, tmp_path):
    # Those too that are made late.
    code = "import sys, importlib; sys.path.insert(0, sys.argv[1]); [importlib.import_module(name) for name in sys.argv[2:]]"
    names = ["drawbridge." + name for name in closure("service.program")]
    subprocess.run([sys.executable, "-I", "-c", code, str(program), *names], check=True, cwd=tmp_path)


def test_nothing_of_ansible_or_of_the_modules_is_in_it(program):
    inside = zipfile.ZipFile(program).namelist()
    assert "drawbridge/errors.py" in inside and "__main__.py" in inside
    assert not {"drawbridge/tasks/run.py", "drawbridge/service/install.py", "drawbridge/engine/api/sdk.py"} & set(inside)
    assert not any("ansible_collections" in text for text in closure("service.program").values())


def test_a_package_that_is_imported_from(monkeypatch):
    assert {"host_settings.leftovers", "netfilter.kernel.ipset"} <= set(closure("host_settings.policy"))


def test_what_is_not_there_is_an_error():
    with pytest.raises(DrawbridgeError, match="the text of service.nothing is not at hand"):
        archive("service.nothing")


def test_the_imports_are_those_that_python_sees():
    for name, text in closure("service.install").items():
        tree = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.level]
        seen = [(node.level, node.module or "", [alias.name for alias in node.names]) for node in tree]
        assert sorted(relative_imports(text)) == sorted(seen), name
