# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A daemon.json brought to what is wanted, on a host that a test makes up."""
import json
import os
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import arguments, config, running_config
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.config import DesiredConfig, configure
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import Daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System

UNIT = "ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// %s ; ignore_errors=no ; pid=0 }\n"


class Host(System):
    """release: of the installed dockerd, None where there is none. refuses: what --validate says."""

    def __init__(self, release, flags="", refuses=""):
        super().__init__()
        self.release, self.flags, self.refuses, self.validated = release, flags, refuses, []

    def which(self, name):
        return None if name == "dockerd" and self.release is None else "/usr/sbin/" + name

    def run(self, argv, stdin="", env=None):
        if argv[1] == "show":
            return Output(0, UNIT % self.flags, "")
        if argv[1] == "--version":
            return Output(0, "Docker version %s, build x" % self.release, "")
        assert argv[1:3] == ["--validate", "--config-file"]
        with open(argv[3], encoding="utf-8") as stream:
            self.validated.append((json.load(stream), argv[4:]))
        return Output(1, "", "bad file " + argv[3]) if self.refuses else Output(0, "configuration OK", "")


@pytest.fixture(name="here")
def a_place(tmp_path, monkeypatch):
    """The file, and a function that brings it to something. No engine runs until the test says so."""
    monkeypatch.setattr(config, "find_daemon", lambda system: None)
    path = tmp_path / "daemon.json"

    def bring(values, host=None, absent=(), check=False):
        return configure(host or Host("28.5.2"), DesiredConfig(values, absent, str(path)), check, str(tmp_path / "note"))

    return path, bring


def test_written_with_a_backup_and_validated_with_the_units_arguments(here):
    path, bring = here
    path.write_text('{"debug": true}')
    path.chmod(0o600)
    host = Host("28.5.2", "--containerd=/x --config-file /etc/other")
    done = bring({"icc": False}, host)
    assert done.changes == {"icc": {"before": None, "after": False}} and done.changed and not done.restart_required
    assert path.read_text() == '{"debug": true, "icc": false}' and path.stat().st_mode & 0o777 == 0o600
    assert open(done.backup_file, encoding="utf-8").read() == '{"debug": true}'
    assert host.validated == [({"debug": True, "icc": False}, ["-H", "fd://", "--containerd=/x"])]
    again = bring({"icc": False}, host)
    assert not again.changed and again.backup_file is None and len(host.validated) == 1


def test_check_mode_writes_nothing(here):
    path, bring = here
    assert bring({"icc": False}, check=True).changed
    assert os.listdir(str(path.parent)) == []


@pytest.mark.parametrize("text, values, host", [
    ("{broken", {"icc": True}, Host("28.5.2")),
    ('{"x": 1}', {"icc": True}, Host("28.5.2", refuses="no")),
    ('{"iptables": false}', {"icc": False}, Host("20.10.24")),
    ("{}", {"allow-direct-routing": True}, Host("28.1.0")),
    ("{}", {"icc": True}, Host("28.5.2", "--icc=false")),
    ('{"a": 1, "icc": true, "icc": true}', {"icc": False}, Host("28.5.2")),
])
def test_what_an_engine_would_not_start_with_is_not_written(here, text, values, host):
    path, bring = here
    path.write_text(text)
    with pytest.raises(DrawbridgeError):
        bring(values, host)
    assert path.read_text() == text and os.listdir(str(path.parent)) == ["daemon.json"]


def test_a_refusal_names_the_file_and_not_the_temporary_one(here):
    path, bring = here
    with pytest.raises(DrawbridgeError, match="bad file %s" % path):
        bring({"icc": True}, Host("28.5.2", refuses="no"))


@pytest.mark.parametrize("host, says", [(Host("20.10.24"), "no dockerd --validate"), (Host(None), "not installed")])
def test_what_could_not_be_validated_is_said(here, host, says):
    _path, bring = here
    assert any(says in warning for warning in bring({"icc": False}, host).warnings) and not host.validated


def test_bytes_that_are_no_text_stay(here):
    path, bring = here
    path.write_bytes(b'{"label": "\xff"}')
    bring({"icc": False}, Host("20.10.24"))
    assert path.read_bytes() == b'{"label": "\xff", "icc": false}'


@pytest.fixture(name="engine")
def a_running_engine(here, monkeypatch):
    """An engine that was started now: call it to start it anew."""
    started = []

    def start():
        started.append(time.time())
        identity = "%d.%d" % (os.getpid(), len(started))
        found = running_config.Running(identity, started[-1])
        monkeypatch.setattr(running_config, "running", lambda _system, daemon: found if daemon else None)

    argv = ["dockerd", "--config-file", str(here[0])]
    monkeypatch.setattr(config, "find_daemon", lambda system: Daemon(os.getpid(), argv, None))
    start()
    return start


def test_restart_is_required_until_the_engine_is_restarted(here, engine):
    path, bring = here
    assert not bring({}).restart_required
    assert bring({"icc": True}).restart_required is False, "the default, stated"
    assert bring({"icc": False}, check=True).restart_required
    assert bring({"icc": False}).restart_required
    assert bring({"icc": False}).restart_required and bring({}).restart_required
    engine()
    later(path, -5)
    assert not bring({"icc": False}).restart_required
    assert bring({}, absent=("icc",)).restart_required
    assert not bring({"icc": False}).restart_required, "as it was started"


def later(path, seconds):
    at = time.time() + seconds
    os.utime(str(path), (at, at))


def test_a_file_that_others_changed_since_the_start(here, engine):
    path, bring = here
    path.write_text("{}")
    later(path, 5)
    done = bring({})
    assert done.restart_required and "not known" in done.warnings[0]


def test_a_file_that_is_not_the_engines_asks_for_no_restart(here, engine, tmp_path):
    done = configure(Host("28.5.2"), DesiredConfig({"icc": False}, (), str(tmp_path / "other.json")), False, str(tmp_path / "note"))
    assert done.changed and not done.restart_required


def test_running_reads_this_process():
    found = running_config.running(System(), Daemon(os.getpid(), ["dockerd"], None))
    assert found.identity.startswith("%d." % os.getpid()) and 0 <= time.time() - found.started < 3600


def test_environment_files():
    text = "# DOCKER_OPTS='--icc'\nDOCKER_OPTS=\"--dns 192.0.2.1 --ip-forward=false\"\nB='open\n"
    assert arguments.environment(text) == {"DOCKER_OPTS": "--dns 192.0.2.1 --ip-forward=false", "B": "'open"}


@pytest.mark.parametrize("shown", [
    "Environment=A=1 \"DOCKER_OPTS=--icc --ip-masq=false\"\n", "Environment=DOCKER_OPTS=--icc\nEnvironmentFiles=/etc/default/docker (ignore_errors=yes)\n",
])
def test_the_units_own_environment(shown):
    class Unit(Host):
        def run(self, argv, stdin="", env=None):
            return Output(0, shown + UNIT % "$DOCKER_OPTS", "")

        def read(self, path):
            return "DOCKER_OPTS='--icc --ip-masq=false'" if path == "/etc/default/docker" else None

    assert arguments.arguments(Unit("28.5.2"), None).next == ["-H", "fd://", "--icc", "--ip-masq=false"]
