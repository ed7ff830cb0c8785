# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""One run at a time."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils.host import lock
from ansible_collections.drawbridge.docker.plugins.module_utils.host.lock import HostLock


@pytest.fixture(name="path")
def in_a_folder(tmp_path):
    return str(tmp_path / "lock")


def test_the_second_waits_until_the_first_is_done(path, monkeypatch):
    first = HostLock(0, path)
    first.__enter__()
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        first.__exit__()

    monkeypatch.setattr(lock.time, "sleep", sleep)
    with HostLock(30, path):
        assert len(waited) == 1


def test_who_holds_it_for_too_long_is_named(path):
    with HostLock(0, path), pytest.raises(DrawbridgeError, match=r"process %d\) since more than 0 s \(wait for it" % os.getpid()):
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


def test_a_holder_that_wrote_nothing_is_unknown(path):
    held = HostLock(0, path)
    with held, open(path, "w", encoding="ascii"):
        with pytest.raises(DrawbridgeError, match="process unknown"):
            HostLock(0, path).__enter__()
