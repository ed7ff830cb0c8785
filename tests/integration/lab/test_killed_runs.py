# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""kill -9 of the module on a host in the middle of its work, at random moments, files and confirmation included: the next run puts all right."""
import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.lab.support import boot, policies
from tests.integration.lab.support.flood import flood, places_of
from tests.integration.lab.support.playbook import play

TIMEOUT = 60
# How long a change waits whose run was killed before it could confirm it.
UNCONFIRMED = 4
# Waits until a module holds the lock, then so many milliseconds, and kills it; prints whether there was something to kill.
_KILL = """
import os, re, signal, sys, time
end = time.monotonic() + 30
holder = None
while holder is None and time.monotonic() < end:
    inode = str(os.stat("/run/drawbridge.lock").st_ino) if os.path.exists("/run/drawbridge.lock") else "none"
    for line in open("/proc/locks"):
        fields = line.split()
        if fields[5].rsplit(":", 1)[-1] == inode and "python" in open("/proc/%s/comm" % fields[4]).read():
            holder = int(fields[4])
time.sleep(float(sys.argv[1]))
try:
    os.kill(holder, signal.SIGKILL)
    print("killed")
except (OSError, TypeError):
    print("too late")
"""


@pytest.fixture(name="one")
def protected_host(one):
    """The host, booting with its rules and with a policy."""
    boot.protect([one])
    return one


def killed(host, task, after):
    """Run a task whose module is killed so long after it took the lock → whether it was in time."""
    with ThreadPoolExecutor() as pool:
        killer = pool.submit(host.run, ["python3", "-IS", "-c", _KILL, str(after)])
        try:
            play([host], [task], fails=True)
            in_time = True
        except AssertionError:
            in_time = False
        return killer.result().stdout == "killed\n" and in_time


def state(host):
    """What is in force and in the files, whichever name a set has now, in the order of names."""
    text = re.sub(r"\b(DBP-\S+-[46])[ab]\b", r"\1", boot.in_kernel(host))
    return sorted(line for line in text.splitlines() if not line.startswith("*"))


@pytest.mark.parametrize("times", [4, pytest.param(30, marks=pytest.mark.drill)])
def test_the_next_run_puts_all_right(lab, one, tell, times):
    chance, count, took, number = random.Random(times), 0, 0.15, 0
    both = [boot.allowing(8081), boot.allowing(8080)]
    whole = []
    for policy in both:
        play([one], [policies.task(policy)])
        whole.append(state(one))
    with flood(lab.clients["denied"], places_of(one, *boot.DENIED_PORTS)) as denied:
        while count < times:
            assert number < 4 * times
            policy = both[number % 2]
            in_time = killed(one, policies.task(policy, confirm_timeout=UNCONFIRMED * (number // 2 % 2)), chance.uniform(0, took))
            took *= 1.1 if in_time else 0.8
            count += in_time
            # What it left, a change that waits for its confirmation included, is taken back or completed.
            run = play([one], [policies.task(policy, confirm_timeout=TIMEOUT, lock_timeout=TIMEOUT + 40)])
            assert state(one) == whole[number % 2], (number, in_time, run.output)
            assert boot.leftovers(one) == ""
            assert play([one], [policies.task(policy)], check=True).changed() == {one.name: False}
            one.run(["sh", "-c", "cd /etc/drawbridge/current && sha256sum --check --strict --status digest"])
            number += 1
    tell("%s: %d runs, %d killed; %d connections of %d tries of the denied client" % (one.name, number, count, denied.count, denied.tried))
    assert denied.count == 0 and denied.tried > 1000
