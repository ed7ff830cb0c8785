# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which process is taken for the engine: its arguments name a program that is run as root, and a file that is written."""
import os
import shutil
import subprocess
import tempfile
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import find_daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

NOBODY = 65534


@pytest.fixture(name="found")
def what_is_found(namespace, tmp_path):
    """Start a process in a network namespace of its own, and say which is taken for the engine beside it; it goes with the test."""
    started = []

    def start(argv, **how):
        started.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, **how))
        until_it_runs([argv[-2], argv[-1]])
        daemon = find_daemon(System(), pidfile=str(tmp_path / "none"))
        return daemon and daemon.cmdline

    yield start
    for process in started:
        process.kill()
        process.wait()


def until_it_runs(words):
    end, shown = time.monotonic() + 10, "".join(word + "\0" for word in words)
    while shown not in [System().read("/proc/%s/cmdline" % name) for name in os.listdir("/proc")]:
        assert time.monotonic() < end, "it did not start"


@pytest.fixture(name="engine")
def a_program_of_that_name():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield shutil.copy("/bin/sleep", os.path.join(folder, "dockerd"))


def test_the_engine(found, engine):
    assert found([engine, "100"]) == [engine, "100"]


def test_a_user_who_calls_a_program_like_that(found, engine):
    assert found([engine, "100"], user=NOBODY) is None


def test_another_program_that_was_told_to_be_called_like_that(found, engine):
    """As sudo is while it asks for the password, with all rights and whatever name."""
    assert found([engine, "100"], executable="/bin/sleep") is None


def test_one_in_a_container_on_the_hosts_network(found, engine):
    assert found(["unshare", "--pid", "--fork", "--kill-child", engine, "100"]) is None
