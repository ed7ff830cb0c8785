# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Nobody writes lines of his own into the journal."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.journal import ERROR, INFO, notify, tell


@pytest.mark.parametrize("text", ["a\n<3>b", "a\r\x00b", "a\x1b[31mb", "a\u202eb", "a\udcffb", "a\x85b"])
def test_one_line_of_plain_characters(capsys, text):
    tell(ERROR, text)
    written = capsys.readouterr().err
    assert written.startswith("<3>a") and written.endswith("b\n")
    assert written.count("\n") == 1 and written.rstrip("\n").isprintable() and written.isascii()


def test_a_long_one_is_cut(capsys):
    tell(INFO, "x" * 100_000)
    assert len(capsys.readouterr().err) < 700


def test_systemd_is_told(tmp_path, monkeypatch):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify("READY=1")
        assert receiver.recv(100) == b"READY=1"


def test_without_systemd_nobody_is_told(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
