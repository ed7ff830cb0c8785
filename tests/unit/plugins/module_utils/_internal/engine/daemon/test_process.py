# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The engine's process, found in a folder that looks like /proc."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import Daemon, find_daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System


@pytest.fixture
def process(tmp_path):
    """Make a process: its pid, its network namespace, its arguments."""
    def make(pid, namespace, *words):
        folder = tmp_path / "proc" / str(pid)
        (folder / "ns").mkdir(parents=True)
        os.symlink("net:[%d]" % namespace, str(folder / "ns" / "net"))
        os.symlink("pid:[1]", str(folder / "ns" / "pid"))
        os.symlink(words[0] if words else "none", str(folder / "exe"))
        (folder / "status").write_text("Name:\tx\nUid:\t0\t0\t0\t0\n")
        (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))

    make("self", 1)
    return make


def find(tmp_path):
    return find_daemon(System(), str(tmp_path / "proc"), str(tmp_path / "docker.pid"))


def test_none(tmp_path, process):
    process(1, 1, "/sbin/init")
    process(2, 1)
    assert find(tmp_path) is None


def test_no_proc_at_all(tmp_path):
    assert find(tmp_path) is None


def test_of_this_namespace_only(tmp_path, process):
    config = tmp_path / "daemon.json"
    config.write_text('{"iptables": true}')
    process(10, 2, "/usr/sbin/dockerd")
    process(11, 1, "/usr/bin/dockerd", "--config-file", str(config))
    assert find(tmp_path) == Daemon(11, ["/usr/bin/dockerd", "--config-file", str(config)], '{"iptables": true}')


def test_the_pid_file_first(tmp_path, process):
    process(10, 1, "dockerd", "--config-file=/none/a")
    process(11, 1, "dockerd", "--config-file=/none/b")
    (tmp_path / "docker.pid").write_text("11\n")
    assert find(tmp_path).pid == 11


@pytest.mark.parametrize("noted", ["", "99", "../..", "12"])
def test_a_stale_pid_file(tmp_path, process, noted):
    process(10, 1, "dockerd", "--config-file=/none")
    process(12, 1, "/usr/bin/python3", "dockerd")
    (tmp_path / "docker.pid").write_text(noted)
    assert find(tmp_path) == Daemon(10, ["dockerd", "--config-file=/none"], None)
