# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Commands and files of a host."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System


def test_a_command_gets_its_words_as_they_are_and_nothing_of_a_shell():
    found = System().run(["printf", "%s|", "$(id)", "a b", "'", "*"])
    assert (found.rc, found.stdout, found.stderr) == (0, "$(id)|a b|'|*|", "")


def test_input_output_and_failure():
    assert System().run(["cat"], "in\udcff\n").stdout == "in\udcff\n"
    found = System().run(["sh", "-c", "echo no >&2; exit 3"])
    assert (found.rc, found.stderr) == (3, "no\n")


def test_a_variable_for_one_command():
    assert System().run(["sh", "-c", "echo $X $LC_ALL"], env={"X": "y"}).stdout == "y C\n"


def test_what_cannot_be_started():
    with pytest.raises(DrawbridgeError, match="cannot run /nonexistent: No such file"):
        System().run(["/nonexistent"])


def test_administrators_tools_are_found_whatever_path_says(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "/usr/sbin" in System().path.split(":")


def test_which_and_require(tmp_path):
    system = System()
    system.path = str(tmp_path)
    assert system.which("tool") is None
    with pytest.raises(DrawbridgeError, match="tool is not installed .install the package tools"):
        system.require("tool", "tools")
    (tmp_path / "tool").write_text("#!/bin/sh\n", encoding="ascii")
    assert system.which("tool") is None
    (tmp_path / "tool").chmod(0o755)
    assert system.which("tool") == system.require("tool", "tools") == str(tmp_path / "tool")


def test_a_file_or_none(tmp_path):
    (tmp_path / "file").write_bytes(b"a\xff\n")
    assert System().read(str(tmp_path / "file")) == "a\udcff\n"
    assert System().read(str(tmp_path)) is None and System().read(str(tmp_path / "nosuch")) is None
