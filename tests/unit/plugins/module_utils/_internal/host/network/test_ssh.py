# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The task's own SSH connection, found in a /proc of the test's making."""
import os
import sys

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import Connection, controlling_connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def words(raw: bytes) -> str:
    return "".join("%08X" % int.from_bytes(raw[index : index + 4], sys.byteorder) for index in range(0, len(raw), 4))


def line(local: bytes, port: int, remote: bytes, inode: int, state: str = "01") -> str:
    return "   0: %s:%04X %s:C001 %s 00000000:00000000 02:00000000 00000000     0        0 %d 4 0\n" % (
        words(local), port, words(remote), state, inode,
    )


@pytest.fixture
def proc(tmp_path):
    """Processes: this one, below a shell, below sshd 900 (the session) and sshd 800 (the listener)."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(HEAD)
    (tmp_path / "net" / "tcp6").write_text(HEAD)
    for pid, parent, name in ((os.getpid(), 950, "python3"), (950, 900, "sh) (x"), (900, 800, "sshd-session"), (800, 1, "sshd")):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(name + "\n")
        (folder / "stat").write_text("%d (%s) S %d 1 1 0\n" % (pid, name, parent))
    return tmp_path


def found(proc):
    return controlling_connection(System(), str(proc))


def test_ipv4(proc):
    (proc / "net" / "tcp").write_text(HEAD + line(bytes([192, 0, 2, 11]), 22, bytes([192, 0, 2, 100]), 4711))
    (proc / "900" / "fd" / "3").symlink_to("socket:[4711]")
    assert found(proc) == Connection("192.0.2.11", 22, "192.0.2.100")


def test_ipv4_through_a_socket_for_both_families(proc):
    mapped = bytes(10) + b"\xff\xff"
    text = line(mapped + bytes([192, 0, 2, 11]), 2222, mapped + bytes([192, 0, 2, 100]), 4711)
    (proc / "net" / "tcp6").write_text(HEAD + text)
    (proc / "900" / "fd" / "3").symlink_to("socket:[4711]")
    assert found(proc) == Connection("192.0.2.11", 2222, "192.0.2.100")


def test_ipv6(proc):
    local, remote = bytes.fromhex("20010db8000100000000000000000011"), bytes.fromhex("20010db8000100000000000000000100")
    (proc / "net" / "tcp6").write_text(HEAD + line(local, 22, remote, 4711))
    (proc / "900" / "fd" / "3").symlink_to("socket:[4711]")
    assert found(proc) == Connection("2001:db8:1::11", 22, "2001:db8:1::100")


def test_a_listening_socket_is_no_connection(proc):
    (proc / "net" / "tcp").write_text(HEAD + line(bytes([0, 0, 0, 0]), 22, bytes([0, 0, 0, 0]), 4711, "0A"))
    (proc / "800" / "fd" / "3").symlink_to("socket:[4711]")
    assert found(proc) is None


def test_no_sshd_above_us(proc):
    (proc / "net" / "tcp").write_text(HEAD + line(bytes([192, 0, 2, 11]), 22, bytes([192, 0, 2, 100]), 4711))
    (proc / "950" / "stat").write_text("950 (sh) S 1 1 1 0\n")
    assert found(proc) is None
