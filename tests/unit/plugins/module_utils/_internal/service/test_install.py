# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The service's files: what a user says of the engine becomes a word of a command line, and nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.service_status import UNIT_FILE
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service import install
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.install import (
    CLOSED,
    CLOSED_FILE,
    PROGRAM,
    TABLE,
    Change,
    Installation,
    gate_files,
    unit_text,
)


@pytest.mark.parametrize("address", [
    "tcp://192.0.2.1:2375", "unix://", "unix:///", "unix://run/docker.sock", "unix:///run/docker.sock --option", "unix:///run/a\nExecStart=/bin/sh",
    "unix:///run/%h", "unix:///run/$HOME", "unix:///run/'a'", "unix:///run//a", "",
])
def test_what_is_no_socket_of_this_host(address):
    with pytest.raises(DrawbridgeError, match="docker_host: .* is not a unix socket on this host"):
        unit_text(address, "")


@pytest.mark.parametrize("options", ["", CLOSED])
def test_the_unit_runs_the_program(options):
    (line,) = [line for line in unit_text("unix:///run/user-1/docker.sock", options).decode().splitlines() if line.startswith("ExecStart")]
    assert line.endswith(" -I %s --docker-host unix:///run/user-1/docker.sock%s" % (PROGRAM, options))


def test_what_closes_at_boot():
    written = gate_files("/usr/sbin/nft")
    assert set(written) == {TABLE, CLOSED_FILE}
    unit = written[CLOSED_FILE].decode()
    assert "ExecStart=/usr/sbin/nft -f %s\n" % TABLE in unit and "Before=docker.service" in unit
    assert "elements" not in written[TABLE].decode()


def test_a_program_is_shown_by_its_digest_and_a_text_as_it_is():
    assert Change(PROGRAM, None, b"\x00zip").as_diff()["after"].startswith("sha256 ")
    shown = Change(UNIT_FILE, b"[Unit]\n", None).as_diff()
    assert (shown["before"], shown["after"]) == ("[Unit]\n", "")


@pytest.mark.parametrize("path", [
    "drawbridge.prom", "/run/a", "/run/a b.prom", "/run/a.prom\nExecStart=/bin/sh", "/run/%h.prom", "/run/../etc/a.prom", "/tmp/a.prom", "/usr/share/a.prom",
    "/run/nosuch/a.prom", "/run/{{ x }}.prom", "",
])
def test_where_no_counters_can_be_written(path, monkeypatch):
    monkeypatch.setattr(Installation, "_packed", lambda _self: b"")
    with pytest.raises(DrawbridgeError, match="metrics_file: "):
        Installation(System()).missing("unix:///run/docker.sock", False, path)


def test_counters_are_removed_when_nobody_writes_them_any_more(monkeypatch, tmp_path):
    monkeypatch.setattr(Installation, "_packed", lambda _self: b"")
    monkeypatch.setattr(install, "_UNSEEN", ())
    old, new = (str(tmp_path / name) for name in ("old.prom", "new.prom"))
    units = [next(change.after for change in Installation(System()).missing("unix:///run/docker.sock", True, path) if change.path == UNIT_FILE)
             for path in (old, new)]
    assert ("--closed-until-ready --metrics-file %s\n" % old).encode() in units[0]
    for after, kept in ((units[0], True), (units[1], False), (None, False)):
        (tmp_path / "old.prom").write_text("", encoding="ascii")
        install._remove_metrics(Change(UNIT_FILE, units[0], after))
        assert (tmp_path / "old.prom").exists() == kept
    install._remove_metrics(Change(UNIT_FILE, None, units[0]))
    install._remove_metrics(Change(UNIT_FILE, unit_text("unix:///run/docker.sock", ""), None))
