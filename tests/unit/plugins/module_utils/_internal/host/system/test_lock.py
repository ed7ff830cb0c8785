# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""One run at a time."""
import os
import subprocess
import threading
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock, lock_holders
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System


@pytest.fixture(name="path")
def in_a_folder(tmp_path):
    return str(tmp_path / "lock")


def waiting(path):
    """How many wait for the lock in the kernel's queue."""
    inode = ":%d " % os.stat(path).st_ino
    with open("/proc/locks", encoding="ascii") as stream:
        return sum("->" in line and inode in line for line in stream)


def wait_in_the_queue(path, seconds):
    """Start a thread that wants the lock → (the thread, what came of it) as soon as the kernel has it wait."""
    came = []

    def want():
        try:
            with HostLock(seconds, path):
                came.append("its turn")
        except DrawbridgeError as error:
            came.append(error.message)

    thread = threading.Thread(target=want)
    thread.start()
    end = time.monotonic() + 20
    while not waiting(path):
        assert time.monotonic() < end and not came
    return thread, came


def test_the_second_waits_in_the_kernels_queue(path):
    """Not by asking now and then: beside others that hold the lock one after another it would never have its turn."""
    with HostLock(0, path):
        thread, came = wait_in_the_queue(path, 30)
        assert came == []
    thread.join(20)
    assert came == ["its turn"]


def test_who_gave_up_waiting_does_not_keep_it(path):
    with HostLock(0, path):
        thread, came = wait_in_the_queue(path, 0.1)
        thread.join(20)
        assert "another run holds" in came[0]
        assert waiting(path)
    # Its turn comes once nobody has the lock; whoever asks meanwhile may be faster.
    end = time.monotonic() + 20
    while waiting(path):
        assert time.monotonic() < end, "it does not leave the queue"
        time.sleep(0.001)
    with HostLock(20, path):
        pass


def test_who_holds_it_for_too_long_is_named(path):
    with HostLock(0, path), pytest.raises(DrawbridgeError, match=r"since more than 0 s: process %d \(.*\) \(wait for it" % os.getpid()):
        HostLock(0, path).__enter__()
    with HostLock(0, path):
        pass


def test_it_is_given_back_when_the_work_fails(path):
    with pytest.raises(ValueError), HostLock(0, path):
        raise ValueError
    with HostLock(0, path):
        pass


def test_a_link_is_not_followed(path, tmp_path):
    (tmp_path / "target").write_text("precious", encoding="ascii")
    os.symlink(str(tmp_path / "target"), path)
    with pytest.raises(DrawbridgeError, match="cannot open the lock"):
        HostLock(0, path).__enter__()
    assert (tmp_path / "target").read_text(encoding="ascii") == "precious"


def test_a_holder_that_is_no_run_is_named_too(path):
    """As the boot program takes it, which writes nothing into it."""
    with subprocess.Popen(["flock", path, "sh", "-c", "echo ready; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout.readline() == "ready\n"
        with pytest.raises(DrawbridgeError, match=r"process %d \(flock\)" % held.pid):
            HostLock(0, path).__enter__()
        held.communicate("\n")
    with HostLock(0, path):
        pass


class Listed(System):
    """A kernel with one holder of one lock."""

    def __init__(self, inode, name):
        super().__init__()
        self.told = {"/proc/locks": "1: -> FLOCK  ADVISORY  WRITE 6 00:17:%d 0 EOF\n2: FLOCK  ADVISORY  WRITE 7 00:17:%d 0 EOF\n" % (inode, inode),
                     "/proc/7/comm": name}

    def read(self, path):
        return self.told.get(path)


def test_a_process_may_call_itself_anything(path):
    with open(path, "w", encoding="ascii") as stream:
        inode = os.fstat(stream.fileno()).st_ino
    assert lock_holders(Listed(inode, "ev\x1b[2Jil\n"), path) == "7 (ev\\x1b[2Jil)"
    assert lock_holders(Listed(inode + 1, "other"), path) == lock_holders(Listed(inode, "x"), path + ".gone") == "unknown"
