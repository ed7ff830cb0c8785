# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Two runs at once, and a run beside somebody else's iptables."""
import fcntl
import os
import threading

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import iptables
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge

from tests.integration.kernel.support.host import Host
from tests.integration.kernel.support.namespace import missing, tools_of


@pytest.fixture(name="legacy")
def legacy_host(namespace):
    reason = missing(*tools_of("legacy"))
    if reason:
        pytest.skip(reason)
    return Host("legacy")


def _held():
    lock = open(os.environ["XTABLES_LOCKFILE"], "w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_the_xtables_lock_is_waited_for(legacy):
    lock = _held()
    release = threading.Timer(0.3, lock.close)
    release.start()
    assert legacy.section(["-j DROP"]).plan.is_change
    release.join()
    assert legacy.rules("DB-USER-web") == ["-j DROP"]


def test_who_holds_the_xtables_lock_for_too_long_is_named(legacy, monkeypatch):
    monkeypatch.setattr(iptables, "XTABLES_WAIT", 1)
    before = legacy.everything()
    with _held(), pytest.raises(DrawbridgeError, match="nothing was changed") as error:
        legacy.section(["-j DROP"])
    assert "lock" in error.value.message and str(os.getpid()) in error.value.hint
    assert legacy.everything() == before


def test_a_run_waits_for_the_run_before_it_and_says_who_that_is(host, monkeypatch, tmp_path):
    path = str(tmp_path / "held")
    monkeypatch.setattr(converge, "HostLock", lambda timeout: HostLock(0, path))
    with HostLock(0, path), pytest.raises(DrawbridgeError, match="another run holds .*process %d" % os.getpid()):
        host.section(["-j DROP"])
    assert host.section(["-j DROP"]).plan.is_change


def test_check_mode_takes_no_lock(host, monkeypatch, tmp_path):
    path = str(tmp_path / "held")
    monkeypatch.setattr(converge, "HostLock", lambda timeout: HostLock(0, path))
    with HostLock(0, path):
        assert host.section(["-j DROP"], check=True).plan.is_change


def test_many_runs_at_once_all_come_to_their_end(host):
    """Each one's section is there, whichever came first."""
    errors = []

    def work(number):
        try:
            host.section(["-s 192.0.2.%d -j DROP" % number], "s%d" % number, priority=number)
        except DrawbridgeError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert host.targets("DOCKER-USER") == ["DB-USER-s%d" % number for number in range(1, 7)]
