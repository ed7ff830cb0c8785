# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Where the kernel's log is read, and how far back."""
import os
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied import kernel_log

LINE = "DB-INPUT:D IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.7 PROTO=TCP SPT=1 DPT=22 "


class Journal:
    """A host with journalctl, or without."""

    def __init__(self, output):
        self.output, self.asked = output, []

    def which(self, name):
        return None if self.output is None else "/bin/" + name

    def run(self, argv):
        self.asked.append(argv)
        return self.output


def test_the_journal_is_asked_for_a_bounded_time():
    system = Journal(Output(0, "%d.5 h kernel: %s\nother\n" % (time.time(), LINE), ""))
    read = kernel_log.read_log(system, 10)
    assert (len(read.denials), read.log, read.warnings) == (1, "journal", [])
    (argv,) = system.asked
    assert 0 <= time.time() - 600 - int(argv[argv.index("--since") + 1].lstrip("@")) < 60 and "-n" in argv


@pytest.mark.parametrize("output", [None, Output(1, "", "no journal")])
def test_the_kernel_is_asked_where_there_is_no_journal(monkeypatch, output):
    now = int(time.monotonic() * 1e6)
    records = ["6,1,%d,-;%s\n SUBSYSTEM=x\n" % (now, LINE), "12,2,%d,-;%s\n" % (now, LINE), "6,3,%d,-;%s\n" % (now - 7200 * 10**6, LINE), "odd"]
    monkeypatch.setattr(kernel_log, "_records", lambda: iter(records))
    read = kernel_log.read_log(Journal(output), 60)
    # The second is a program's, the third is too old.
    assert len(read.denials) == 1 and read.log == "kernel" and abs(read.denials[0].at - time.time()) < 60


def test_no_log_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_log, "KMSG", str(tmp_path / "none"))
    with pytest.raises(DrawbridgeError, match="cannot read the kernel's log"):
        kernel_log.read_log(Journal(None), 60)


def test_files(tmp_path):
    path = tmp_path / "kern.log"
    path.write_bytes(b"\xff\n[1.0] %s\n1000.5 h kernel: %s\n" % (LINE.encode(), LINE.encode()))
    assert len(kernel_log.read_file(str(path), None).denials) == 2
    assert [denial.at for denial in kernel_log.read_file(str(path), 60).denials] == [None]


def test_what_is_no_file(tmp_path):
    with pytest.raises(DrawbridgeError, match="cannot read"):
        kernel_log.read_file(str(tmp_path / "{{ x }}"), None)
    with pytest.raises(DrawbridgeError, match="Is a directory"):
        kernel_log.read_file(str(tmp_path), None)
    with pytest.raises(DrawbridgeError, match="is not a file"):
        kernel_log.read_file(os.devnull, None)
